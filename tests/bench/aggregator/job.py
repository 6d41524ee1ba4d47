"""The job that every host runs: knows the event, the state and the answer; no host, no clock, only msgspec beside the standard library."""

from __future__ import annotations

import hashlib
from typing import ClassVar

import msgspec

RING = 8
"""Latest event ids that a customer remembers: a source that sends twice counts once."""
EPOCH = 1


class Event(msgspec.Struct, frozen=True, gc=False):
    """What a shop's system would send: {"id", "type", "customer", "amount", "ts", …}."""

    id: str
    type: str
    customer: str
    amount: float
    ts: float
    seen: ClassVar[tuple[str, ...]] = ()
    """No other ids of the customer are known (asked by our engine of whatever is no fact of the product)."""


class State(msgspec.Struct, frozen=True, array_like=True):
    """One customer."""

    count: int = 0
    total: int = 0
    """Cents of the purchases."""
    first: float = 0.0
    last: float = 0.0
    ring: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The output record of one event."""

    id: str
    customer: str
    count: int
    total: int
    last: float
    appended: int
    """When the broker had the event, ms."""
    offset: int
    """Where the event stood in its partition."""


class Kept(msgspec.Struct, array_like=True):
    """A state with the place of its latest event: the fence of hosts that have none of their own."""

    epoch: int
    partition: int
    offset: int
    state: State


decode_event = msgspec.json.Decoder(Event).decode
_decode_kept = msgspec.msgpack.Decoder(Kept).decode
_encode_kept = msgspec.msgpack.Encoder().encode
_encode_answer = msgspec.json.Encoder().encode


def step(state: State, event: Event) -> State:
    """The state after the event; unchanged by an id that the ring still holds."""
    if event.id in state.ring:
        return state
    total = state.total + round(event.amount * 100) if event.type == "purchase" else state.total
    first = min(state.first, event.ts) if state.count else event.ts
    last = max(state.last, event.ts) if state.count else event.ts
    return State(state.count + 1, total, first, last, (*state.ring[1 - RING :], event.id))


def answer(state: State, event: Event, *, appended: int, offset: int) -> Answer:
    """What is said of an event once it has been taken."""
    name = hashlib.blake2b(event.id.encode(), digest_size=16).hexdigest()
    return Answer(name, event.customer, state.count, state.total, state.last, appended, offset)


def apply(kept: bytes | None, raw: bytes, *, partition: int, offset: int, appended: int) -> tuple[bytes, bytes]:
    """State and answer as bytes, for hosts without a fence: an event that was taken before is answered again from the state."""
    event = decode_event(raw)
    known = None if kept is None else _decode_kept(kept)
    if known is not None and kept is not None and (known.epoch, known.partition) == (EPOCH, partition):
        if offset <= known.offset:
            return kept, _encode_answer(answer(known.state, event, appended=appended, offset=offset))
        state = step(known.state, event)
    else:
        state = step(State(), event)
    said = answer(state, event, appended=appended, offset=offset)
    return _encode_kept(Kept(EPOCH, partition, offset, state)), _encode_answer(said)
