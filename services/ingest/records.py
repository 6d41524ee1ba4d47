"""From facts and contacts to records: encoded, sealed, guarded. Knows topics and seals; not the events' shapes."""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Final, final

import msgspec

from services.ingest.erasing import Erasure
from services.ingest.fields import EventRefusedError
from services.ingest.identifiers import Contact
from services.ingest.link_memory import LinkMemory, Links
from services.ingest.people import Person, Taken
from services.ingest.seal_memory import Sealing, SealMemory
from shared.contract.codec import cloud_event, encode, fact_headers
from shared.contract.contact_points import CONTACT_FIELDS, ContactPoint
from shared.contract.facts import Fact
from shared.contract.partitioner import partition_of
from shared.contract.rejected_events import RejectedEvent
from shared.contract.topics import CONTACT_POINTS, CUSTOMER_EVENTS, REJECTED_EVENTS
from shared.engine.fold.batch import Emit
from shared.ids import derived_id, event_id
from shared.sealing import Keyring

LARGEST_FACT: Final = 256 << 10
"""Bytes that one fact may have."""

LARGEST_REJECTED: Final = 512 << 10
"""Bytes kept of an event that was refused: in base64 they stay below the broker's record limit."""

_partition = functools.lru_cache(maxsize=1 << 16)(partition_of)


@final
class Request:
    """The records that one request leads to; nothing of it counts before `settle`."""

    def __init__(
        self,
        source: str,
        keyring: Keyring,
        memory: SealMemory,
        *,
        received_at: int,
        latest: int | None = None,
        links: LinkMemory | None = None,
    ) -> None:
        """`latest`: addresses are sealed as of no later instant, or an erasure that follows would pass them by."""
        self._latest = latest
        self._source, self._keyring, self._memory, self.received_at = source, keyring, memory, received_at
        self._sealings: dict[tuple[str, str, str], Sealing] = {}
        self._links = Links(links)
        self.records: list[Emit] = []

    def accept(self, taken: Taken, traceparent: str = "") -> None:
        """Add an event's facts and its contacts; EventRefusedError if it would carry contact data in clear."""
        person, emits = taken.person, []
        key = person.customer.encode()
        for fact in _with_aliases(taken.facts, person):
            value = encode(fact)
            if len(value) > LARGEST_FACT:
                raise EventRefusedError("", f"is larger than {LARGEST_FACT} bytes")
            if person.known.addresses and _leaks(value, person.known.addresses):
                raise EventRefusedError("", "repeats contact data outside the fields for it")
            emits.append(Emit(CUSTOMER_EVENTS.name, _partition(key), key, value, fact_headers(fact, traceparent)))
        for contact in person.contacts:
            place = (person.customer, contact.field, contact.value)
            heard = self._heard(taken.facts[0])
            if place in self._sealings and self._sealings[place].covers(heard):
                continue
            sealing = self._memory.begin(*place, heard)
            if sealing is not None:
                self._sealings[place] = sealing
                emits.append(self._contact_point(person.customer, contact, taken.facts[0]))
        if person.aliases or person.rivals:
            self.records += self._links.of(person)
        self.records += emits

    def erase(self, erasure: Erasure) -> None:
        """Add an erasure: one fact for each id."""
        for customer, fact in erasure.facts:
            key = customer.encode()
            self.records.append(Emit(CUSTOMER_EVENTS.name, _partition(key), key, encode(fact), fact_headers(fact)))
            self._memory.forget(customer, CONTACT_FIELDS)

    def reject(self, refusal: EventRefusedError, raw: bytes, *, history: bool = False) -> None:
        """Add an event that was refused, its bytes sealed; of very many bytes the first, and the reason says so."""
        rejected_id = derived_id("rejected", self._source, hashlib.sha256(raw).hexdigest())
        sealed = self._keyring.seal_bytes("rejected-event", rejected_id, raw[:LARGEST_REJECTED])
        cut = f"; of its {len(raw)} bytes the first {LARGEST_REJECTED} are kept" if len(raw) > LARGEST_REJECTED else ""
        event = RejectedEvent(
            id=rejected_id,
            source=self._source,
            path=refusal.path,
            reason=refusal.reason + cut,
            sealed=base64.b64encode(sealed).decode(),
            received_at=self.received_at,
            history=history,
        )
        name = event_id(REJECTED_EVENTS.name, rejected_id, f"{event.reason}/{history}")  # told again it is the same
        headers = cloud_event("event.rejected", id=name, source=self._source, at=self.received_at)
        key = self._source.encode()
        self.records.append(Emit(REJECTED_EVENTS.name, _partition(key), key, encode(event), headers))

    def settle(self) -> None:
        """Every record was acknowledged: what was sealed need not be sealed again."""
        for sealing in self._sealings.values():
            self._memory.finish(sealing)
        self._links.settle()

    def _heard(self, fact: Fact) -> int:
        return fact.at if self._latest is None else min(fact.at, self._latest)

    def _contact_point(self, customer: str, contact: Contact, fact: Fact) -> Emit:
        """Keyed by customer and field, for the topic is compacted; in the customer's own partition; named by its event."""
        at, key = self._heard(fact), f"{customer}/{contact.field}"
        sealed = self._keyring.seal(customer, contact.field, contact.value)
        point = ContactPoint(alias=customer, field=contact.field, sealed=sealed, at=at)
        name = event_id(CONTACT_POINTS.name, key, f"{fact.source}/{fact.id}")
        headers = cloud_event("contact.point", id=name, source=self._source, at=at)
        return Emit(CONTACT_POINTS.name, _partition(customer.encode()), key.encode(), encode(point), headers)


def _with_aliases(facts: tuple[Fact, ...], person: Person) -> tuple[Fact, ...]:
    """The facts, each naming the weaker ids: until they are absorbed, the customer is half a person."""
    if not person.aliases:
        return facts
    return tuple(msgspec.structs.replace(fact, aliases=person.aliases) for fact in facts)


def _leaks(value: bytes, addresses: tuple[str, ...]) -> bool:
    text = value.decode().casefold()
    return any(address in text for address in addresses)
