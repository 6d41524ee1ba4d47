"""A difference names the customer and the part: of the head with both values, of the state by the field alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.profile.state import State
from services.rehearsal import compare
from services.rehearsal.compare import Difference
from services.rehearsal.pipeline import folds
from services.trigger_engine.state import State as Decided
from shared.contract.origin import Origin
from shared.engine.fold.fold import Fold
from shared.engine.state.head import encode_values, pack
from shared.engine.state.stored import Head, Links, PartitionValues
from shared.language.facts import Facts
from shared.shop import Shop

FOLD: Fold[Any] = folds(Shop(), epoch_ms=60_000)[0](0)
HEAD = Head(schema=FOLD.schema, origin=Origin(1, 3, 70), counter=4, due=9)
STATE = State(aliases=("x",))


def stored(state: State = STATE, **head: Any) -> dict[bytes, bytes]:
    return {b"ann": pack(msgspec.structs.replace(HEAD, **head), msgspec.msgpack.encode(state))}


def different(mine: dict[bytes, bytes], theirs: dict[bytes, bytes]) -> list[tuple[str, str]]:
    return list(compare.customers(FOLD, mine, theirs))


def test_equal_states_differ_in_nothing() -> None:
    assert different(stored(), stored()) == []


@pytest.mark.parametrize(
    ("theirs", "what"),
    [
        (stored(counter=5), "counter 4, in the snapshot 5"),
        (stored(origin=Origin(1, 3, 71, 2)), "origin 1.3.70.0, in the snapshot 1.3.71.2"),
        (stored(due=8, frozen=True), "due 9, in the snapshot 8; frozen False, in the snapshot True"),
        (stored(links=Links(redirect="b")), "links.redirect"),
        (stored(State(aliases=("y",), erased=3)), "state.aliases; state.erased"),
        ({}, "is not in the snapshot"),
        ({b"ann": stored()[b"ann"] + b"\x01"}, "state cannot be read"),
    ],
)
def test_the_part_is_named(theirs: dict[bytes, bytes], what: str) -> None:
    ((customer, told),) = different(stored(), theirs)

    assert customer == "ann"
    assert told.split(" (")[0] == what


def test_a_field_within_a_field_is_named() -> None:
    fold = folds(Shop(), epoch_ms=60_000)[2](0)
    head = Head(schema=fold.schema)
    mine, theirs = (
        {b"ann": pack(head, msgspec.msgpack.encode(Decided(facts=Facts(orders=orders))))} for orders in (1, 2)
    )

    assert list(compare.customers(fold, mine, theirs)) == [("ann", "state.facts.orders")]


def test_a_customer_of_the_snapshot_alone_is_named() -> None:
    assert different({}, stored()) == [("ann", "is in the snapshot only")]


def test_of_the_partition_the_values_are_named() -> None:
    mine, theirs = PartitionValues(next=7, clock=1), PartitionValues(next=7, clock=2, balance=1)

    assert list(compare.values(encode_values(mine), encode_values(theirs))) == [("", "clock, balance")]
    assert list(compare.values(encode_values(mine), encode_values(mine))) == []


def test_a_difference_reads_as_a_line() -> None:
    assert str(Difference("segmenter", 3, "ann", "due")) == "segmenter[3] ann: due"
    assert str(Difference("segmenter", 3, "", "clock")) == "segmenter[3] partition values: clock"
