"""Three small folds that prove the engine: a tally of orders with one timer, a hop that announces it, and one that listens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from shared.contract.broadcasts import Broadcast, PolicyPublished, Standing, Tick
from shared.contract.bundles import (
    Bundle,
    Happened,
    Profile,
    ProfileStep,
    ProfileUpdated,
    Segments,
    SegmentStep,
    SegmentsUpdated,
)
from shared.contract.codec import decode_front
from shared.contract.facts import OrderPlaced
from shared.contract.identity import Fragment
from shared.contract.origin import NEVER
from shared.contract.public_records import SegmentChanged
from shared.engine.fold.fold import Columns, Context, Outcome, Output

TALLY_NAME = "HUITOU_TALLY_NAME"
"""Environment variable: the first hop's name, of which group and changelog have theirs."""
QUIET_MS = 5_000
"""The tally ages this long after its latest order."""


class Tally(msgspec.Struct, frozen=True, array_like=True):
    orders: dict[str, int] = {}
    total: int = 0
    last: int = 0
    aged: int = 0
    due: int = NEVER


class TallyFold:
    """First hop: counts what it is told, even duplicates: only the engine's fence stands between it and a double count."""

    input = "customer-events-v1"
    output: str | None = "profile-updates-v1"
    state = Tally
    schema = 1
    records = staticmethod(decode_front)
    bundle = ProfileUpdated
    columns: ClassVar[Mapping[str, Any]] = {"total": np.int64}

    def __init__(self, epoch_ms: int = 0) -> None:
        self.factor, self.epoch_ms = 1, epoch_ms

    @property
    def name(self) -> str:
        return os.environ.get(TALLY_NAME, "profile")

    def empty(self) -> Tally:
        return Tally()

    def upgrade(self, schema: int, body: bytes) -> Tally:
        raise ValueError(f"no older schema {schema}")

    def on_record(self, state: Tally, record: Any, context: Context) -> Outcome[Tally] | None:
        if not isinstance(record, OrderPlaced):
            return None
        if record.order_id == "poison":
            raise ZeroDivisionError("poisoned order")
        changed = Tally(
            state.orders | {record.order_id: record.amount},
            state.total + record.amount * self.factor,
            max(state.last, record.at),
            state.aged,
            max(state.last, record.at) + QUIET_MS,
        )
        return self._outcome(changed, context, record.id)

    def on_time(self, state: Tally, context: Context) -> Outcome[Tally] | None:
        return self._outcome(msgspec.structs.replace(state, aged=state.aged + 1, due=NEVER), context, "")

    def _outcome(self, state: Tally, context: Context, event: str) -> Outcome[Tally]:
        happened = (Happened(what="order.placed", id=event, at=state.last),) if event else ()
        step = ProfileStep(
            at=context.clock,
            cause="event" if event else "time",
            profile=Profile(total=state.total, orders=state.aged),
            happened=happened,
        )
        return Outcome(state, state.due, context.clock, (step,))

    def current(self, state: Tally, context: Context) -> Outcome[Tally] | None:
        profile = Profile(total=state.total, orders=state.aged)
        return Outcome(state, steps=(ProfileStep(at=context.clock, cause="resync", profile=profile),))

    def adopt(self, broadcast: Standing, clock: int) -> None:
        if isinstance(broadcast, PolicyPublished):
            self.factor = broadcast.document["factor"]

    def touched(self, broadcast: Standing, columns: Columns) -> npt.NDArray[np.intp]:
        return np.flatnonzero(columns["live"] & (columns["total"] > 0))

    def on_broadcast(self, state: Tally, broadcast: Standing, context: Context) -> Outcome[Tally] | None:
        return self._outcome(msgspec.structs.replace(state, total=state.total * 10), context, "")

    def row(self, state: Tally) -> tuple[int, ...]:
        return (state.total,)

    def closes_batch(self, clock: int, tick: Tick) -> bool:
        return bool(self.epoch_ms) and tick.as_of // self.epoch_ms > clock // self.epoch_ms

    def after_tick(self, clock: int, tick: Tick, columns: Columns) -> Sequence[Output]:
        if not self.closes_batch(clock, tick):
            return ()
        total = int(columns["total"][columns["live"]].sum())
        change = SegmentChanged(
            customer="",
            seq=tick.as_of,
            dimension="sum",
            before="",
            after=str(total),
            cause="time",
            effective_at=0,
            detected_at=0,
            cuts=0,
        )
        return (Output("segments-v1", "sum", change, partition=0),)

    def leave(self, state: Tally, to: str, context: Context) -> tuple[Tally, tuple[Output, ...]]:
        return state, ()

    def surrender(self, state: Tally) -> tuple[Tally, bytes]:
        return Tally(), msgspec.msgpack.encode(state)

    def split(self, state: Tally, aliases: frozenset[str], record: Any, context: Context) -> tuple[Tally, bytes]:
        return state, msgspec.msgpack.encode(Tally())

    def absorb(self, state: Tally, fragment: bytes, context: Context) -> Outcome[Tally]:
        other = msgspec.msgpack.decode(fragment, type=Tally)
        due = min(state.due, other.due)
        merged = Tally(
            state.orders | other.orders,
            state.total + other.total,
            max(state.last, other.last),
            state.aged + other.aged,
            due,
        )
        return self._outcome(merged, context, "")


class BrokenFold(TallyFold):
    """A bad version of the first hop: it can take nobody's record."""

    def on_record(self, state: Tally, record: Any, context: Context) -> Outcome[Tally] | None:
        raise ZeroDivisionError("a bad version")


class Heard(msgspec.Struct, frozen=True, array_like=True):
    total: int = 0
    seq: int = 0
    own: int = 0
    """What this hop counts by itself: bundles heard, which hand-over must carry."""


class HeardFold:
    """Second hop: numbers every total it hears of a customer and announces it."""

    name = "segmenter"
    input = "profile-updates-v1"
    output: str | None = "segment-updates-v1"
    state = Heard
    schema = 1
    records = staticmethod(msgspec.json.Decoder(ProfileUpdated | Broadcast | Fragment).decode)
    bundle: type[Bundle] | None = SegmentsUpdated
    columns: ClassVar[Mapping[str, Any]] = {}

    def empty(self) -> Heard:
        return Heard()

    def upgrade(self, schema: int, body: bytes) -> Heard:
        raise ValueError(f"no older schema {schema}")

    def current(self, state: Heard, context: Context) -> Outcome[Heard] | None:
        profile = Profile(total=state.total, orders=state.own)
        return Outcome(
            state, steps=(SegmentStep(at=context.clock, cause="resync", profile=profile, segments=Segments()),)
        )

    def on_record(self, state: Heard, record: Any, context: Context) -> Outcome[Heard] | None:
        if record.steps[-1].cause == "resync":
            known = state if state != Heard() else Heard(record.steps[-1].profile.total)
            return self.current(known, context)
        total = record.steps[-1].profile.total
        return self._say(Heard(total, state.seq + 1, state.own + 1), context)

    def _say(self, state: Heard, context: Context) -> Outcome[Heard]:
        change = SegmentChanged(
            customer=context.key,
            seq=state.seq,
            dimension="total",
            before="whole" if context.whole else "half",
            after=str(state.total),
            cause="event",
            effective_at=0,
            detected_at=0,
            cuts=0,
        )
        profile = Profile(total=state.total, orders=state.own)
        step = SegmentStep(at=context.clock, cause="event", profile=profile, segments=Segments())
        return Outcome(state, steps=(step,), outputs=(Output("segment-changes-v1", context.key, change),))

    def on_time(self, state: Heard, context: Context) -> Outcome[Heard] | None:
        return None

    def adopt(self, broadcast: Standing, clock: int) -> None:
        return

    def touched(self, broadcast: Standing, columns: Columns) -> npt.NDArray[np.intp]:
        return np.flatnonzero(np.zeros(0))

    def on_broadcast(self, state: Heard, broadcast: Standing, context: Context) -> Outcome[Heard] | None:
        return None

    def row(self, state: Heard) -> tuple[int, ...]:
        return ()

    def closes_batch(self, clock: int, tick: Tick) -> bool:
        return False

    def after_tick(self, clock: int, tick: Tick, columns: Columns) -> Sequence[Output]:
        return ()

    def leave(self, state: Heard, to: str, context: Context) -> tuple[Heard, tuple[Output, ...]]:
        return state, ()

    def surrender(self, state: Heard) -> tuple[Heard, bytes]:
        return Heard(seq=state.seq), msgspec.msgpack.encode(state.own)

    def split(self, state: Heard, aliases: frozenset[str], record: Any, context: Context) -> tuple[Heard, bytes]:
        return state, self.surrender(Heard())[1]

    def absorb(self, state: Heard, fragment: bytes, context: Context) -> Outcome[Heard]:
        own = msgspec.msgpack.decode(fragment, type=int)
        return self._say(Heard(state.total, state.seq + 1, state.own + own), context)


class ListenFold(HeardFold):
    """Third hop: keeps what it heard last; owns nothing."""

    name = "trigger_engine"
    input = "segment-updates-v1"
    output = None
    records = staticmethod(msgspec.json.Decoder(SegmentsUpdated | Broadcast | Fragment).decode)
    bundle = None

    def on_record(self, state: Heard, record: Any, context: Context) -> Outcome[Heard] | None:
        profile = record.steps[-1].profile
        if record.steps[-1].cause == "resync" and state != Heard():
            return None
        return Outcome(Heard(profile.total, int(context.whole), profile.orders))

    def leave(self, state: Heard, to: str, context: Context) -> tuple[Heard, tuple[Output, ...]]:
        return state, ()

    def surrender(self, state: Heard) -> tuple[Heard, bytes]:
        return Heard(), b""

    def absorb(self, state: Heard, fragment: bytes, context: Context) -> Outcome[Heard]:
        return Outcome(Heard(state.total, int(context.whole), state.own))
