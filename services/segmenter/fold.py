"""The segmenter as the engine sees it: customers, cuts and epochs of one partition; knows no Kafka and no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from services.segmenter import logic
from services.segmenter.histograms import Published, chunks_of, population_of
from services.segmenter.logic import InForce
from services.segmenter.rfm import UNCLASSIFIED, grid, scale_of
from services.segmenter.state import NO_DAY, Customer, Handed, decode_handed, encode_handed
from shared.contract.broadcasts import Broadcast, CutsPublished, Standing, Tick
from shared.contract.bundles import Bundle, Change, ProfileUpdated, Segments, SegmentStep, SegmentsUpdated
from shared.contract.histograms import EpochMarked, HistogramChunk
from shared.contract.identity import Fragment
from shared.contract.public_records import SegmentChanged, SegmentSnapshot
from shared.contract.topics import PROFILE_UPDATES, RFM_HISTOGRAMS, SEGMENT_CHANGES, SEGMENT_UPDATES, SEGMENTS
from shared.engine.fold.fold import Columns, Context, Event, Outcome, Output
from shared.instants import parse_zone
from shared.shop import Shop

SOURCE: Final = "huitou/segmenter"

_decode = msgspec.msgpack.Decoder(Customer).decode
decode_record = msgspec.json.Decoder(ProfileUpdated | Broadcast | Fragment).decode

COLUMNS = {"recency": np.int32, "frequency": np.int32, "monetary": np.int64, "r": np.int8, "f": np.int8, "m": np.int8}
"""Measures (last local day, orders and gridded amount inside the window) and the scores given to them."""

HISTOGRAM_PARTITION = 0
"""The histograms' one partition: whoever makes the cuts sees all records in one order."""

WHOLE_EVERY = 24
"""Epochs after which all chunks are written again: what a late writer spoilt is whole again then."""

LEAVES = 4
"""The behaviour from which on a key that is handed over leaves the public counts."""
OUTSIDE = -1
"""In column r: has ordered, but not inside the window, so there is a class and no score."""


class SegmenterFold:
    """Satisfies `shared.engine.fold.fold.Fold` for one partition of profile-updates-v1."""

    name = "segmenter"
    input = PROFILE_UPDATES.name
    output: str | None = SEGMENT_UPDATES.name
    state = Customer
    schema = 2
    bundle: type[Bundle] | None = SegmentsUpdated
    columns: Mapping[str, Any] = COLUMNS

    def __init__(self, shop: Shop, *, epoch_ms: int, partition: int) -> None:
        if epoch_ms <= 0:
            msg = f"epoch_ms: must be above 0, is {epoch_ms}"
            raise ValueError(msg)
        self._rules = InForce(shop.bounds, shop.high, parse_zone(shop.zone))
        self._epoch_ms, self._partition = epoch_ms, partition
        self._published = Published()
        self.records = decode_record

    # --- one customer

    def empty(self) -> Customer:
        """Nobody yet: no orders, no segments, no changes."""
        return Customer()

    def upgrade(self, schema: int, body: bytes) -> Customer:
        """Schema 1 knew no erasure: what it lacks has its default. ValueError for one not known."""
        if schema != 1:
            msg = f"segmenter: no state of schema {schema} was ever written ({len(body)} bytes)"
            raise ValueError(msg)
        return _decode(body)

    def on_record(self, state: Customer, record: ProfileUpdated, context: Context) -> Outcome[Customer]:
        """Upstream's steps and own timers in between; passed on even where there is no step, for what else it says."""
        if record.steps and record.steps[0].cause == "resync":
            after = logic.take_resync(state, record.steps[0], context.clock, self._rules)
            return self.current(after, context)
        until = max(record.as_of, state.now)
        after, steps = logic.take_facts(state, record.steps, until, self._rules)
        return self._outcome(state, after, steps, as_of=until, context=context)

    def on_time(self, state: Customer, context: Context) -> Outcome[Customer]:
        """Own timers up to the clock, each at its own instant; nothing is sent on where nothing changes."""
        until = max(context.clock, state.now)
        after, steps = logic.take_time(state, until, self._rules)
        return self._outcome(state, after, steps or None, as_of=until, context=context)

    def on_broadcast(self, state: Customer, broadcast: Standing, context: Context) -> Outcome[Customer] | None:
        """The cuts just adopted; None for what is not the segmenter's, and where neither class nor scores move."""
        if not isinstance(broadcast, CutsPublished):
            return None
        at = max(context.clock, state.now)
        after, steps = logic.take_cuts(state, at, self._rules)
        return self._outcome(state, after, steps, as_of=at, context=context) if steps else None

    def current(self, state: Customer, context: Context) -> Outcome[Customer]:
        """Where the customer stands, as a step without changes, and his snapshot."""
        step = SegmentStep(at=state.now, cause="resync", profile=state.profile, segments=state.segments)
        shown = self._snapshot(context.key, state.seq, step)
        return Outcome(state, logic.due_of(state, self._rules), state.now, (step,), (shown,))

    def leave(self, state: Customer, to: str, context: Context) -> tuple[Customer, tuple[Output, ...]]:
        """From behaviour 4 on a key that was told of leaves: a change of `identity`, and no snapshot any more."""
        at = max(context.clock, state.now)
        if context.behaviour < LEAVES or not state.now:
            return state, ()
        taken_out = _gone(context.key, context.key, at)
        if not state.seq:
            return state, (taken_out,)
        state = msgspec.structs.replace(state, seq=state.seq + 1)
        change = SegmentChanged(
            customer=context.key,
            seq=state.seq,
            dimension="identity",
            before="own",
            after="merged",
            cause="merge",
            effective_at=at,
            detected_at=at,
            cuts=self._rules.epoch,
            into=to,
        )
        return state, (_public(SEGMENT_CHANGES.name, change, f"{context.key}/{state.seq}", at=at), taken_out)

    def surrender(self, state: Customer) -> tuple[Customer, bytes]:
        """The number of the latest change stays with the id that it counts for."""
        return Customer(now=state.now, seq=state.seq), encode_handed(Handed(state.now))

    def absorb(self, state: Customer, fragment: bytes, context: Context) -> Outcome[Customer]:
        """One step with cause merge; the instant of a person never runs backwards."""
        at = max(context.clock, state.now, decode_handed(fragment).now)
        after, steps = logic.take_merge(state, at, self._rules)
        outcome = self._outcome(state, after, steps, as_of=at, context=context)
        if not after.profile.erased or context.alias == context.key:
            return outcome
        gone = _gone(context.key, context.alias, at)  # its own worker may have shown it after the erasure
        return msgspec.structs.replace(outcome, outputs=(*outcome.outputs, gone))

    def split(
        self, state: Customer, aliases: frozenset[str], record: ProfileUpdated, context: Context
    ) -> tuple[Customer, bytes]:
        """Nothing of its own has to go: facts come from upstream; the instant of a person never runs backwards."""
        return state, encode_handed(Handed(state.now))

    def _outcome(
        self,
        before: Customer,
        after: Customer,
        steps: list[SegmentStep] | None,
        *,
        as_of: int,
        context: Context,
    ) -> Outcome[Customer]:
        due = logic.due_of(after, self._rules)
        if steps is None:
            return Outcome(after, due, as_of)
        return Outcome(after, due, as_of, tuple(steps), self._announced(before, steps, as_of, context))

    def _announced(
        self, before: Customer, steps: Sequence[SegmentStep], as_of: int, context: Context
    ) -> tuple[Output, ...]:
        """Every change, and a snapshot after every step that changed anything in it; an erased person's is taken out."""
        outputs: list[Output] = []
        key, seq, shown = context.key, before.seq, _shows(before)
        for step in steps:
            for change in step.changes:
                seq += 1
                changed = self._changed(key, seq, change, step=step, as_of=as_of)
                outputs.append(_public(SEGMENT_CHANGES.name, changed, f"{key}/{seq}", at=step.at))
            shows = _shows(step)
            if shows != shown:
                shown = shows
                outputs.append(self._snapshot(key, seq, step))
        return (*outputs, *_taken_out(key, before, steps))

    def _snapshot(self, key: str, seq: int, step: SegmentStep) -> Output:
        segments, profile = step.segments, step.profile
        snapshot = SegmentSnapshot(
            customer=key, seq=seq, segments=segments, orders=profile.orders, total=profile.total, as_of=step.at
        )
        shown = _public(SEGMENTS.name, snapshot, key, at=step.at, hashed=False)
        forgotten = profile.erased and not profile.orders and not profile.total
        return msgspec.structs.replace(shown, value=None) if forgotten else shown

    def _changed(self, key: str, seq: int, change: Change, *, step: SegmentStep, as_of: int) -> SegmentChanged:
        return SegmentChanged(
            customer=key,
            seq=seq,
            dimension=change.dimension,
            before=change.before,
            after=change.after,
            cause=change.cause,
            effective_at=change.at,
            detected_at=as_of,
            cuts=self._rules.epoch,
            event=step.happened[0].id if step.happened else "",
        )

    # --- all customers of the partition

    def adopt(self, broadcast: Standing, clock: int) -> None:
        """Cuts are scored by from now on; policies and declarations are not the segmenter's."""
        if isinstance(broadcast, CutsPublished):
            self._rules = msgspec.structs.replace(self._rules, epoch=broadcast.epoch, scale=scale_of(broadcast.cuts))

    def touched(self, broadcast: Standing, columns: Columns) -> npt.NDArray[np.intp]:
        """Movers: rows whose class or scores under these cuts differ from those in the columns."""
        if not isinstance(broadcast, CutsPublished):
            return np.empty(0, np.intp)
        recency, orders = columns["recency"], columns["frequency"]
        scale = scale_of(broadcast.cuts)
        if scale is None:
            return np.flatnonzero(columns["live"] & (columns["r"] != 0))
        inside = orders > 0
        outside = np.where(recency > NO_DAY, OUTSIDE, 0)
        r = np.where(inside, 1 + np.searchsorted(scale.recency, recency, side="right"), outside)
        f = np.where(inside, 1 + np.searchsorted(scale.frequency, orders, side="left"), 0)
        m = np.where(inside, 1 + np.searchsorted(scale.monetary, columns["monetary"], side="left"), 0)
        return np.flatnonzero(columns["live"] & ((r != columns["r"]) | (f != columns["f"]) | (m != columns["m"])))

    def row(self, state: Customer) -> tuple[int, ...]:
        """Measures and scores in the order of COLUMNS; r is OUTSIDE for the unclassified."""
        profile, segments = state.profile, state.segments
        r = OUTSIDE if segments.rfm == UNCLASSIFIED else segments.r
        return state.day, profile.window_orders, grid(profile.window_amount), r, segments.f, segments.m

    def closes_batch(self, clock: int, tick: Tick) -> bool:
        """True for the first tick at or after an epoch instant: a restart must come back to exactly that population."""
        return tick.as_of // self._epoch_ms > clock // self._epoch_ms

    def after_tick(self, clock: int, tick: Tick, columns: Columns) -> Sequence[Output]:
        """At an epoch tick: the chunks changed since this instance's last marker (at first, and in every WHOLE_EVERYth epoch, all), then the marker."""
        if not self.closes_batch(clock, tick):
            return ()
        epoch = tick.as_of // self._epoch_ms * self._epoch_ms
        chunks = chunks_of(columns)
        news_of, checksum = self._published.changed(chunks, whole=epoch // self._epoch_ms % WHOLE_EVERY == 0)
        outputs = []
        for (measure, number), chunk in news_of.items():
            counts = dict(zip(chunk.values.tolist(), chunk.counts.tolist(), strict=True))
            news = HistogramChunk(partition=self._partition, epoch=epoch, measure=measure, chunk=number, counts=counts)
            outputs.append(self._counted(f"{measure}/{number}", news))
        marker = EpochMarked(
            partition=self._partition, epoch=epoch, population=population_of(chunks), checksum=checksum
        )
        return [*outputs, self._counted("marker", marker)]

    def _counted(self, key: str, value: HistogramChunk | EpochMarked) -> Output:
        return Output(RFM_HISTOGRAMS.name, f"{self._partition}/{key}", value, partition=HISTOGRAM_PARTITION)


def _shows(said: Customer | SegmentStep) -> tuple[Segments, int, int, int]:
    """What a public snapshot shows, and whether it may."""
    profile = said.profile
    return said.segments, profile.orders, profile.total, profile.erased


def _taken_out(key: str, before: Customer, steps: Sequence[SegmentStep]) -> list[Output]:
    """The snapshots of an erased person's other ids: all when he is erased further, then of those that come."""
    if not steps or not steps[-1].profile.erased:
        return []
    profile = steps[-1].profile
    gone = before.profile.ids if before.profile.erased == profile.erased else ()
    return [_gone(key, other, steps[-1].at) for other in profile.ids if other not in gone]


def _gone(holder: str, other: str, at: int) -> Output:
    """No snapshot of `other`, an id of the person `holder`, from `at` (ms) on."""
    return Output(SEGMENTS.name, other, None, event=Event("segment.snapshot", f"{holder}/{other}", SOURCE, at))


def _public(topic: str, value: SegmentChanged | SegmentSnapshot, name: str, *, at: int, hashed: bool = True) -> Output:
    return Output(topic, value.customer, value, event=Event(value.__struct_config__.tag, name, SOURCE, at, hashed))
