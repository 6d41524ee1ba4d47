"""One partition of customer-events-v1 sorted into time, facts, cuts and policies; knows the log, judges no fact."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from shared.contract.broadcasts import (
    Checkpoint,
    CutsPublished,
    PolicyPublished,
    ResyncRequested,
    SourceCompleted,
    Tick,
)
from shared.contract.codec import decode_front
from shared.contract.facts import ConsentSet, CustomerFact, OrderCancelled, OrderPlaced, OrderRefunded
from shared.contract.front import FrontRecord
from shared.contract.identity import Forwarded, Fragment, IdentityConflict, Linked, Unlinked
from shared.language.check import parse_policy
from shared.language.policy import Policy
from tests.oracle.reader import LogRecord

LARGEST = 2**53
LARGEST_AMOUNT = 10**14


class Told(msgspec.Struct, frozen=True):
    """A fact as it stands in the log: the clock before it, and its arrival by semantics §1.3, both ms."""

    offset: int
    clock: int
    arrived: int
    fact: CustomerFact
    alias: str = ""
    """The id under which it came, where it was forwarded from another one."""


class CutsTold(msgspec.Struct, frozen=True):
    """Cuts that came into force at this offset."""

    offset: int
    clock: int
    published: CutsPublished


class PolicyTold(msgspec.Struct, frozen=True):
    """A policy that came into force at this offset; `clock` is its activation instant."""

    offset: int
    clock: int
    number: int
    policy: Policy


class SourceTold(msgspec.Struct, frozen=True):
    """At this offset a source has told of the time up to `until`; `clock` is the partition's."""

    offset: int
    clock: int
    source: str
    until: int


class PartitionLog(msgspec.Struct, frozen=True):
    """`ticks` are the valid ones, rising in offset and as_of; `published` are all cuts seen, in force or not."""

    partition: int
    ticks: list[tuple[int, int]]
    facts: dict[str, list[Told]]
    cuts: list[CutsTold]
    policies: list[PolicyTold]
    published: list[CutsPublished]
    dead: list[tuple[int, int]]
    """(partition, offset) of records that must end as dead letters."""
    unlinks: list[tuple[int, int]]
    """(partition, offset) of what splits people: the oracle does not fold it."""
    hands: list[tuple[int, int, str, Linked | IdentityConflict | Fragment | Forwarded]]
    """(offset, clock, customer, record) of everything about hand-over."""
    sources: list[SourceTold]
    """Declarations that came into force."""
    scenario: bool = False

    def tick_reaching(self, instant: int) -> tuple[int, int] | None:
        """(offset, as_of) of the first tick that takes the partition to `instant`."""
        index = bisect.bisect_left(self.ticks, instant, key=lambda tick: tick[1])
        return self.ticks[index] if index < len(self.ticks) else None

    def clock_at(self, offset: int) -> int:
        """Logical now after the record at `offset`."""
        index = bisect.bisect_right(self.ticks, offset, key=lambda tick: tick[0])
        return self.ticks[index - 1][1] if index else 0

    def behaviour_at(self, offset: int) -> int:
        """The highest that a policy before `offset` ever named."""
        return max((told.policy.behaviour for told in self.policies if told.offset < offset), default=1)

    def epochs(self, epoch_ms: int) -> dict[int, int]:
        """Epoch instant → offset of the tick after which its population is taken."""
        found: dict[int, int] = {}
        clock = 0
        for offset, as_of in self.ticks:
            if as_of // epoch_ms > clock // epoch_ms:
                found[as_of // epoch_ms * epoch_ms] = offset
            clock = as_of
        return found


def read_partition(partition: int, records: Sequence[LogRecord], *, scenario: bool) -> PartitionLog:
    """Sort the records of one partition, given in offset order."""
    log = PartitionLog(partition, [], defaultdict(list), [], [], [], [], [], [], [], scenario)
    for record in records:
        decoded = _decoded(record)
        if decoded is None:
            log.dead.append((partition, record.offset))
        elif isinstance(decoded, Tick):
            _tell_tick(log, record, decoded, scenario=scenario)
        elif isinstance(decoded, CutsPublished):
            _tell_cuts(log, record, decoded)
        elif isinstance(decoded, PolicyPublished):
            _tell_policy(log, record, decoded)
        elif isinstance(decoded, SourceCompleted):
            _tell_source(log, record, decoded)
        elif isinstance(decoded, ResyncRequested | Checkpoint):
            continue  # nothing happens because of them
        elif isinstance(decoded, Unlinked):
            log.unlinks.append((partition, record.offset))
        elif isinstance(decoded, Linked | IdentityConflict | Fragment | Forwarded):
            log.hands.append((record.offset, _clock(log), (record.key or b"").decode(), decoded))
        else:
            _tell_fact(log, record, decoded, scenario=scenario)
    return log


def _decoded(record: LogRecord) -> FrontRecord | None:
    if record.value is None:
        return None
    try:
        decoded: FrontRecord = decode_front(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return decoded


def _clock(log: PartitionLog) -> int:
    return log.ticks[-1][1] if log.ticks else 0


def _tell_tick(log: PartitionLog, record: LogRecord, tick: Tick, *, scenario: bool) -> None:
    if tick.scenario and not scenario:
        log.dead.append((log.partition, record.offset))
        return
    runs_ahead = not tick.scenario and tick.as_of > record.timestamp
    if not runs_ahead and tick.as_of > _clock(log):
        log.ticks.append((record.offset, tick.as_of))


def _tell_cuts(log: PartitionLog, record: LogRecord, cuts: CutsPublished) -> None:
    log.published.append(cuts)
    if not log.cuts or cuts.version > log.cuts[-1].published.version:
        log.cuts.append(CutsTold(record.offset, _clock(log), cuts))


def _tell_policy(log: PartitionLog, record: LogRecord, published: PolicyPublished) -> None:
    try:
        policy = parse_policy(published.document)
    except ValueError:  # never in force; the hop that obeys policies dead-letters it under an offset of its own input
        return
    if not log.policies or published.number > log.policies[-1].number:
        log.policies.append(PolicyTold(record.offset, _clock(log), published.number, policy))


def _tell_source(log: PartitionLog, record: LogRecord, told: SourceCompleted) -> None:
    before = [one.until for one in log.sources if one.source == told.source]
    if not before or told.until > max(before):
        log.sources.append(SourceTold(record.offset, _clock(log), told.source, told.until))


def _customer(record: LogRecord) -> str | None:
    if record.key is None:
        return None
    try:
        return record.key.decode()
    except UnicodeDecodeError:
        return None


def _beyond_limits(fact: CustomerFact) -> bool:
    """Numbers so large that nobody can have meant them."""
    if isinstance(fact, OrderPlaced) and abs(fact.version) > LARGEST:
        return True
    if isinstance(fact, OrderPlaced | OrderRefunded) and abs(fact.amount) > LARGEST_AMOUNT:
        return True
    if isinstance(fact, OrderRefunded | OrderCancelled) and abs(fact.version or 0) > LARGEST:
        return True
    if isinstance(fact, ConsentSet) and abs(fact.granted_at or 0) > LARGEST:
        return True
    return max(abs(fact.at), abs(fact.baseline or 0)) > LARGEST


def _tell_fact(log: PartitionLog, record: LogRecord, fact: CustomerFact, *, scenario: bool) -> None:
    customer = _customer(record)
    if customer is None or _beyond_limits(fact):
        log.dead.append((log.partition, record.offset))
        return
    clock = _clock(log)
    arrived = record.timestamp if not scenario else clock or fact.at
    log.facts[customer].append(Told(record.offset, clock, arrived, fact))
