"""What must hold after every history: each hop is the fold of its log, its outputs took effect once, and the sums are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from aiokafka import TopicPartition

from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.bundles import Bundle
from shared.contract.identity import Fragment
from shared.contract.origin import NOWHERE, Origin
from shared.contract.partitioner import partition_of
from shared.contract.topics import DEAD_LETTERS, changelog
from shared.engine.fold.batch import Emit
from shared.engine.fold.fold import Fold
from shared.engine.step.partition import Partition
from tests.support.simulated.broker import Broker, Kept
from tests.support.simulated.script import HOMES, NAMES, POISON, Script, persons, tallies
from tests.support.tally import Heard, Tally

CHANGES, SUMS = "segment-changes-v1", "segments-v1"
Make = Callable[[], Fold[Any]]


def seal(*_: object) -> str:
    return "sealed"


def differences(broker: Broker, folds: Sequence[Make], script: Script, *, compacted: bool = False) -> list[str]:
    """Sentences; none if all is well. `compacted`: only the last record of each changelog key is looked at."""
    found: list[str] = []
    stored: dict[tuple[int, int], Partition[Any]] = {}
    told: list[Emit] = []
    for hop, make in enumerate(folds):
        for home in HOMES:
            core = stored[hop, home] = _stored(broker, make, home, compacted=compacted)
            log = broker.log(TopicPartition(core.fold.input, home))
            if core.next != len(log):
                found.append(f"hop {hop}[{home}]: the changelog stands at {core.next}, the log at {len(log)}")
            clean, emits = _folded(make, home, log)
            told += emits
            found += [f"hop {hop}[{home}]: {line}" for line in _states(core, clean)]
    found += _outputs(broker, folds, told)
    found += _linked(stored, script) if script.links else _plain(stored, script, broker)
    return found


def _stored(broker: Broker, make: Make, home: int, *, compacted: bool) -> Partition[Any]:
    """What the changelog alone says."""
    core = Partition(make(), partition=home, seal=seal, scenario=True)
    log = broker.log(TopicPartition(changelog(core.fold.name).name, home))  # type: ignore[arg-type]
    for record in {record.key: record for record in log}.values() if compacted else log:
        core.restore(record.key or b"", record.value or b"")
    core.restored()
    return core


def _folded(make: Make, home: int, log: Sequence[Kept]) -> tuple[Partition[Any], list[Emit]]:
    """The log folded once, in order, by nobody who could die."""
    core, emits = Partition(make(), partition=home, seal=seal, scenario=True), list[Emit]()
    for record in log:
        core.apply(record)
        emits += core.drain().emits
    return core, emits


def _states(core: Partition[Any], clean: Partition[Any]) -> Iterator[str]:
    for key in sorted(core.store.rows.keys() | clean.store.rows.keys()):
        one, other = core.memory.entry(key), clean.memory.entry(key)
        if (one.state, one.due, one.links) != (other.state, other.due, other.links):
            yield f"{key.decode()}: stored {one.state} {one.links}, folded {other.state} {other.links}"
    if core.clock != clean.clock:
        yield f"clock {core.clock}, folded {clean.clock}"


def _outputs(broker: Broker, folds: Sequence[Make], told: list[Emit]) -> Iterator[str]:
    """In effect: the next hop's fences applied to what is in the log, and to what the clean folds say."""
    for fold in (make() for make in folds[1:]):
        for home in HOMES:
            log = broker.log(TopicPartition(fold.input, home))
            clean = [emit for emit in told if (emit.topic, emit.partition) == (fold.input, home)]
            if _in_effect(fold, log) != _in_effect(fold, clean):
                yield f"{fold.input}[{home}]: bundles in effect differ"
            if not _fragments(fold, clean) <= _fragments(fold, log):
                yield f"{fold.input}[{home}]: a fragment is missing"
    for topic in (CHANGES, SUMS, DEAD_LETTERS.name):
        logged = {(r.key, r.value) for number in range(12) for r in broker.log(TopicPartition(topic, number))}
        if logged != {(emit.key, emit.value) for emit in told if emit.topic == topic}:
            yield f"{topic}: announced is not what was folded"


def _in_effect(fold: Fold[Any], records: Sequence[Kept] | Sequence[Emit]) -> dict[Any, list[bytes | None]]:
    heads: dict[Any, Any] = {}
    kept: dict[Any, list[bytes | None]] = {}
    for record in records:
        decoded = fold.records(record.value or b"")
        key: bytes | str | None
        if isinstance(decoded, Bundle):
            key, place = record.key, decoded.origin
        elif isinstance(decoded, Tick):
            key, place = "clock", Origin(0, 0, decoded.as_of)
        elif isinstance(decoded, PolicyPublished):
            key, place = "policy", Origin(0, 0, *decoded.version[:1])
        else:
            continue
        if place > heads.get(key, NOWHERE):
            heads[key] = place
            kept.setdefault(key, []).append(record.value)
    return kept


def _fragments(fold: Fold[Any], records: Sequence[Kept] | Sequence[Emit]) -> set[tuple[Any, ...]]:
    decoded = [(record.key, fold.records(record.value or b"")) for record in records]
    return {(key, each.source, tuple(each.source_origin)) for key, each in decoded if isinstance(each, Fragment)}


# --- against plain arithmetic


def _plain(stored: dict[tuple[int, int], Partition[Any]], script: Script, broker: Broker) -> Iterator[str]:
    expected, said = tallies(script)
    heard: dict[str, dict[int, set[str]]] = {}
    for home in HOMES:
        for record in broker.log(TopicPartition(CHANGES, home)):
            change = msgspec.json.decode(record.value or b"")
            heard.setdefault(change["customer"], {}).setdefault(change["seq"], set()).add(change["after"])
    for name in NAMES:
        tally, hears = _states_of(stored, name, 2)
        if tally != expected.get(name, Tally()):
            yield f"{name}: {tally}, expected {expected.get(name)}"
        totals = said.get(name, [])
        if hears != Heard(totals[-1] if totals else 0, len(totals), len(totals)):
            yield f"{name}: {hears}, expected {len(totals)} totals up to {totals[-1:]}"
        if heard.get(name, {}) != {seq: {str(total)} for seq, total in enumerate(totals, 1)}:
            yield f"{name}: announced {heard.get(name)}, expected {totals}"


def _linked(stored: dict[tuple[int, int], Partition[Any]], script: Script) -> Iterator[str]:
    bought = dict.fromkeys(NAMES, 0)
    for line in script.lines:
        order = msgspec.json.decode(line.record.value)
        if order.get("order_id", POISON) != POISON:
            bought[(line.record.key or b"").decode()] += order["amount"]
    groups = persons(script)
    for name in NAMES:
        entries = [stored[hop, partition_of(name.encode())].memory.entry(name.encode()) for hop in range(3)]
        if name not in groups:
            yield from (
                f"{name} hop {hop}: no redirect" for hop, entry in enumerate(entries) if not entry.links.redirect
            )
        elif total := sum(bought[other] for other in groups[name]):
            totals = [entry.state.total for entry in entries]
            if totals != [total] * 3:
                yield f"{name}: totals {totals}, bought {total}"
            if entries[1].state.own != entries[2].state.own:
                yield f"{name}: own counts {entries[1].state.own} and {entries[2].state.own}"
            if not entries[2].state.seq:
                yield f"{name}: half a person for ever"


def _states_of(stored: dict[tuple[int, int], Partition[Any]], name: str, hops: int) -> list[Any]:
    return [stored[hop, partition_of(name.encode())].memory.entry(name.encode()).state for hop in range(hops)]
