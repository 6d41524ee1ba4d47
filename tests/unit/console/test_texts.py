from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from services.console import texts
from services.console.figures import CHANNELS, CLASSES, STAGES
from services.console.lag import LagState
from services.console.records import FACTS
from services.console.texts import LANGUAGES, TEXTS
from shared.contract.public_records import Verdict

TEMPLATES = Path(texts.__file__).parent / "templates"
USED = re.compile(r"\bt\(\s*[\"']([^\"']+)[\"']\s*\)")
REASONS = (
    *(
        "sent",
        "erased",
        "suppressed",
        "half-person",
        "incomplete",
        "consent",
        "import",
        "age",
        "holdout",
        "served",
        "outranked",
    ),
    *("expired", "quiet-hours", "cap", "channel", "repurchased", "rule-gone"),
)


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_every_text_is_there_in_both_languages_with_the_same_places(key: str) -> None:
    zh, en = TEXTS[key]
    assert zh.strip()
    assert en.strip()
    assert {name for _, name, _, _ in Formatter().parse(zh) if name} == {
        name for _, name, _, _ in Formatter().parse(en) if name
    }


def test_every_text_that_a_template_asks_for_is_there() -> None:
    asked = {key for file in TEMPLATES.glob("*.html") for key in USED.findall(file.read_text("utf-8"))}
    assert "rfm.heading" in asked, "the pattern finds something"
    assert {key for key in asked if not key.endswith(".")} <= set(TEXTS)


def test_every_value_that_the_product_itself_makes_has_a_name() -> None:
    kinds = {
        "event": FACTS,
        "reason": REASONS,
        "verdict": get_args(Verdict),
        "channel": CHANNELS,
        "lifecycle": STAGES,
        "lag": get_args(LagState),
        "rfm": [f"{level}_{column}" for level, columns in CLASSES for column in columns],
    }
    missing = [
        f"{kind}.{value}" for kind, values in kinds.items() for value in values if f"{kind}.{value}" not in TEXTS
    ]
    assert missing == []


def test_reasons_read_as_sentences() -> None:
    assert texts.reason_text("zh", "outranked", None) == "被更高优先级取代"
    assert texts.reason_text("zh", "quiet-hours", "2025-11-09 09:00") == "免打扰时段，推迟到 2025-11-09 09:00"
    assert texts.reason_text("en", "cap", "tomorrow") == "Contact cap reached, deferred until tomorrow"
    assert texts.reason_text("en", "a-new-gate", None) == "a-new-gate"


def test_languages_have_different_texts() -> None:
    assert len(LANGUAGES) == 2
    assert texts.text("zh", "customers") != texts.text("en", "customers")
