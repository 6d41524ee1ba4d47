"""Two states of one partition beside each other: differences by customer, and the part of the state in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shared.engine.fold.fold import Fold
from shared.engine.state.head import decode_values, unpack
from shared.engine.state.stored import PartitionValues


class Difference(msgspec.Struct, frozen=True):
    """One customer, or the partition itself, for whom refolded and stored are not the same."""

    service: str
    partition: int
    customer: str
    """Empty: the values of the partition."""
    what: str

    def __str__(self) -> str:
        return f"{self.service}[{self.partition}] {self.customer or 'partition values'}: {self.what}"


def customers(
    fold: Fold[Any], refolded: Mapping[bytes, bytes], stored: Mapping[bytes, bytes]
) -> Iterator[tuple[str, str]]:
    """(customer, parts that differ) for every customer whose stored values are not equal to the byte."""
    for key in sorted(refolded.keys() | stored.keys()):
        mine, theirs = refolded.get(key), stored.get(key)
        if mine != theirs:
            yield shown(key), _parts(fold, mine, theirs)


def values(refolded: bytes, stored: bytes) -> Iterator[tuple[str, str]]:
    """As `customers`, of the partition's own values."""
    mine, theirs = decode_values(refolded), decode_values(stored)
    names = [name for name in PartitionValues.__struct_fields__ if getattr(mine, name) != getattr(theirs, name)]
    if names:
        yield "", ", ".join(names)


def shown(key: bytes | None) -> str:
    """A record's key as text."""
    return "" if key is None else key.decode(errors="backslashreplace")


def _parts(fold: Fold[Any], mine: bytes | None, theirs: bytes | None) -> str:
    if mine is None:
        return "is in the snapshot only"
    if theirs is None:
        return "is not in the snapshot"
    (head, body), (their_head, their_body) = unpack(mine), unpack(theirs)
    told = [
        f"{name} {_told(getattr(head, name))}, in the snapshot {_told(getattr(their_head, name))}"
        for name in ("schema", "origin", "counter", "due", "frozen")
        if getattr(head, name) != getattr(their_head, name)
    ]
    told += [f"links.{name}" for name in _fields(head.links, their_head.links)]
    if body != their_body:
        told += _state(fold, (head.schema, body), (their_head.schema, their_body))
    return "; ".join(told) or "other bytes of the same content"


def _state(fold: Fold[Any], mine: tuple[int, bytes], theirs: tuple[int, bytes]) -> list[str]:
    """Fields of the service's state, named without their content: it may be personal."""
    try:
        one, other = (_read(fold, *each) for each in (mine, theirs))
    except (msgspec.DecodeError, ValueError) as error:
        return [f"state cannot be read ({error})"]
    return [f"state.{name}" for name in _fields(one, other)]


def _read(fold: Fold[Any], schema: int, body: bytes) -> Any:
    return msgspec.msgpack.decode(body, type=fold.state) if schema == fold.schema else fold.upgrade(schema, body)


def _fields(one: msgspec.Struct, other: msgspec.Struct) -> Iterator[str]:
    """Names of the fields that differ, those of a struct within as `outer.inner`."""
    for name in one.__struct_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, msgspec.Struct) and type(mine) is type(theirs):
            yield from (f"{name}.{inner}" for inner in _fields(mine, theirs))
        elif mine != theirs:
            yield name


def _told(value: Any) -> str:
    return ".".join(map(str, value)) if isinstance(value, tuple) else str(value)
