"""One golden message per topic and model: it decodes, comes back as the same JSON and shows every field; each guard is seen failing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Union

import msgspec
import pytest

from deploy.contracts.schemas import tag_of
from shared.contract.broadcasts import PolicyPublished
from shared.contract.bundles import SegmentStep, SegmentsUpdated
from shared.contract.codec import decode_front, encode
from shared.contract.facts import OrderPlaced
from shared.contract.topics import CUSTOMER_EVENTS, SEGMENTS, TOPICS, Topic
from shared.language.check import parse_policy

GOLDEN = Path(__file__).parents[1] / "golden"
PAIRS = [(topic, model) for topic in TOPICS for model in topic.models]
NO_TOPICS = frozenset({"hooks"})
"""Folders of golden files that are no messages of a topic; their own tests look after them."""
ADDRESS = re.compile(rb"[\w.+-]+@[\w-]+\.[a-z]{2,}|(?<!\d)(?:86)?1[3-9]\d{9}(?!\d)")
"""A mail address or a Chinese mobile number; instants have 13 digits."""

each_pair = pytest.mark.parametrize(
    ("topic", "model"), PAIRS, ids=[f"{topic.name}/{tag_of(model)}" for topic, model in PAIRS]
)


def golden(topic: Topic, model: type[msgspec.Struct]) -> bytes:
    return (GOLDEN / topic.name / f"{tag_of(model)}.json").read_bytes()


def difference(raw: bytes, model: type[msgspec.Struct]) -> str:
    """Why the message is not the model's, or ""; numbers are compared as written, so 5 is not 5.0."""
    try:
        again = encode(msgspec.json.decode(raw, type=model))
    except msgspec.ValidationError as error:
        return str(error)
    wanted, got = _canonical(raw), _canonical(again)
    return "" if wanted == got else f"{wanted} came back as {got}"


def _canonical(raw: bytes) -> str:
    return json.dumps(json.loads(raw), sort_keys=True)


def misplaced(folder: Path, topics: Iterable[Topic]) -> list[str]:
    """Models without a file and files without a model."""
    wanted = {f"{topic.name}/{tag_of(model)}.json" for topic in topics for model in topic.models}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    there = {name for name in there if name.partition("/")[0] not in NO_TOPICS}
    return [f"missing {name}" for name in sorted(wanted - there)] + [f"orphan {n}" for n in sorted(there - wanted)]


def unshown(record: msgspec.Struct) -> list[str]:
    """Fields of the record and of what it holds that nowhere differ from their default: their loss would not be seen."""
    shown: dict[str, bool] = {}
    for struct in _structs(record):
        for field in msgspec.structs.fields(struct):
            name = f"{type(struct).__name__}.{field.name}"
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            shown[name] = shown.get(name, False) or getattr(struct, field.name) != default
    return sorted(name for name, is_shown in shown.items() if not is_shown)


def _structs(value: Any) -> Iterator[msgspec.Struct]:
    if isinstance(value, msgspec.Struct):
        yield value
        value = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _structs(each)


def altered(model: type[msgspec.Struct], name: str, *, to: str | None = None, kind: Any = None) -> type[msgspec.Struct]:
    """The model with one field renamed or of another type."""
    fields = [
        (to or field.name, kind or field.type, *_default(field)) if field.name == name else _as_it_is(field)
        for field in msgspec.structs.fields(model)
    ]
    config = model.__struct_config__
    return msgspec.defstruct(
        model.__name__, fields, kw_only=True, omit_defaults=True, tag_field=config.tag_field, tag=config.tag
    )


def _as_it_is(field: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    return (field.name, field.type, *_default(field))


def _default(field: msgspec.structs.FieldInfo) -> Sequence[Any]:
    if field.default_factory is not msgspec.NODEFAULT:
        return (msgspec.field(default_factory=field.default_factory),)
    return () if field.default is msgspec.NODEFAULT else (field.default,)


@each_pair
def test_a_golden_message_comes_back_as_it_was(topic: Topic, model: type[msgspec.Struct]) -> None:
    assert difference(golden(topic, model), model) == ""


@each_pair
def test_a_golden_message_is_told_apart_by_its_tag(topic: Topic, model: type[msgspec.Struct]) -> None:
    any_of_topic = Union[topic.models]  # type: ignore[name-defined]  # noqa: UP007 (the members are known at run time only)
    assert type(msgspec.json.decode(golden(topic, model), type=any_of_topic)) is model


@each_pair
def test_a_golden_message_shows_every_field(topic: Topic, model: type[msgspec.Struct]) -> None:
    assert unshown(msgspec.json.decode(golden(topic, model), type=model)) == []


@each_pair
def test_a_golden_message_shows_no_address(topic: Topic, model: type[msgspec.Struct]) -> None:
    assert ADDRESS.findall(golden(topic, model)) == []


def test_every_model_has_a_golden_message_and_every_file_a_model() -> None:
    assert misplaced(GOLDEN, TOPICS) == []


def test_the_front_decoder_takes_every_golden_message_of_its_topic() -> None:
    taken = [type(decode_front(golden(CUSTOMER_EVENTS, model))) for model in CUSTOMER_EVENTS.models]
    assert taken == list(CUSTOMER_EVENTS.models)


def test_the_golden_policy_is_a_policy() -> None:
    published = msgspec.json.decode(golden(CUSTOMER_EVENTS, PolicyPublished), type=PolicyPublished)
    assert parse_policy(published.document).version == published.number


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("order_id", {"to": "order"}),  # a required field renamed
        ("coupon", {"to": "voucher"}),  # one with a default: decoding alone would not tell
        ("amount", {"kind": str}),
        ("amount", {"kind": float}),  # 25900 would be written 25900.0
    ],
)
def test_a_renamed_or_retyped_field_is_seen(name: str, change: dict[str, Any]) -> None:
    raw = golden(CUSTOMER_EVENTS, OrderPlaced)
    assert difference(raw, altered(OrderPlaced, "order_id", to="order_id")) == ""
    assert difference(raw, altered(OrderPlaced, name, **change))


def test_an_orphan_and_a_missing_message_are_seen(tmp_path: Path) -> None:
    (tmp_path / SEGMENTS.name).mkdir()
    (tmp_path / SEGMENTS.name / "segment.snapshots.json").write_text("{}")
    assert misplaced(tmp_path, [SEGMENTS]) == [
        "missing segments-v1/segment.snapshot.json",
        "orphan segments-v1/segment.snapshots.json",
    ]


def test_a_field_left_at_its_default_is_seen() -> None:
    topic = next(topic for topic in TOPICS if SegmentsUpdated in topic.models)
    record = msgspec.json.decode(golden(topic, SegmentsUpdated), type=SegmentsUpdated)
    steps = tuple(msgspec.structs.replace(step, changes=()) for step in record.steps)
    planted = msgspec.structs.replace(record, linked="", steps=steps)
    assert unshown(planted) == [f"{SegmentStep.__name__}.changes", f"{SegmentsUpdated.__name__}.linked"]


@pytest.mark.parametrize("address", [b"li.lei@example.com", b"13800138000", b"8613800138000"])
def test_an_address_in_a_golden_message_is_seen(address: bytes) -> None:
    assert ADDRESS.findall(b'{"note": "' + address + b'", "at": 1772418093123}') == [address]
