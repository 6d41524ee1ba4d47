"""A request's items to records and outcomes, all acknowledged or none. Knows facts and records; not HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, final

import msgspec

from services.ingest import erasing, refusals, segment, typed
from services.ingest.cutting import NOTHING
from services.ingest.decimals import MAX_DIGITS
from services.ingest.erasing import Erasure
from services.ingest.fields import EventRefusedError
from services.ingest.link_memory import LinkMemory
from services.ingest.people import Desk, Person, Taken, as_heard
from services.ingest.publisher import Publisher
from services.ingest.records import Request
from services.ingest.seal_memory import SealMemory
from services.ingest.strict_json import JsonRefusedError
from shared.contract.codec import encode
from shared.contract.facts import ConsentSet
from shared.ids import derived_id
from shared.sealing import Keyring
from shared.unsubscribing import Refusable

UNSUBSCRIBED: Final = "huitou/unsubscribe"
"""The source of what readers of our own messages say by their link."""
_UNREAD: Final = (JsonRefusedError, EventRefusedError)
"""What stands in the place of an item that could not be read."""


class Outcome(NamedTuple):
    """What became of one item; without a refusal it was accepted."""

    id: str | None
    refusal: EventRefusedError | None


@final
class Intake:
    """Takes the items of requests; everything it needs is given to it."""

    def __init__(
        self,
        desk: Desk,
        keyring: Keyring,
        publisher: Publisher,
        memory: SealMemory,
        *,
        now_ms: Callable[[], int],
        links: LinkMemory | None = None,
        scenario: bool = False,
    ) -> None:
        """Without `links` every event that names several ids writes their links again. `scenario`: time is the data's."""
        self._links, self._scenario = links, scenario
        self._desk, self._keyring, self._publisher, self._memory, self._now_ms = (
            desk,
            keyring,
            publisher,
            memory,
            now_ms,
        )

    async def segment(
        self,
        items: Sequence[object],
        *,
        source: str,
        raw: bytes,
        kind: str = "",
        sent_at: object = None,
        history: bool = False,
        keep_refused: bool = True,
        traceparent: str = "",
    ) -> list[Outcome]:
        """Publish messages of Segment's shape, refused ones to the rejected events.

        `kind`: the path's type. `sent_at`: the batch's own, as written. `history`: what happened long ago changes
        states and never fires; its instants are data and stay as they are. `keep_refused`: the caller keeps none himself.
        """
        received_at = self._now_ms()
        request = self._request(source, received_at)

        if kind:  # so that a refused message is kept with the type that its path gave it
            items = [item | {"type": kind} if isinstance(item, dict) else item for item in items]

        def take(item: object) -> Taken:
            if history:
                return _as_history(item, self._desk, source, received_at)
            return segment.take(item, self._desk, source=source, received_at=received_at, sent_at=sent_at)

        outcomes = [self._take(request, item, take, traceparent) for item in items]
        refused = [index for index, outcome in enumerate(outcomes) if outcome.refusal is not None]
        if refused and keep_refused:
            written = _as_written(items, refused, raw)
            for index, sealed in zip(refused, written, strict=True):
                refusal = outcomes[index].refusal
                assert refusal is not None
                request.reject(_placed(refusal, "$" if kind else f"$.batch[{index}]"), sealed, history=history)
        await self._publish(request)
        return outcomes

    async def typed(self, items: Sequence[object], *, source: str, traceparent: str = "") -> list[Outcome]:
        """Publish events of the typed API; what is refused is told to the caller alone."""
        request = self._request(source, self._now_ms())

        def take(item: object) -> Taken:
            return typed.take(item, self._desk, source=source)

        outcomes = [self._take(request, item, take, traceparent) for item in items]
        await self._publish(request)
        return outcomes

    def now_ms(self) -> int:
        """Wall time, ms."""
        return self._now_ms()

    async def pushed(self, events: Sequence[object], *, source: str, raw: bytes) -> list[Outcome]:
        """Publish what a webhook said, in the typed API's shapes; what is refused goes to the rejected events.

        `raw`: the call's body, kept where an event could not even be read.
        """
        request = self._request(source, self._now_ms())

        def take(item: object) -> Taken:
            return typed.take(item, self._desk, source=source)

        outcomes = [self._take(request, event, take, "") for event in events]
        for index, (event, outcome) in enumerate(zip(events, outcomes, strict=True)):
            if outcome.refusal is not None and isinstance(event, _UNREAD):
                request.reject(_placed(outcome.refusal, "$"), raw)
            elif outcome.refusal is not None:
                request.reject(_placed(outcome.refusal, f"$.events[{index}]"), encode(event))
        await self._publish(request)
        return outcomes

    async def erase(self, item: object, *, source: str, whole: bool = True) -> Erasure:
        """Publish the erasure of one person, as of now or of `at`; EventRefusedError if the item names nobody.

        `whole`: as for `erasing.erase`.
        """
        wish = erasing.wish_of(item)
        identifiers, now = erasing.identifiers_of(wish.customer), self._now_ms()
        at = erasing.instant_of(wish, None if self._scenario else now, now)
        erasure = erasing.erase(identifiers, self._desk.pepper, event_id=wish.id, source=source, at=at, whole=whole)
        request = Request(source, self._keyring, self._memory, received_at=now)
        request.erase(erasure)
        await self._publish(request)
        return erasure

    async def reply(self, item: object, *, source: str) -> str:
        """Publish the refusal that a customer's reply is, if it is one: the word; else "", and nothing is kept."""
        reply = refusals.reply_of(item)
        word = refusals.refusal_in(reply.text)
        about = {name: value for name, value in msgspec.structs.asdict(reply.customer).items() if value is not None}
        said: dict[str, object] = {
            "type": "consent.set",
            "id": reply.id,
            "at": reply.at,
            "customer": about,
            "channel": reply.channel,
        }
        said |= {"purpose": "marketing", "granted": False, "proof": f"reply {word}"}
        outcomes = await self.typed([said] if word else [], source=source)
        for outcome in outcomes:
            if outcome.refusal is not None:
                raise outcome.refusal
        return word

    async def refuse(self, about: Refusable) -> None:
        """Publish that the reader of a message wants no more of its channel and purpose, as of now."""
        now = self._now_ms()
        said = {
            "type": "consent.set",
            "id": derived_id("unsubscribe", about.command_id, now),
            "at": now,
            "source": UNSUBSCRIBED,
            "channel": about.channel,
            "purpose": about.purpose,
            "granted": False,
            "proof": f"unsubscribe link of {about.command_id}",
        }
        fact = msgspec.convert(said, ConsentSet)
        request = self._request(UNSUBSCRIBED, now)
        request.accept(Taken(Person(about.customer, contacts=(), known=NOTHING), (fact,)))
        await self._publish(request)

    async def ready(self) -> bool:
        """Whether the broker answers."""
        return await self._publisher.ready()

    def _request(self, source: str, received_at: int) -> Request:
        latest = None if self._scenario else received_at
        return Request(source, self._keyring, self._memory, received_at=received_at, latest=latest, links=self._links)

    def _take(self, request: Request, item: object, take: Callable[[object], Taken], traceparent: str) -> Outcome:
        event_id = item.get("id") or item.get("messageId") if isinstance(item, dict) else None
        event_id = event_id if isinstance(event_id, str) else None
        if isinstance(item, _UNREAD):
            return Outcome(None, EventRefusedError(item.path, item.reason))
        try:
            taken = take(item)
            request.accept(taken if self._scenario else as_heard(taken, request.received_at), traceparent)
        except EventRefusedError as refusal:
            return Outcome(event_id, refusal)
        return Outcome(event_id, None)

    async def _publish(self, request: Request) -> None:
        if request.records:
            await self._publisher.publish(request.records)
            request.settle()


def _as_history(item: object, desk: Desk, source: str, baseline: int) -> Taken:
    """An import that begins now: instants up to the baseline never fire, and nothing that follows does unconfirmed."""
    if isinstance(item, dict) and not (item.get("timestamp") or item.get("originalTimestamp")):
        raise EventRefusedError("timestamp", "is missing: history happened at some time")
    message = {key: value for key, value in item.items() if key != "sentAt"} if isinstance(item, dict) else item
    taken = segment.take(message, desk, source=source, received_at=baseline)
    facts = tuple(msgspec.structs.replace(fact, mode="import", baseline=baseline) for fact in taken.facts)
    return msgspec.structs.replace(taken, facts=facts)


def _placed(refusal: EventRefusedError, place: str) -> EventRefusedError:
    """With the path from the root of the request; refusals of the JSON itself have it already."""
    if refusal.path.startswith("$"):
        return refusal
    return EventRefusedError(f"{place}.{refusal.path}" if refusal.path else place, refusal.reason)


def _as_written(items: Sequence[object], refused: Sequence[int], raw: bytes) -> list[bytes]:
    """The bytes of refused items. What strict reading refused is read once more without judgement, only to be kept."""
    unread = any(isinstance(items[index], JsonRefusedError) for index in refused)
    leniently = _leniently(raw) if unread else []
    return [
        _dumped(leniently, index) if isinstance(items[index], JsonRefusedError) else encode(items[index])
        for index in refused
    ]


def _leniently(raw: bytes) -> list[Any]:
    try:
        body = json.loads(raw, parse_int=_integer, parse_float=str)
    except (ValueError, RecursionError):
        return []
    items = body.get("batch") if isinstance(body, dict) else None
    return items if isinstance(items, list) else []


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= MAX_DIGITS else text


def _dumped(items: list[Any], index: int) -> bytes:
    try:
        return json.dumps(items[index]).encode() if index < len(items) else b""
    except RecursionError:
        return b""
