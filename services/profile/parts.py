"""What came under each id of a person, beside the person as a whole: so an id can be split off again exactly; knows no facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from services.profile import handover
from services.profile.erasure import remaining
from services.profile.state import State, is_empty

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode
_replace = msgspec.structs.replace


def in_part(state: State, alias: str, key: str, take: Callable[[State], State]) -> dict[str, bytes]:
    """The parts after a fact under `alias`; none while everything came under the key itself."""
    if not state.parts and alias == key:
        return state.parts
    parts = parts_of(state, key)
    known = parts.get(alias)
    return parts | {alias: _packed(take(State(erased=state.erased) if known is None else _decode(known)))}


def parts_of(state: State, owner: str) -> dict[str, bytes]:
    """By id; of an undivided state all under `owner`, nothing of one that is empty."""
    if state.parts:
        return state.parts
    return {} if is_empty(state) else {owner: _packed(state)}


def joined(
    ours: dict[str, bytes], theirs: dict[str, bytes], *, key: str, open_limit: int, behaviour: int
) -> dict[str, bytes]:
    """Both customers' parts; none where everything came under the key."""
    parts = dict(ours)
    for alias, part in theirs.items():
        parts[alias] = _packed(_merged([ours[alias], part], open_limit, behaviour)) if alias in ours else part
    return {} if parts.keys() <= {key} else parts


def forgotten(parts: dict[str, bytes], until: int, *, now: int, open_limit: int, behaviour: int) -> dict[str, bytes]:
    """The parts of a person erased up to `until`, who had come to `now`: what happened by then is in none of them."""
    left = partial(remaining, now=now, open_limit=open_limit, behaviour=behaviour)
    return {alias: _packed(left(_decode(part), until)) for alias, part in parts.items()}


def without(state: State, aliases: Iterable[str], *, open_limit: int, behaviour: int = 1) -> tuple[State, State]:
    """The state of the other ids alone, and that of these ids; both keep their parts, the person's instant and erasure."""
    split = frozenset(aliases)
    kept = {alias: part for alias, part in state.parts.items() if alias not in split}
    given = {alias: part for alias, part in state.parts.items() if alias in split}
    if not state.parts:
        return state, State(now=state.now, erased=state.erased, refused=state.refused, behaviour=state.behaviour)
    return _person(kept, state, open_limit, behaviour), _person(given, state, open_limit, behaviour)


def _person(parts: dict[str, bytes], person: State, open_limit: int, behaviour: int) -> State:
    whole = _merged([parts[alias] for alias in sorted(parts)], open_limit, behaviour)
    refused = handover.refused_of(person.erased, behaviour, person, whole)
    decided = max(person.behaviour, whole.behaviour)
    return _replace(whole, now=person.now, erased=person.erased, refused=refused, behaviour=decided, parts=parts)


def _merged(parts: list[bytes], open_limit: int, behaviour: int) -> State:
    whole = _decode(parts[0]) if parts else State()
    for part in parts[1:]:
        whole = handover.merge(whole, _decode(part), open_limit=open_limit, behaviour=behaviour)
    return whole


def _packed(state: State) -> bytes:
    return _encode(_replace(state, parts={}) if state.parts else state)
