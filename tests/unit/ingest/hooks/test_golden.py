"""Calls as providers publish them become our events; each golden file names its public source."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from services.ingest import typed
from services.ingest.hooks.api import PROVIDERS
from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from services.ingest.segment import LONGEST_ID
from shared.shop import Shop
from tests.support.hooks import SIGNED_AT, cases, read, sent

DESK = Desk(Shop(), Pepper(bytes(range(32))))
INVENTED = re.compile(r"(?:\+?86)?139000000\d\d|[\w.]+@example\.com")
ADDRESS = re.compile(r"(?<!\d)(?:\+?86)?1[3-9]\d{9}(?!\d)|[\w.+-]+@[\w-]+\.[a-z]{2,}")

each_case = pytest.mark.parametrize("path", cases(), ids=lambda path: f"{path.parent.name}/{path.stem}")


@each_case
def test_a_call_says_what_its_golden_file_says(path: Path) -> None:
    case = read(path)
    delivery, source = sent(case)
    mapped = PROVIDERS[type(source)].map(delivery, source)

    assert json.loads(msgspec.json.encode(list(mapped.events))) == case.get("events", [])
    assert mapped.erase == case.get("erase")
    assert mapped.ignored == case.get("ignored", "")


@each_case
def test_a_golden_call_is_authentic_and_its_events_are_taken(path: Path) -> None:
    delivery, source = sent(read(path))
    provider = PROVIDERS[type(source)]
    provider.verify(delivery, source, SIGNED_AT * 1_000)
    taken = [typed.take(event, DESK, source=source.name) for event in provider.map(delivery, source).events]

    assert all(len(fact.id) <= LONGEST_ID for each in taken for fact in each.facts)


@each_case
def test_a_golden_file_names_its_source_and_no_living_person(path: Path) -> None:
    case, text = read(path), path.read_text(encoding="utf-8")

    assert len(case["source"]) > len("a word")
    assert [found for found in ADDRESS.findall(text) if INVENTED.fullmatch(found) is None] == []


def test_every_provider_has_golden_calls() -> None:
    told = {path.parent.name for path in cases()}

    assert told == {"youzan", "generic", "shopify", "woocommerce"}


def test_customer_numbers_stay_out_of_event_ids() -> None:
    """Identifiers leave ingest as tokens only; the id of an event travels in clear."""
    for path in cases():
        case = read(path)
        number = str(case["body"].get("customer_id") or case["body"].get("id"))
        customers = [event for event in case.get("events", []) if event["type"] in {"traits.set", "consent.set"}]
        assert [event["id"] for event in customers if number in event["id"]] == [], path
