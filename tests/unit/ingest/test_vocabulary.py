"""The published vocabulary is the one that is taken: every type, name and field stands in it, and every example is accepted."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from services.ingest import segment, typed
from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from services.ingest.segment_tracks import NAMES
from services.ingest.strict_json import parse
from services.ingest.typed_shapes import Customer, LineGiven, TypedEvent
from services.ingest.vocabulary import LANGUAGES, Entry, entries, fields
from shared.contract.facts import Tracked
from shared.shop import Shop

DESK = Desk(Shop(), Pepper(bytes(range(32))))
SHAPES = (*get_args(TypedEvent), Customer, LineGiven)


def as_read(example: dict[str, Any]) -> object:
    return parse(json.dumps(example).encode())


def tag(fact: msgspec.Struct) -> str:
    return str(fact.__struct_config__.tag)


def test_every_type_of_the_api_stands_in_the_vocabulary_once() -> None:
    assert sorted(entry.type for entry in entries()) == sorted(
        shape.__struct_config__.tag for shape in get_args(TypedEvent)
    )


def test_every_name_with_a_fact_of_its_own_stands_in_the_vocabulary_once_with_an_example() -> None:
    assert sorted(name.lower() for entry in entries() for name in entry.names) == sorted(NAMES)
    shown = {example.get("event", "") for entry in entries() for example in entry.segment}
    assert {name for entry in entries() for name in entry.names} <= shown


def test_every_field_is_explained() -> None:
    known = fields()
    asked = {(shape.__name__, field.name) for shape in SHAPES for field in msgspec.structs.fields(shape)}
    assert [name for shape, name in sorted(asked) if f"{shape}.{name}" not in known and name not in known] == []
    used = (
        {f"{shape}.{name}" for shape, name in asked} | {name for _, name in asked} | {"type", "Customer", "LineGiven"}
    )
    assert sorted(known.keys() - used) == []


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.type)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_typed_example_becomes_the_fact_of_its_type(entry: Entry, language: Any) -> None:
    facts = typed.take(as_read(entry.typed_example(language)), DESK, source="shop").facts
    assert tag(facts[0]) == entry.type


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.type)
def test_every_example_of_segments_shape_becomes_a_fact_of_its_type(entry: Entry) -> None:
    for example in entry.segment_examples():
        facts = segment.take(as_read(example), DESK, source="shop", received_at=1).facts
        assert entry.type in [tag(fact) for fact in facts], example


def test_a_name_of_nobodys_is_tracked_whole() -> None:
    given = {"type": "track", "event": "Sample Requested", "userId": "m1", "properties": {"sku": "p", "n": 2}}
    (fact,) = segment.take(given, DESK, source="shop", received_at=1).facts
    assert isinstance(fact, Tracked)
    assert (fact.name, fact.properties) == ("Sample Requested", {"sku": "p", "n": 2})
