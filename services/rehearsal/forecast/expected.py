"""What would fall due in the days after an import, counted. Knows the chain's answers; sends nothing, keeps nobody.

The file's facts are taken as confirmed, in a world that holds nothing else: no other orders, consents or messages of the
same people, and nobody buys meanwhile. So it is what the import itself brings, at most.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.rehearsal.pipeline import Chain, Hop, folds
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.prepared_records import PreparedRecord
from shared.contract.public_records import CandidateDecided, SegmentChanged
from shared.contract.topics import CUSTOMER_EVENTS, OUTREACH_COMMANDS, OUTREACH_DECISIONS, SEGMENT_CHANGES
from shared.engine.fold.batch import Emit
from shared.ids import share_of
from shared.shop import DAY, Shop

DAYS = 30
WITHIN = (1, 7, 30)
MOST = 20_000
"""Customers looked at; of more, a part chosen by hash, and figures are scaled up."""
SALT = "forecast"
BLOCK = 5_000
"""Records fed together."""
NO_EPOCH = 2**50
"""ms: the next epoch of the cuts is far beyond every tick of a forecast."""
MOVES = ("lifecycle", "sleep_warning")

_change = msgspec.json.Decoder(SegmentChanged).decode
_decision = msgspec.json.Decoder(CandidateDecided).decode
_command = msgspec.json.Decoder(OutreachCommand).decode


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Figures for the whole file."""

    days: int
    customers: int
    looked_at: int
    moves: dict[str, dict[str, int]]
    """"lifecycle silent" → customers who get there within 1, 7, 30 days."""
    rules: dict[str, dict[str, int]]
    """Rule → customers by what would become of their first candidate: sent, deferred, or the gate that stops it."""
    busiest: dict[str, Any]
    """The day with the most messages, and how many; empty if there are none."""
    policy: int | None
    """Number of the policy; None: none is in force, so nobody would be contacted."""


class Expected:
    """Counts what leaves the chain after the baseline."""

    def __init__(self, baseline: int) -> None:
        self._baseline = baseline
        self.moves: dict[str, dict[str, int]] = defaultdict(dict)
        """Move → customer → instant of the first."""
        self.rules: dict[str, dict[str, str]] = defaultdict(dict)
        self.messages: Counter[int] = Counter()

    def hear(self, emit: Emit) -> None:
        """One record that left the chain."""
        if emit.topic == SEGMENT_CHANGES.name:
            change = _change(emit.value)
            if change.dimension in MOVES and change.effective_at > self._baseline and change.cause == "time":
                self.moves[f"{change.dimension} {change.after}"].setdefault(change.customer, change.effective_at)
        elif emit.topic == OUTREACH_DECISIONS.name:
            decided = _decision(emit.value)
            if decided.decided_at > self._baseline:
                fate = decided.reason if decided.verdict == "skip" else decided.verdict
                self.rules[decided.rule].setdefault((emit.key or b"").decode(), fate)
        elif emit.topic == OUTREACH_COMMANDS.name:
            command = _command(emit.value)
            if isinstance(command, SendMessage):
                self.messages[(command.decided_at - self._baseline) // DAY] += 1


def expect(
    groups: Iterable[list[PreparedRecord]], *, baseline: int, shop: Shop, policy: PolicyPublished | None, customers: int
) -> Forecast:
    """Run the groups of records and DAYS days behind them. `customers`: how many the groups are about."""
    heard = Expected(baseline)
    chain = Chain([Hop(make) for make in folds(shop, epoch_ms=NO_EPOCH)], heard.hear)
    chain.everywhere(Tick(baseline, scenario=True))
    if policy is not None:
        chain.everywhere(policy)
    share = min(1.0, MOST / max(1, customers))
    looked_at: set[bytes] = set()
    sampled = _sampled(groups, share, looked_at)
    while block := list(itertools.islice(sampled, BLOCK)):
        chain.feed(block)
    for number in range(1, DAYS + 1):
        chain.everywhere(Tick(baseline + number * DAY, scenario=True))
    scale = customers / max(1, len(looked_at))
    return Forecast(
        days=DAYS,
        customers=customers,
        looked_at=len(looked_at),
        moves={
            move: {
                str(days): round(scale * sum(at <= baseline + days * DAY for at in firsts.values())) for days in WITHIN
            }
            for move, firsts in sorted(heard.moves.items())
        },
        rules={
            rule: {fate: round(scale * count) for fate, count in sorted(Counter(fates.values()).items())}
            for rule, fates in sorted(heard.rules.items())
        },
        busiest=_busiest(heard.messages, baseline, scale),
        policy=None if policy is None else policy.number,
    )


def customers_of(groups: Iterable[list[PreparedRecord]]) -> int:
    """How many customers the groups are about; further ids of theirs, under which their links stand, do not count."""
    return len({_whom(group) for group in groups} - {None})


def _whom(group: list[PreparedRecord]) -> bytes | None:
    return next(
        (key for topic, _, key, _, _ in reversed(group) if topic == CUSTOMER_EVENTS.name and key is not None), None
    )


def _sampled(groups: Iterable[list[PreparedRecord]], share: float, looked_at: set[bytes]) -> Iterator[Emit]:
    """All records of what was said of a sampled customer: his links stand under other ids, before his facts."""
    for group in groups:
        records = [Emit(topic, number, key, value) for topic, number, key, value, _ in group]
        records = [record for record in records if record.topic == CUSTOMER_EVENTS.name and record.key is not None]
        customer = _whom(group)
        if customer is not None and (share >= 1 or share_of(SALT, customer.decode()) < share):
            looked_at.add(customer)
            yield from records


def _busiest(messages: Counter[int], baseline: int, scale: float) -> dict[str, Any]:
    if not messages:
        return {}
    day, count = max(messages.items(), key=lambda pair: (pair[1], -pair[0]))
    date = datetime.fromtimestamp((baseline + day * DAY) / 1000, UTC).date()
    return {"day": date.isoformat(), "messages": round(scale * count)}
