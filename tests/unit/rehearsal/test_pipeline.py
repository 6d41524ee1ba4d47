"""The chain in one process: what a hop says reaches the next, links come back to their hop, epochs end in cuts."""

from __future__ import annotations

from services.rehearsal.pipeline import Chain, Epochs, Hop, broadcast, folds
from shared.contract.broadcasts import Checkpoint, CutsPublished, Tick
from shared.contract.codec import encode
from shared.contract.facts import CustomerFact
from shared.contract.identity import Linked
from shared.contract.partitioner import partition_of
from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS, PROFILE_UPDATES, SEGMENT_CHANGES, SEGMENT_UPDATES
from shared.engine.fold.batch import Emit
from shared.shop import DAY, Shop
from tests.unit.oracle.story import T0, order

ANN, BOB = "a1", "b2"
"""Of different partitions."""


def told(customer: str, *facts: CustomerFact | Linked) -> list[Emit]:
    key = customer.encode()
    return [Emit(CUSTOMER_EVENTS.name, partition_of(key), key, encode(fact)) for fact in facts]


def chain(heard: list[Emit], *, epochs: Epochs | None = None, epoch_ms: int = 2**50) -> Chain:
    hops = [Hop(make) for make in folds(Shop(), epoch_ms=epoch_ms)]
    made = Chain(hops, heard.append, epochs=epochs)
    made.everywhere(Tick(T0, scenario=True))
    return made


def orders(made: Chain, hop: int, customer: str) -> int:
    """As the segmenter (1) or the trigger engine (2) knows them."""
    key = customer.encode()
    state = made.hops[hop].partitions[partition_of(key)].memory.look(key).state
    return int(state.profile.orders if hop == 1 else state.facts.orders)


def test_a_fact_goes_through_all_hops_and_what_leaves_is_heard() -> None:
    heard: list[Emit] = []
    made = chain(heard)
    made.feed(told(ANN, order("o", T0)))

    assert (orders(made, 1, ANN), orders(made, 2, ANN)) == (1, 1)
    said = {emit.topic for emit in heard if emit.key == ANN.encode()}
    assert said >= {PROFILE_UPDATES.name, SEGMENT_UPDATES.name, SEGMENT_CHANGES.name}


def test_a_state_handed_over_comes_back_to_each_hop_under_the_other_id() -> None:
    heard: list[Emit] = []
    made = chain(heard)
    assert partition_of(ANN.encode()) != partition_of(BOB.encode())
    made.feed([*told(ANN, order("o", T0)), *told(BOB, order("p", T0)), *told(ANN, Linked(BOB))])

    assert (orders(made, 1, BOB), orders(made, 2, BOB)) == (2, 2)
    assert {emit.topic for emit in heard if b'"fragment"' in emit.value} == {
        CUSTOMER_EVENTS.name,
        PROFILE_UPDATES.name,
        SEGMENT_UPDATES.name,
    }


def test_with_epochs_the_cuts_of_a_completed_one_are_in_force_at_every_partition() -> None:
    heard: list[Emit] = []
    made = chain(heard, epochs=Epochs(), epoch_ms=DAY)
    made.feed(told(ANN, order("o", T0)))
    made.everywhere(Tick(T0 + 3 * DAY, scenario=True))

    tag = str(CutsPublished.__struct_config__.tag)
    for hop in made.hops:
        in_force = [tag in core._in_force.kept for core in hop.partitions.values()]
        assert in_force == [True] * PARTITIONS


def test_records_of_partitions_that_are_not_held_are_left_out() -> None:
    hop = Hop(folds(Shop(), epoch_ms=DAY)[0], partitions=(2, 5))

    assert hop.inputs(broadcast(Tick(T0, scenario=True))).keys() == {2, 5}


def test_batches_end_where_told_and_where_a_record_asks_for_it() -> None:
    closed = []
    hop = Hop(
        folds(Shop(), epoch_ms=2**50)[0], partitions=(0,), together=2, on_close=lambda core: closed.append(core.next)
    )
    ticks = [Emit(CUSTOMER_EVENTS.name, 0, None, encode(Tick(T0 + n, scenario=True))) for n in range(3)]
    checkpoint = Emit(CUSTOMER_EVENTS.name, 0, None, encode(Checkpoint(1)))
    records = hop.inputs([*ticks, checkpoint, ticks[0]])[0]

    assert [batch.next for batch in hop.take(0, records)] == [2, 4, 5]
    assert closed == [4]
