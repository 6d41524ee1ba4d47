"""The trigger engine as a fold: bundles of segments in, commands and decisions out; knows topics, decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from services.trigger_engine import logic
from services.trigger_engine.arbitration import Here, Said
from services.trigger_engine.gates import SWITCHES
from services.trigger_engine.state import State, next_due
from shared.contract.broadcasts import Broadcast, PolicyPublished, SourceCompleted, Standing, Tick
from shared.contract.bundles import Bundle, SegmentStep, SegmentsUpdated
from shared.contract.commands import Allow, SendMessage, Suppress
from shared.contract.identity import Fragment
from shared.contract.topics import OUTREACH_COMMANDS, OUTREACH_DECISIONS, SEGMENT_UPDATES
from shared.engine.fold.fold import Columns, Context, Event, Outcome, Output
from shared.instants import parse_zone
from shared.language.check import parse_policy
from shared.language.compile import compile_policy, no_rules
from shared.shop import Shop

SOURCE: Final = "trigger-engine"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


class TriggerFold:
    """The fold of one partition. `gates_off` (import, age, expired): gates that a test takes out."""

    name = "trigger_engine"
    input = SEGMENT_UPDATES.name
    output: str | None = None
    state = State
    schema = 2
    records: Callable[[bytes], Any] = staticmethod(msgspec.json.Decoder(SegmentsUpdated | Broadcast | Fragment).decode)
    bundle: type[Bundle] | None = None
    columns: Mapping[str, Any] = {"held": np.int8}
    """1 where something is held until sources have told everything."""

    def __init__(self, shop: Shop, *, gates_off: frozenset[str] = frozenset()) -> None:
        if not gates_off <= SWITCHES:
            fixed, free = (", ".join(sorted(gates)) for gates in (gates_off - SWITCHES, SWITCHES))
            raise ValueError(f"gates_off: {fixed} cannot be switched off, only {free}")
        self._zone, self._exponent, self._off = parse_zone(shop.zone), shop.exponent, gates_off
        self._book = no_rules(self._zone, self._exponent)

    def empty(self) -> State:
        """A customer never seen."""
        return State()

    def upgrade(self, schema: int, body: bytes) -> State:
        """Schema 1 knew no erasure: what it lacks has its default. ValueError for one not known."""
        if schema != 1:
            raise ValueError(f"schema: {schema} is unknown, this version reads 1 and {self.schema}")
        return _decode(body)

    def on_record(self, state: State, record: Any, context: Context) -> Outcome[State] | None:
        """A bundle of the segmenter: its steps, the customer's own timers between them, and time up to its as_of."""
        if record.steps and record.steps[0].cause == "resync":
            return self._resync(state, record.steps[0], context)
        here = self._here(context, record.as_of)
        return _outcome(*logic.follow(state, record.steps, here), here)

    def on_time(self, state: State, context: Context) -> Outcome[State] | None:
        """All that is due up to the clock."""
        here = self._here(context, context.clock)
        return _outcome(*logic.advance(state, here), here)

    def adopt(self, broadcast: Standing, clock: int) -> None:
        """The policy, or a declaration, is in force from now on; ValueError names what makes no sense in a policy."""
        if isinstance(broadcast, PolicyPublished):
            policy = parse_policy(broadcast.document)
            if policy.version != broadcast.number:
                raise ValueError(f"policy: version: is {policy.version}, but it was published as {broadcast.number}")
            book = compile_policy(policy, activated=clock, zone=self._zone, exponent=self._exponent)
            self._book = msgspec.structs.replace(book, declared=self._book.declared)
        elif isinstance(broadcast, SourceCompleted):
            declared = {**self._book.declared, broadcast.source: broadcast.until}
            self._book = msgspec.structs.replace(self._book, declared=declared)

    def touched(self, broadcast: Standing, columns: Columns) -> npt.NDArray[np.intp]:
        """Everybody by a policy, who has something held by a declaration, nobody by cuts."""
        if isinstance(broadcast, PolicyPublished):
            return np.flatnonzero(columns["live"])
        if isinstance(broadcast, SourceCompleted):
            return np.flatnonzero(columns["live"] & (columns["held"] == 1))
        return np.empty(0, np.intp)

    def on_broadcast(
        self,
        state: State,
        broadcast: Standing,
        context: Context,
    ) -> Outcome[State] | None:
        """The customer under the new rules, or after a declaration; None if nothing of his changes."""
        here = self._here(context, context.clock)
        act = logic.hear_out if isinstance(broadcast, SourceCompleted) else logic.change_rules
        changed, said = act(state, here)
        return None if changed is state else _outcome(changed, said, here)

    def current(self, state: State, context: Context) -> Outcome[State] | None:
        """There is no later hop to tell."""
        return None

    def row(self, state: State) -> tuple[int, ...]:
        """Whether something is held."""
        return (int(any(waiting.held for waiting in state.waiting)),)

    def closes_batch(self, clock: int, tick: Tick) -> bool:
        """No tick is special here."""
        return False

    def after_tick(self, clock: int, tick: Tick, columns: Columns) -> Sequence[Output]:
        """Nothing is said for a partition as a whole."""
        return ()

    def leave(self, state: State, to: str, context: Context) -> tuple[State, tuple[Output, ...]]:
        """Nothing is told."""
        return state, ()

    def surrender(self, state: State) -> tuple[State, bytes]:
        """Ledger, uses, what waits and what browsing armed go to the stronger id."""
        return State(now=state.now), _encode(logic.bequest(state))

    def absorb(self, state: State, fragment: bytes, context: Context) -> Outcome[State]:
        """Unite with what another id left."""
        here = self._here(context, max(context.clock, state.now))
        source = context.alias if context.alias != context.key else ""
        return _outcome(*logic.unite(state, _decode(fragment), here, source), here)

    def split(self, state: State, aliases: frozenset[str], record: Any, context: Context) -> tuple[State, bytes]:
        """Ledger and uses stay with both; what waits and what browsing armed goes with the ids that caused it."""
        steps = record.steps if isinstance(record, SegmentsUpdated) else ()
        last = steps[-1].profile.last_order_id if steps else state.facts.last_order_id
        kept, given = logic.divide(state, aliases, last, self._book)
        return kept, _encode(given)

    def _resync(self, state: State, step: SegmentStep, context: Context) -> Outcome[State] | None:
        if state != self.empty():
            return None
        here = self._here(context, max(context.clock, step.at))
        return _outcome(*logic.acquaint(step, here), here)

    def _here(self, context: Context, as_of: int) -> Here:
        return Here(self._book, context.key, as_of, context.whole, self._off)


def _outcome(state: State, said: Sequence[Said], here: Here) -> Outcome[State]:
    outputs = tuple(_output(record, here.customer) for record in said) if said else ()
    return Outcome(state, next_due(state), state.now, None, outputs)


def _output(record: Said, customer: str) -> Output:
    once = isinstance(record, SendMessage)  # the ledger of what was sent sees to it; a replay by hand keeps the id
    if isinstance(record, SendMessage):
        topic, name = OUTREACH_COMMANDS, record.command_id
    elif isinstance(record, Suppress | Allow):
        topic, name = OUTREACH_COMMANDS, f"{customer}/{record.channel}/{record.purpose}/{record.number}"
    else:
        topic, name = OUTREACH_DECISIONS, record.id
    event = Event(record.__struct_config__.tag, name, SOURCE, record.decided_at, once=once)
    return Output(topic.name, customer, record, event=event)
