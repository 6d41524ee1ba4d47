"""Policy files as shops write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import services.trigger_engine
from services.trigger_engine.publish import publish_policy
from shared.language.check import parse_policy
from shared.language.policy_file import check_policy, read_policy_file
from tests.unit.trigger_engine.story import REMINDER, policy, rule

DEFAULT = Path(services.trigger_engine.__file__).parent / "policies" / "default.yaml"
TEMPLATES = {
    "repurchase-reminder",
    "silent-recall",
    "sleep-warning",
    "churn-recall",
    "birthday",
    "birthday-sms",
    "browse-no-order",
    "thank-you",
}


def test_the_default_policy_is_one_and_names_the_templates_that_exist() -> None:
    found = parse_policy(read_policy_file(DEFAULT))

    touches = [touch for rule in found.rules for touch in rule.touches]
    messages = [message for touch in touches for message in (touch.message, *touch.companions)]
    assert {message.template for message in messages} == TEMPLATES
    assert {rule.id for rule in found.rules} == TEMPLATES - {"birthday-sms"}
    assert found.quiet_hours is not None
    assert (found.quiet_hours.start, found.quiet_hours.end) == ("21:00", "09:00")
    assert found.holdout is not None
    assert found.holdout.share == 0.05
    assert {rule.id for rule in found.rules if rule.purpose == "service"} == {"thank-you"}


async def test_t5_two_documents_under_one_number_have_two_event_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bytes] = []

    async def take(_: str, broadcast: Any, **__: Any) -> None:
        told.append(dict(broadcast.headers)["ce_id"])

    monkeypatch.setattr("services.trigger_engine.publish.until_acknowledged", take)
    for document in (policy(), policy(), policy(rule("reminder", REMINDER))):
        await publish_policy("nowhere", document)

    assert told[0] == told[1] != told[2]


def test_yaml_means_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        """
        version: 3
        rules:
          - id: reminder
            when: {on: since_last_order, days: 30}
            value: 100
            purpose: marketing
            touches: [{message: {channel: sms, template: t}}]
          - id: warning
            when: {on: enters, dimension: sleep_warning, to: yes}
            value: 100
            purpose: marketing
            touches: [{message: {channel: sms, template: t}}]
        quiet_hours: {start: 21:00, end: 09:00}
        """,
        encoding="utf-8",
    )

    document = read_policy_file(file)

    assert document["quiet_hours"] == {"start": "21:00", "end": "09:00"}
    assert document["rules"][1]["when"]["to"] == "yes"


def test_json_is_read_too(tmp_path: Path) -> None:
    document = policy(rule("reminder", REMINDER), holdout={"share": 0.25, "salt": "s"})
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document), encoding="utf-8")

    assert read_policy_file(file) == document


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1", "missing required field `rules`"),
        ("version: 0\nrules: []", "$.version"),
        ("version: 1\nversion: 2\nrules: []", "the key 'version' stands twice"),
        ("version: 1\nrules: [", "while parsing"),
        ("- a list", "Expected `object`"),
        ("version: 1\nrules: []\ncaps: [{count: 1, hours: 9999}]", "caps[0].hours: 9999"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=r"broken\.yaml") as refused:
        read_policy_file(file)

    assert message in str(refused.value)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.yaml"):
        read_policy_file(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"rules": [rule("x", {"on": "enters", "dimension": "lifecycle", "to": "asleep"})]},
            "rules[0].when.to: 'asleep'",
        ),
        (
            {"rules": [rule("x", {"on": "enters", "dimension": "rfm", "to": "none", "causes": ["moon"]})]},
            "rules[0].when.causes: 'moon'",
        ),
        ({"caps": [{"count": 1, "hours": 9000}]}, "caps[0].hours: 9000 is above 8784"),
        ({"min_gap_hours": 9000}, "min_gap_hours: 9000 is above 8784"),
        ({"rules": [rule("x", REMINDER), rule("x", REMINDER)]}, "the id 'x' is used 2 times"),
        ({"rules": [rule("x", {"on": "since_last_order"})]}, "missing required field `days`"),
        ({"caps": [{"count": 0, "hours": 1}]}, "$.caps[0].count"),
        ({"surprise": 1}, "unknown field `surprise`"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="policy: ") as refused:
        check_policy(policy() | change)

    assert message in str(refused.value)
