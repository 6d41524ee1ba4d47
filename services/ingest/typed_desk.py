"""Events of the typed API, told apart from repeats and from others under the same id. Knows ids and contents; not HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, final

import msgspec

from services.ingest.fields import EventRefusedError
from services.ingest.intake import Intake
from services.ingest.shelf import Bounds, Shelf
from shared.instants import parse_instant

BOUNDS: Final = Bounds(window_ms=600_000, weight=100_000)
"""Ten minutes, 100,000 ids."""
AHEAD_MS: Final = 5 * 60_000
"""From here on an event is ahead of its arrival: taken, but as of its arrival (docs/semantics.md §1.4)."""
_canonical = msgspec.json.Encoder(order="sorted", decimal_format="number").encode

Status = Literal["accepted", "duplicate", "conflict", "rejected"]


class Note(NamedTuple):
    """A field and what is to be said about it."""

    path: str
    reason: str


class Result(NamedTuple):
    """What became of one event."""

    id: str | None
    status: Status
    error: Note | None = None
    warnings: tuple[Note, ...] = ()


_TAKEN: Final = Note("id", "came with another content before; the first one counts")
_AHEAD: Final = Note("at", "lies more than 5 minutes ahead; the event counts as of its arrival")


class _Item(NamedTuple):
    place: int
    value: object
    id: str | None
    digest: bytes


@final
class TypedDesk:
    """Remembers ids of late: what was stored already is not stored again, another content under its id is refused.

    A courtesy of this process (see `Answers`): what slips through, the profile drops by the event's id.
    """

    def __init__(self, intake: Intake, bounds: Bounds = BOUNDS) -> None:
        self._intake = intake
        self._stored: Shelf[tuple[str, str], bytes] = Shelf(bounds)

    async def take(self, values: Sequence[object], *, source: str, traceparent: str = "") -> list[Result]:
        """One result per event, in their order; BrokerAwayError if some may not be stored.

        An id that stands twice in a request is looked at again after its first event was judged.
        """
        results: dict[int, Result] = {}
        waiting = [_item(place, value) for place, value in enumerate(values)]
        while waiting:
            now, fresh, later = self._intake.now_ms(), dict[str, _Item](), list[_Item]()
            unnamed: list[_Item] = []
            for item in waiting:
                known = None if item.id is None else self._known(item, source, now)
                if known is not None:
                    results[item.place] = known
                elif item.id is None:
                    unnamed.append(item)
                elif item.id in fresh:
                    later.append(item)
                else:
                    fresh[item.id] = item
            results |= await self._store([*fresh.values(), *unnamed], source, traceparent)
            waiting = later
        return [results[place] for place in range(len(values))]

    def _known(self, item: _Item, source: str, now: int) -> Result | None:
        stored = None if item.id is None else self._stored.get((source, item.id), now)
        if stored is None:
            return None
        if stored != item.digest:
            return Result(item.id, "conflict", _TAKEN)
        return Result(item.id, "duplicate", warnings=_warnings(item.value, now))

    async def _store(self, items: Sequence[_Item], source: str, traceparent: str) -> dict[int, Result]:
        ordered = sorted(items, key=lambda item: item.place)
        values = [item.value for item in ordered]
        outcomes = await self._intake.typed(values, source=source, traceparent=traceparent)
        now, results = self._intake.now_ms(), dict[int, Result]()
        for item, outcome in zip(ordered, outcomes, strict=True):
            results[item.place] = _result(item, outcome.id, outcome.refusal, now)
            if outcome.refusal is None and item.id is not None:
                self._stored.put((source, item.id), item.digest, now)
        return results


def _item(place: int, value: object) -> _Item:
    event_id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(event_id, str):
        return _Item(place, value, None, b"")
    return _Item(place, value, event_id, hashlib.blake2b(_canonical(value), digest_size=16).digest())


def _result(item: _Item, event_id: str | None, refusal: EventRefusedError | None, now: int) -> Result:
    if refusal is not None:
        return Result(event_id, "rejected", Note(refusal.path, refusal.reason))
    return Result(event_id, "accepted", warnings=_warnings(item.value, now))


def _warnings(value: object, now: int) -> tuple[Note, ...]:
    """What the sender should know about an event that was taken."""
    at = parse_instant(value["at"]) if isinstance(value, dict) else now
    return (_AHEAD,) if at > now + AHEAD_MS else ()
