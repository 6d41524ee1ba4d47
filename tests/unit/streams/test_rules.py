"""The host's rules one by one, each kept and each taken out: the answer must differ, or nobody would notice its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared.contract.broadcasts import Tick
from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.contract.origin import Origin
from shared.contract.topics import MAX_RECORD
from shared.engine.fold.batch import Emit
from shared.engine.fold.poison_limit import PoisonLimit
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule
from shared.engine.host.kafka_host import HostSettings, KafkaHost
from shared.engine.recovery.effects import Targets
from shared.engine.state import head, stored
from shared.engine.step.partition import Partition
from tests.support.tally import Tally, TallyFold
from tests.support.world import Stored


def _order(number: int, order_id: str = "") -> bytes:
    return encode(OrderPlaced(id=f"e{number}", at=number, order_id=order_id or f"o{number}", amount=1, currency="CNY"))


def _partition(off: Off = ALL_ON) -> Partition[Tally]:
    return Partition(TallyFold(), partition=0, seal=lambda *_: "sealed", scenario=True, off=off)


def _without(rule: Rule) -> Off:
    return frozenset({rule})


# --- 1, 6, 7, 12: the host's turn over a consumer and a sink in memory


class Consumer:
    """Hands out prepared fetches; remembers seeks and commits."""

    def __init__(self, fetches: Sequence[list[Stored]], host: KafkaHost, *, rebalance_at: int = -1) -> None:
        self.fetches, self.host, self.rebalance_at = list(fetches), host, rebalance_at
        self.sought: list[int] = []
        self.committed: list[int] = []
        self.place = TopicPartition("customer-events-v1", 0)

    async def getmany(self, **_: int) -> dict[TopicPartition, list[Stored]]:
        if self.rebalance_at == 0:
            await self.host.on_partitions_revoked([self.place])
            self.host._assigned, self.host.rounds.owned = {0}, {0: _partition(self.host._off)}
        self.rebalance_at -= 1
        return {self.place: self.fetches.pop(0)}

    def assignment(self) -> set[TopicPartition]:
        return {self.place}

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.sought.append(offset)

    async def commit(self, offsets: dict[TopicPartition, tuple[int, str]]) -> None:
        self.committed += [offset for offset, _ in offsets.values()]


class Sink:
    """Counts sends per topic; may refuse all."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.sent: list[str] = []
        self.refuses = refuses

    async def send(self, topic: str, _: int, records: Sequence[Emit]) -> None:
        if self.refuses:
            raise MessageSizeTooLargeError
        self.sent.append(topic)
        assert records


def _host(
    fetches: Sequence[list[Stored]], off: Off, *, sink: Sink | None = None, rebalance_at: int = -1
) -> tuple[KafkaHost, Consumer, Sink]:
    host = KafkaHost(lambda _: TallyFold(), HostSettings(bootstrap="", scenario=True), seal=lambda *_: "", off=off)
    consumer, sink = Consumer(fetches, host, rebalance_at=rebalance_at), sink or Sink()
    host._consumer, host.rounds.targets = consumer, Targets(sink, off=off)
    host._assigned, host.rounds.owned = {0}, {0: _partition(off)}
    return host, consumer, sink


async def _changelog_writes(off: Off) -> int:
    host, _, sink = _host([[Stored(n, b"ann", _order(n)) for n in range(50)]], off)
    await host._turn()
    return sink.sent.count("profile-changelog")


async def test_rule_1_what_one_fetch_brought_is_one_unit_of_work() -> None:
    assert await _changelog_writes(ALL_ON) == 1
    assert await _changelog_writes(_without(Rule.UNIT_OF_WORK)) == 50


async def _commits_after_refusal(off: Off) -> list[int]:
    host, consumer, _ = _host([[Stored(0, b"ann", _order(0))]], off, sink=Sink(refuses=True))
    with pytest.raises(KafkaError):
        await host._turn()
    return consumer.committed


async def test_rule_6_a_refused_produce_commits_nothing_and_reaches_the_process() -> None:
    assert await _commits_after_refusal(ALL_ON) == []
    assert await _commits_after_refusal(_without(Rule.COMMIT_LAST)) == [1]


async def _run_until_death(off: Off, monkeypatch: pytest.MonkeyPatch) -> str:
    host, _, _ = _host([], off)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            host.stop()
        raise KafkaError

    class Client:
        async def start(self) -> None: ...
        async def stop(self) -> None: ...
        def subscribe(self, *_: Any, **__: Any) -> None: ...

    died: list[str] = []
    monkeypatch.setattr(host, "_turn", turn)
    monkeypatch.setattr(host, "die", lambda _: died.append("died"))
    monkeypatch.setattr("shared.engine.recovery.cluster.producer", lambda *_, **__: Client())
    monkeypatch.setattr("shared.engine.recovery.cluster.group_consumer", lambda *_, **__: Client())
    await host.run()
    return died[0] if died else f"went on for {turns} turns"


async def test_rule_6_the_process_dies_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _run_until_death(ALL_ON, monkeypatch) == "died"
    assert await _run_until_death(_without(Rule.DIE_ON_FAILURE), monkeypatch) == "went on for 3 turns"


async def _total_after_rebalance(off: Off) -> tuple[int, list[int]]:
    """The fetch of records 1 and 2 comes across a rebalance, after which this worker must go on at 0."""
    late = [Stored(1, b"ann", _order(1)), Stored(2, b"ann", _order(2))]
    host, consumer, _ = _host([late], off | {Rule.CONTIGUOUS}, rebalance_at=0)
    await host._turn()
    return host.rounds.owned[0].memory.entry(b"ann").state.total, consumer.sought


async def test_rule_7_what_was_fetched_across_a_rebalance_is_fetched_again_from_the_right_place() -> None:
    assert await _total_after_rebalance(ALL_ON) == (0, [0])
    assert await _total_after_rebalance(_without(Rule.REWIND)) == (2, [])


async def _writes_for_ticks(off: Off) -> list[str]:
    host, _, sink = _host([[Stored(0, None, encode(Tick(5, scenario=True)))]], off)
    await host._turn()
    return sink.sent


async def test_rule_12_a_round_of_ticks_alone_goes_on_but_is_not_persisted_at_once() -> None:
    assert await _writes_for_ticks(ALL_ON) == ["profile-updates-v1"]
    assert await _writes_for_ticks(_without(Rule.QUIET_TICKS)) == ["profile-updates-v1", "profile-changelog"]


# --- 5, 8, 11: the partition


def _letters_for_a_huge_output(off: Off) -> int:
    core = _partition(off)
    core.apply(Stored(0, b"ann", _order(0).replace(b'"e0"', b'"' + b"x" * MAX_RECORD + b'"')))
    return core.drain().poison


def test_rule_5_an_output_above_the_limit_is_poison_not_a_crash_loop() -> None:
    assert _letters_for_a_huge_output(ALL_ON) == 1
    assert _letters_for_a_huge_output(_without(Rule.RECORD_LIMIT)) == 0


def test_rule_8_a_gap_in_the_offsets_stops_the_worker() -> None:
    with pytest.raises(BrokenInvariantError, match="records are missing"):
        _partition().apply(Stored(3, b"ann", _order(3)))
    _partition(_without(Rule.CONTIGUOUS)).apply(Stored(3, b"ann", _order(3)))


def test_rule_11_an_exception_in_a_step_rejects_that_record_alone() -> None:
    core = _partition()
    for offset, order in enumerate((_order(0), _order(1, "poison"), _order(2))):
        core.apply(Stored(offset, b"ann", order))

    assert core.drain().poison == 1
    assert core.memory.entry(b"ann").state.total == 2
    with pytest.raises(ZeroDivisionError):
        _partition(_without(Rule.POISON)).apply(Stored(0, b"ann", _order(1, "poison")))


def test_rule_11_in_a_tick_each_customer_is_a_unit_of_its_own() -> None:
    class Fragile(TallyFold):
        def on_time(self, state: Tally, context: Any) -> Any:
            if context.key == "bob":
                raise ZeroDivisionError
            return super().on_time(state, context)

    core: Partition[Tally] = Partition(Fragile(), partition=0, seal=lambda *_: "", scenario=True)
    for offset, name in enumerate((b"ann", b"bob", b"cat")):
        core.apply(Stored(offset, name, _order(0)))
    core.apply(Stored(3, None, encode(Tick(9_000, scenario=True))))
    core.apply(Stored(4, None, encode(Tick(9_500, scenario=True))))

    assert [core.memory.entry(name).state.aged for name in (b"ann", b"bob", b"cat")] == [1, 0, 1]
    assert core.drain().poison == 1, "once, not at every tick"


def test_rule_11_too_much_poison_stops_the_worker() -> None:
    with pytest.raises(BrokenInvariantError, match="before it drains the topic"):
        PoisonLimit().count(0, 300, 299)
    PoisonLimit(off=_without(Rule.POISON_LIMIT)).count(0, 300, 299)


def _total_of_a_fat_customer(off: Off, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    monkeypatch.setattr("shared.engine.step.steps.STATE_LIMIT", 2_000)
    core = _partition(off)
    for offset in range(60):
        core.apply(Stored(offset, b"ann", _order(offset, f"order-with-a-long-name-{offset:030d}")))
        if offset % 7 == 0:
            core.drain()
    return core.memory.entry(b"ann").state.total, core.counts.poison


def test_rule_11_a_state_above_the_limit_is_frozen_wherever_batches_end(monkeypatch: pytest.MonkeyPatch) -> None:
    total, poison = _total_of_a_fat_customer(ALL_ON, monkeypatch)

    assert total < 60
    assert poison == 60 - total
    assert _total_of_a_fat_customer(_without(Rule.FROZEN), monkeypatch) == (60, 0)


def test_a_tick_ahead_of_its_own_append_time_is_ignored() -> None:
    core: Partition[Tally] = Partition(TallyFold(), partition=0, seal=lambda *_: "")
    core.apply(Stored(0, None, encode(Tick(2_000)), timestamp=1_999))
    assert core.clock == 0
    core.apply(Stored(1, None, encode(Tick(1_999)), timestamp=1_999))
    assert core.clock == 1_999


def test_a_scenario_tick_is_poison_where_time_is_real() -> None:
    core: Partition[Tally] = Partition(TallyFold(), partition=0, seal=lambda *_: "")
    core.apply(Stored(0, None, encode(Tick(5, scenario=True))))
    assert (core.clock, core.drain().poison) == (0, 1)


def test_a_stored_value_reads_back_as_it_was() -> None:
    links = stored.Links("bob", {"ann": Origin(1, 2, 3, 4)}, ("ann",), (("ann",),))
    one = stored.Head(2, Origin(1, 7, 2**40, 3), 9, 2**50, frozen=True, links=links)
    value = head.pack(one, b"body")

    assert head.unpack(value) == (one, b"body")
    assert (head.counter_of(value), head.due_of(value)) == (9, 2**50)
    assert msgspec.msgpack.decode(head.encode_values(stored.PartitionValues(5)))
