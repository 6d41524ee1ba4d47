"""The job as a fold of our engine: nothing but the job, for fence, changelog and recovery are the engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from shared.contract.broadcasts import Standing, Tick
from shared.contract.bundles import Bundle
from shared.contract.topics import CUSTOMER_EVENTS
from shared.engine.fold.fold import Columns, Context, Outcome, Output
from tests.bench.aggregator.job import Event, State, answer, decode_event, step


class AggregatorFold:
    """Satisfies Fold[State]. It reads the front log, where the engine gives each record its origin; no hop follows."""

    input = CUSTOMER_EVENTS.name
    output: str | None = None
    state = State
    schema = 1
    records = staticmethod(decode_event)
    bundle: type[Bundle] | None = None
    columns: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, name: str, answers: str) -> None:
        """`name` names group and changelog; `answers` is the topic written to."""
        self.name, self._answers = name, answers

    def empty(self) -> State:
        """Nothing counted."""
        return State()

    def upgrade(self, schema: int, body: bytes) -> State:
        """ValueError: there is one schema."""
        raise ValueError(f"aggregator: no state of schema {schema} was ever written")

    def on_record(self, state: State, record: Event, context: Context) -> Outcome[State]:
        """One answer per event."""
        after = step(state, record)
        said = answer(after, record, appended=context.arrived, offset=context.origin.offset)
        return Outcome(after, outputs=(Output(self._answers, context.key, said),))

    def on_time(self, state: State, context: Context) -> Outcome[State] | None:
        """Nothing is ever due."""
        return None

    def on_broadcast(self, state: State, broadcast: Standing, context: Context) -> Outcome[State] | None:
        """Nothing changes."""
        return None

    def current(self, state: State, context: Context) -> Outcome[State] | None:
        """Nothing is told again: no hop follows."""
        return None

    def adopt(self, broadcast: Standing, clock: int) -> None:
        """Nothing is in force here."""

    def touched(self, broadcast: Standing, columns: Columns) -> npt.NDArray[np.intp]:
        """Nobody."""
        return np.empty(0, np.intp)

    def row(self, state: State) -> tuple[int, ...]:
        """No columns."""
        return ()

    def closes_batch(self, clock: int, tick: Tick) -> bool:
        """Never."""
        return False

    def after_tick(self, clock: int, tick: Tick, columns: Columns) -> Sequence[Output]:
        """Nothing."""
        return ()

    def leave(self, state: State, to: str, context: Context) -> tuple[State, tuple[Output, ...]]:
        """Nothing is told."""
        return state, ()

    def surrender(self, state: State) -> tuple[State, bytes]:
        """The state as msgpack; nobody is ever linked here."""
        return State(), msgspec.msgpack.encode(state)

    def absorb(self, state: State, fragment: bytes, context: Context) -> Outcome[State]:
        """The other's state takes the place of an empty one."""
        return Outcome(state if state.count else msgspec.msgpack.decode(fragment, type=State))

    def split(self, state: State, aliases: frozenset[str], record: Any, context: Context) -> tuple[State, bytes]:
        """Nothing is ever split off."""
        return state, msgspec.msgpack.encode(State())
