"""One id, one record: what a subscriber may conclude from `ce_id` on the public topics; knows headers and values, no service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from deploy.contracts.asyncapi import WITH_HEADERS
from shared.contract.topics import (
    CONTACT_POINTS,
    CUSTOMER_EVENTS,
    DEAD_LETTERS,
    REJECTED_EVENTS,
    SEGMENT_CHANGES,
)
from shared.engine.fold.batch import Emit

ALWAYS: Final = frozenset(topic.name for topic in WITH_HEADERS)
"""Topics of which every record that a service writes has an id, as AsyncAPI promises."""
PUBLIC: Final = ALWAYS | {CUSTOMER_EVENTS.name}
ONCE: Final = frozenset({SEGMENT_CHANGES.name, REJECTED_EVENTS.name, DEAD_LETTERS.name})
"""Topics where a value never comes again but by a retry. Elsewhere it may, as a record of its own:
a candidate is put off twice at one instant, a resync tells a snapshot again."""
NEW_EACH_TIME: Final[dict[str, frozenset[str]]] = {
    CONTACT_POINTS.name: frozenset({"sealed", "at"}),
    REJECTED_EVENTS.name: frozenset({"sealed", "path", "received_at"}),
    DEAD_LETTERS.name: frozenset({"sealed"}),
}
"""Fields that a retry of the same record, or a repeat of the same event, may give other bytes: sealed with another nonce, told at another time."""

Told = tuple[str, bytes | None, str]
"""Topic, key, what the value says; empty for a null."""


def breaches(records: Iterable[Emit], *, whole: bool = True) -> list[str]:
    """What is wrong: ids over different records, records of ONCE under different ids, facts that do not have their own id.

    `whole`: a record of ALWAYS without an id is wrong too; not so in a log where tests have written records of their own.
    """
    meaning: dict[str, Told] = {}
    names: dict[Told, str] = {}
    wrong: dict[str, None] = {}
    for topic, key, value, name in _told(records):
        said = topic, key, value
        if not name:
            if whole and topic in ALWAYS:
                wrong[f"{topic}: no id: {key!r} {value}"] = None
            continue
        if topic == CUSTOMER_EVENTS.name and (own := _own_id(value)):
            wrong |= {} if own == name else {f"{topic}: the fact {own} has the id {name}": None}
            continue
        if meaning.setdefault(name, said) != said:
            wrong[f"{topic}: {name} is {meaning[name]} and {said}"] = None
        if value and (topic in ONCE or '"command_id":' in value) and names.setdefault(said, name) != name:
            wrong[f"{topic}: {said} is {names[said]} and {name}"] = None
    return list(wrong)


def counted(records: Iterable[Emit]) -> dict[str, int]:
    """Topic → ids seen, so that a test can say that it looked at something."""
    ids: dict[str, set[str]] = {}
    for topic, _, _, name in _told(records):
        ids.setdefault(topic, set()).add(name)
    return {topic: len(names - {""}) for topic, names in ids.items()}


def _told(records: Iterable[Emit]) -> Iterator[tuple[str, bytes | None, str, str]]:
    """Topic, key, value and id of every public record."""
    for record in records:
        if record.topic in PUBLIC:
            name = dict(record.headers).get("ce_id", b"").decode()
            yield record.topic, record.key, _said(record.topic, record.value), name


def _said(topic: str, value: bytes | None) -> str:
    """The value as text, without what each telling has of its own."""
    without = NEW_EACH_TIME.get(topic)
    if not value or not without:
        return (value or b"").decode(errors="replace")
    fields: dict[str, Any] = msgspec.json.decode(value)
    return msgspec.json.encode({name: said for name, said in fields.items() if name not in without}).decode()


def _own_id(value: str) -> str:
    """Id of a fact; empty for other records."""
    fields = msgspec.json.decode(value) if value else {}
    return str(fields.get("id", "")) if isinstance(fields, dict) else ""
