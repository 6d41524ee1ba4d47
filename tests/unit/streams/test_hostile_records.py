"""Records that would make a worker die of the same record again and again: each must be poison, and the stream must go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced, PageViewed, Tracked
from shared.contract.identity import Fragment, Linked
from shared.contract.origin import Origin
from shared.contract.partitioner import partition_of
from shared.contract.topics import MAX_RECORD
from shared.engine.fold.batch import Batch
from shared.engine.fold.fold import Context, Outcome
from shared.engine.state.outgoing import KEY_LIMIT
from shared.engine.step.partition import Partition
from tests.support.tally import Tally, TallyFold
from tests.support.world import Stored

BROKER_LIMIT = 1_048_588
"""Kafka's own default for max.message.bytes."""


class FarAway(TallyFold):
    """Wants to be called in a million million days."""

    def on_record(self, state: Tally, record: Any, context: Context) -> Outcome[Tally] | None:
        outcome = super().on_record(state, record, context)
        far = outcome is not None and record.order_id == "far"
        return msgspec.structs.replace(outcome, due=10**12 * 86_400_000) if far and outcome else outcome


class Keeper(TallyFold):
    """Keeps every order's channel as it came and tells nobody."""

    def on_record(self, state: Tally, record: Any, context: Context) -> Outcome[Tally] | None:
        if not isinstance(record, OrderPlaced):
            return None
        return Outcome(msgspec.structs.replace(state, orders=state.orders | {record.channel: 1}))


class Clinging(TallyFold):
    """Cannot let go of a state."""

    def surrender(self, state: Tally) -> tuple[Tally, bytes]:
        raise ZeroDivisionError


def _order(name: str = "o", **more: Any) -> bytes:
    return encode(OrderPlaced(id=f"e{name}", at=1, order_id=name, amount=1, currency="CNY", **more))


def _lived(
    records: list[tuple[bytes, bytes]], fold: Callable[[], TallyFold] = TallyFold
) -> tuple[Partition[Tally], Batch]:
    core: Partition[Tally] = Partition(fold(), partition=0, seal=lambda *_: "sealed", scenario=True)
    for offset, (key, value) in enumerate(records):
        core.apply(Stored(offset, key, value))
    return core, core.drain()


@pytest.mark.parametrize("closed", [True, False])
def test_a_record_nested_too_deep_is_poison(*, closed: bool) -> None:
    deep = b'{"type":"tracked","id":"e","at":1,"name":"n","properties":{"a":' + b"[" * 100_000
    deep += b"]" * 100_000 + b"}}" if closed else b""
    core, batch = _lived([(b"ann", deep), (b"ann", _order())])

    assert batch.poison == 1
    assert core.memory.entry(b"ann").state.total == 1


def test_a_due_instant_that_cannot_be_kept_is_poison() -> None:
    core, batch = _lived([(b"ann", _order("far")), (b"ann", _order())], FarAway)

    assert batch.poison == 1
    assert core.memory.entry(b"ann").state.orders == {"o": 1}


def test_a_state_that_no_broker_takes_is_refused_with_the_record_that_made_it() -> None:
    large = [(b"ann", _order(str(n), channel=str(n) * size)) for n, size in enumerate((1_000, 250_000, 900_000))]
    core, batch = _lived([*large, (b"ann", _order("3", channel="small"))], Keeper)

    assert batch.poison == 1
    assert max(len(value) for _, value in batch.customers) < BROKER_LIMIT
    assert set(core.memory.entry(b"ann").state.orders) == {"0" * 1_000, "1" * 250_000, "small"}


def test_ids_that_events_name_count_to_the_size_of_a_state() -> None:
    views = [PageViewed(id=f"e{n}", at=1, aliases=(str(n) * 300_000,)) for n in range(5)]
    _, batch = _lived([(b"ann", encode(view)) for view in views])

    assert batch.poison == 2, "three fit into a record"
    assert all(len(value) < BROKER_LIMIT for _, value in batch.customers)


def test_a_key_longer_than_any_id_is_poison_and_its_dead_letter_fits() -> None:
    key = b"k" * 600_000
    core, batch = _lived([(key, _order()), (b"a" * KEY_LIMIT, _order())])
    (letter,) = [emit for emit in batch.emits if emit.topic == "dead-letters-v1"]

    assert (batch.poison, len(core.store)) == (1, 1)
    assert len(letter.value) + len(letter.key or b"") < BROKER_LIMIT


def test_a_fact_too_large_to_be_forwarded_is_poison() -> None:
    text = "x" * (MAX_RECORD - 120)
    huge = encode(Tracked(id="e", at=1, name="n", properties={"a": text}))
    assert len(huge) <= MAX_RECORD
    _, batch = _lived([(b"ann", encode(Linked("bob"))), (b"ann", huge), (b"ann", _order())])

    assert batch.poison == 1
    forwarded = [emit for emit in batch.emits if emit.partition == partition_of(b"bob") and emit.key == b"bob"]
    assert [msgspec.json.decode(emit.value)["type"] for emit in forwarded] == ["fragment", "forwarded"]


def test_a_link_to_an_id_too_long_to_be_written_to_is_poison_and_leaves_the_customer_as_he_is() -> None:
    core, batch = _lived(
        [(b"ann", _order("1")), (b"ann", encode(Linked("z" * (MAX_RECORD - 100)))), (b"ann", _order("2"))]
    )

    assert batch.poison == 1
    assert core.memory.entry(b"ann").state.total == 2
    assert not core.memory.entry(b"ann").links.redirect


def test_a_state_that_cannot_be_surrendered_is_poison() -> None:
    core, batch = _lived([(b"ann", _order()), (b"ann", encode(Linked("bob")))], Clinging)

    assert batch.poison == 1
    assert not core.memory.entry(b"ann").links.redirect


def test_a_fragment_that_cannot_be_read_is_poison() -> None:
    fragment = Fragment("ann", Origin(1, 0, 0), {}, b"\xc1 no state")
    core, batch = _lived([(b"bob", encode(fragment)), (b"bob", _order())])

    assert batch.poison == 1
    assert core.memory.entry(b"bob").state.total == 1
