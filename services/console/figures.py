"""What the console shows, as one consistent reading; pure shapes and sums, knows no query and no page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from services.console.records import COMMANDED

CLASSES: Final = (
    ("important", ("value", "develop", "keep", "winback")),
    ("general", ("value", "develop", "keep", "winback")),
)
"""Rows and columns of the RFM grid."""
STAGES: Final = ("new", "active", "silent", "churned", "loyal")
CHANNELS: Final = ("sms", "email", "wecom", "staff_task")
ACCEPTED: Final = frozenset({"sent", "assumed_sent", "delivered"})
"""States in which the provider has taken a message, as far as one can know."""
UNDERWAY: Final = frozenset({COMMANDED})
WINDOW_SECONDS: Final = 10
"""Seconds over which events per second are averaged."""
HISTORY_SECONDS: Final = 60


class Cell(NamedTuple):
    """Customers of one stage, warning and class."""

    lifecycle: str
    sleep_warning: bool
    rfm: str
    customers: int
    orders: int
    amount: int


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """How the customers are spread."""

    customers: int
    orders: int
    amount: int
    """Net amount of all time in minor units."""
    rfm: dict[str, int]
    """Every class of the grid, and those beside it (unclassified, none)."""
    lifecycle: dict[str, int]
    sleep_warning: int


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Facts on customer-events-v1; ticks and hand-overs are not counted."""

    total: int
    per_second: float
    """Mean of the last 10 full seconds."""
    types: dict[str, tuple[int, float]]
    """Type → (total, per second)."""
    history: tuple[int, ...]
    """Events of each of the last 60 full seconds, oldest first."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one channel and rule by where they stand; each message stands in one state."""

    channel: str
    rule: str
    messages: int
    accepted: int
    """The provider has taken them: sent, assumed sent or delivered."""
    delivered: int
    underway: int
    failed: int
    """Ended without being sent: failed, expired, suppressed, cancelled, abandoned."""
    opened: int
    clicked: int
    states: dict[str, int]


class DecisionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One decision; the customer's id is cut short."""

    id: str
    customer: str
    rule: str
    verdict: str
    reason: str
    detail: str
    until: int | None
    effective_at: int
    decided_at: int
    channel: str
    """Of the message that was sent, "" if none."""
    state: str
    """What became of that message."""


class Movement(msgspec.Struct, frozen=True):
    """How often customers moved from one segment to another."""

    dimension: str
    before: str
    after: str
    changes: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    taken_at: int
    logical_now: int
    """0: no tick yet."""
    population: Population
    movements: tuple[Movement, ...]
    throughput: Throughput
    messages: tuple[Delivered, ...]
    """By channel, then rule."""
    decisions: tuple[DecisionShown, ...]
    """Latest first."""
    verdicts: tuple[tuple[str, str, int], ...]
    """(verdict, reason, decisions), most frequent first."""


def population(cells: Iterable[Cell]) -> Population:
    """The sums of the cells."""
    rfm = {f"{level}_{column}": 0 for level, columns in CLASSES for column in columns}
    lifecycle = dict.fromkeys(STAGES, 0)
    customers = orders = amount = warned = 0
    for cell in cells:
        rfm[cell.rfm] = rfm.get(cell.rfm, 0) + cell.customers
        lifecycle[cell.lifecycle] = lifecycle.get(cell.lifecycle, 0) + cell.customers
        customers += cell.customers
        orders += cell.orders
        amount += cell.amount
        warned += cell.customers if cell.sleep_warning else 0
    return Population(
        customers=customers, orders=orders, amount=amount, rfm=rfm, lifecycle=lifecycle, sleep_warning=warned
    )


def throughput(totals: Iterable[tuple[str, int]], seconds: Iterable[tuple[int, str, int]], now_ms: int) -> Throughput:
    """Totals by type and (second, type, events) of late, seen from `now_ms`; the second under way does not count."""
    current = now_ms // 1000
    history = [0] * HISTORY_SECONDS
    recent: dict[str, int] = defaultdict(int)
    for second, kind, events in seconds:
        age = current - second
        if 1 <= age <= HISTORY_SECONDS:
            history[-age] += events
        if 1 <= age <= WINDOW_SECONDS:
            recent[kind] += events
    types = {kind: (events, recent[kind] / WINDOW_SECONDS) for kind, events in totals}
    return Throughput(
        total=sum(events for events, _ in types.values()),
        per_second=sum(recent.values()) / WINDOW_SECONDS,
        types=types,
        history=tuple(history),
    )


def deliveries(counts: Iterable[tuple[str, str, str, int, int, int]]) -> tuple[Delivered, ...]:
    """Rows (rule, channel, state, messages, opened, clicked) put together by channel and rule."""
    states: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    reactions: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for rule, channel, state, messages, opened, clicked in counts:
        if messages:
            states[channel, rule][state] = messages
            reactions[channel, rule][0] += opened
            reactions[channel, rule][1] += clicked
    return tuple(_delivered(*place, states[place], reactions[place]) for place in sorted(states, key=_channel_first))


def per_channel(rows: Iterable[Delivered]) -> tuple[Delivered, ...]:
    """The same per channel; its rule is "" and every channel is there."""
    states: dict[str, dict[str, int]] = {channel: defaultdict(int) for channel in CHANNELS}
    reactions: dict[str, list[int]] = {channel: [0, 0] for channel in CHANNELS}
    for row in rows:
        for state, messages in row.states.items():
            states.setdefault(row.channel, defaultdict(int))[state] += messages
        known = reactions.setdefault(row.channel, [0, 0])
        known[0] += row.opened
        known[1] += row.clicked
    return tuple(_delivered(channel, "", dict(found), reactions[channel]) for channel, found in states.items())


def _channel_first(place: tuple[str, str]) -> tuple[int, str, str]:
    channel, rule = place
    return (CHANNELS.index(channel) if channel in CHANNELS else len(CHANNELS)), channel, rule


def _delivered(channel: str, rule: str, states: dict[str, int], reactions: list[int]) -> Delivered:
    messages = sum(states.values())
    accepted = sum(states.get(state, 0) for state in ACCEPTED)
    underway = sum(states.get(state, 0) for state in UNDERWAY)
    return Delivered(
        channel=channel,
        rule=rule,
        messages=messages,
        accepted=accepted,
        delivered=states.get("delivered", 0),
        underway=underway,
        failed=messages - accepted - underway,
        opened=reactions[0],
        clicked=reactions[1],
        states=states,
    )
