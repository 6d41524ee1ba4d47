"""The profile service as the engine calls it (shared/engine/fold/fold.py); knows instants and the window, no Kafka."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from services.profile import handover, orders
from services.profile.erasure import told_again, tombstones
from services.profile.logic import reach, take
from services.profile.parts import forgotten, in_part, joined, parts_of, without
from services.profile.ranks import COMMUTATIVE
from services.profile.snapshot import exits, next_exit, profile_at
from services.profile.state import State, is_empty
from services.profile.taking import Where
from shared.contract import codec
from shared.contract.broadcasts import Standing, Tick
from shared.contract.bundles import Bundle, ProfileStep, ProfileUpdated
from shared.contract.facts import CustomerErased, CustomerFact
from shared.contract.topics import CUSTOMER_EVENTS, PROFILE_UPDATES
from shared.engine.fold.fold import Columns, Context, Outcome, Output
from shared.shop import DAY, Shop

TOLERANCE = 5 * 60_000
"""Milliseconds that a fact may lie above its arrival."""
SCENARIO_TOLERANCE = DAY
"""The same on scenario stacks, where a step of the clock is the grain of arrival."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode
_replace = msgspec.structs.replace


class ProfileFold:
    """Satisfies Fold[State]. Nothing is in force here, so `adopt` and the broadcasts do nothing."""

    def __init__(self, shop: Shop, *, scenario: bool, open_limit: int = orders.OPEN_LIMIT) -> None:
        self.name = "profile"
        self.input = CUSTOMER_EVENTS.name
        self.output: str | None = PROFILE_UPDATES.name
        self.state = State
        self.schema = 3
        self.records: Callable[[bytes], Any] = codec.decode_front
        self.bundle: type[Bundle] | None = ProfileUpdated
        self.columns: Mapping[str, Any] = {}
        self._window = shop.window_days * DAY
        self._scenario = scenario
        self._tolerance = SCENARIO_TOLERANCE if scenario else TOLERANCE
        self._open_limit = open_limit

    def empty(self) -> State:
        """A customer of whom nothing is known."""
        return State()

    def upgrade(self, schema: int, body: bytes) -> State:
        """What an older version lacks has its default: 1 erasure, tags and parts, 2 what came with behaviour 4. ValueError for one not known."""
        if schema not in (1, 2):
            raise ValueError(f"schema: version {schema} of the profile state is not known here, only 1, 2 and 3 are")
        return _decode(body)

    def on_record(self, state: State, record: CustomerFact, context: Context) -> Outcome[State] | None:
        """The step of a fact, after those of what left the window before it; none for facts that are only kept."""
        alias = context.alias or context.key
        at = self._clamped(record.at, context)
        now = max(context.clock, state.now, at)
        where = Where(
            alias,
            at,
            self._open_limit,
            context.clock,
            self._tolerance,
            forwarded=alias if alias != context.key else "",
            behaviour=max(state.behaviour, context.behaviour),
        )
        taken = take(state, record, where)
        parts = _parts(state, None if taken is None else taken.state, record, where, key=context.key, now=now)
        if taken is None and parts == state.parts:
            return self._untaken(state, record, at, alias)
        if taken is None:  # of the person known, but it is the first under this id
            decided = where.behaviour if where.behaviour >= COMMUTATIVE else state.behaviour
            return self._outcome(_replace(state, parts=parts, behaviour=decided), [])
        kept = reach(taken.state, record, where=where, now=now)
        if where.behaviour >= COMMUTATIVE and kept.behaviour != where.behaviour:
            kept = _replace(kept, behaviour=where.behaviour)
        if parts is not state.parts:
            kept = _replace(kept, parts=parts)
        if taken.happened is None:  # remembered only: no timer is taken, no step is made
            return self._outcome(kept, [])
        after = _replace(kept, now=now)
        profile = profile_at(after, now, self._window, key=context.key)
        step = ProfileStep(at=now, cause=taken.cause, profile=profile, happened=(taken.happened,))
        outputs = tombstones(state, after, context.key, alias) if type(record) is CustomerErased else ()
        return self._outcome(after, [*exits(state, now - 1, self._window, key=context.key), step], outputs)

    def on_time(self, state: State, context: Context) -> Outcome[State]:
        """A step for each instant up to the clock at which something leaves the window."""
        after = _replace(state, now=max(state.now, context.clock))
        return self._outcome(after, exits(state, context.clock, self._window, key=context.key))

    def current(self, state: State, context: Context) -> Outcome[State] | None:
        """The profile at the latest step; None where there was no step yet."""
        if not state.now:
            return None
        profile = profile_at(state, state.now, self._window, key=context.key)
        step = ProfileStep(at=state.now, cause="resync", profile=profile)
        return self._outcome(state, [step])

    def leave(self, state: State, to: str, context: Context) -> tuple[State, tuple[Output, ...]]:
        """Nothing is told."""
        return state, ()

    def surrender(self, state: State) -> tuple[State, bytes]:
        """Nothing remains here; the fragment is the whole state, its schema number in front."""
        return State(), bytes([self.schema]) + _encode(state)

    def absorb(self, state: State, fragment: bytes, context: Context) -> Outcome[State]:
        """One step with cause `merge`, after what left the window before it."""
        schema, body = fragment[0], fragment[1:]
        theirs = _decode(body) if schema == self.schema else self.upgrade(schema, body)
        behaviour = max(context.behaviour, state.behaviour, theirs.behaviour)
        how: Any = {"open_limit": self._open_limit, "behaviour": behaviour}
        merged = handover.merge(state, theirs, **how)
        now = max(context.clock, merged.now)
        until = merged.erased
        ours, others = (
            parts if half.erased == until else forgotten(parts, until, now=half.now, **how)
            for half, parts in (
                (state, parts_of(state, context.key)),
                (theirs, parts_of(theirs, context.alias or context.key)),
            )
        )
        parts = joined(ours, others, key=context.key, **how)
        after = _replace(merged, now=now, parts=parts)
        profile = profile_at(after, now, self._window, key=context.key)
        step = ProfileStep(at=now, cause="merge", profile=profile)
        gone = [out for half in (state, theirs) if half.erased < until for out in self._gone(half, after, context)]
        return self._outcome(after, [*exits(state, now - 1, self._window, key=context.key), step], tuple(gone))

    def split(self, state: State, aliases: frozenset[str], record: Any, context: Context) -> tuple[State, bytes]:
        """As if nothing had ever come under these ids here, and nothing but that there."""
        behaviour = max(context.behaviour, state.behaviour)
        kept, given = without(state, aliases, open_limit=self._open_limit, behaviour=behaviour)
        return kept, bytes([self.schema]) + _encode(given)

    def adopt(self, broadcast: Standing, clock: int) -> None:
        """What is broadcast is for later hops."""

    def touched(self, broadcast: Standing, columns: Columns) -> npt.NDArray[np.intp]:
        """Nobody."""
        return np.empty(0, dtype=np.intp)

    def on_broadcast(self, state: State, broadcast: Standing, context: Context) -> Outcome[State] | None:
        """Nothing changes."""
        return None

    def row(self, state: State) -> tuple[int, ...]:
        """No columns."""
        return ()

    def closes_batch(self, clock: int, tick: Tick) -> bool:
        """Never: no epochs here."""
        return False

    def after_tick(self, clock: int, tick: Tick, columns: Columns) -> Sequence[Output]:
        """Nothing."""
        return ()

    def _clamped(self, at: int, context: Context) -> int:
        arrived = (context.clock or at) if self._scenario else context.arrived
        return arrived if at > arrived + self._tolerance else at

    @staticmethod
    def _gone(part: State, after: State, context: Context) -> tuple[Output, ...]:
        """The addresses of one half of a person whose other half was erased; where nothing comes there are none."""
        return () if is_empty(part) else tombstones(part, after, context.key, context.alias)

    def _untaken(self, state: State, record: CustomerFact, at: int, alias: str) -> Outcome[State] | None:
        """Nothing changes; but an address that came once more from before the erasure goes again."""
        if not record.contacts or at > state.erased:
            return None
        return self._outcome(state, [], told_again(state, record.contacts, alias))

    def _outcome(self, state: State, steps: list[ProfileStep], outputs: tuple[Output, ...] = ()) -> Outcome[State]:
        due = next_exit(state, state.now, self._window)
        return Outcome(state, due, state.now, tuple(steps) or None, outputs)


def _parts(
    state: State, after: State | None, record: CustomerFact, where: Where, *, key: str, now: int
) -> dict[str, bytes]:
    """What came under each id, with this fact; `after` is the person's state with it, None where that knew it."""
    if state.erased and where.at <= state.erased:
        return state.parts
    if after is not None and type(record) is CustomerErased:
        before = max(where.now, state.now)
        return forgotten(state.parts, after.erased, now=before, open_limit=where.open_limit, behaviour=where.behaviour)
    return in_part(state, where.alias, key, lambda part: _in_part(part, record, where, now))


def _in_part(part: State, record: CustomerFact, where: Where, now: int) -> State:
    """The part of one id with a fact; the same where it was known there."""
    taken = take(part, record, where)
    return part if taken is None else _replace(reach(taken.state, record, where=where, now=now), now=now)
