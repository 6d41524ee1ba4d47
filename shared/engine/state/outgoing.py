"""What a partition has to say until its batch ends: outputs, bundles and dead letters as bytes; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Generic

from shared.contract import codec
from shared.contract.dead_letters import LONGEST_SEALED, SEALED_AS, DeadLetter, reason_of, sealed_field
from shared.contract.origin import Origin
from shared.contract.partitioner import partition_of
from shared.contract.topics import CUSTOMER_EVENTS, DEAD_LETTERS, MAX_RECORD, PROFILE_UPDATES, SEGMENT_UPDATES
from shared.engine.fold.batch import Emit, Record
from shared.engine.fold.fold import Event, Fold, Outcome, Output, S
from shared.engine.fold.rules import BrokenInvariantError, Off, Rule
from shared.engine.state.entry import Entry
from shared.engine.state.stored import NO_LINKS, Links
from shared.ids import event_id

Seal = Callable[[str, str, bytes], str]
"""(alias, field, bytes) → sealed text, for the content of dead letters."""
KEY_LIMIT = 4_096
"""Bytes a key may have: keys stand in outputs, changelog and dead letters, which have a limit of their own."""
HOPS: Final = (CUSTOMER_EVENTS.name, PROFILE_UPDATES.name, SEGMENT_UPDATES.name)
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
Mark = tuple[str, Origin]
"""Source key and source origin of a record on a feedback edge."""


class OversizedOutputError(ValueError):
    """An output, or a state to be kept, is above the broker's record limit (rule 5)."""


class Outgoing(Generic[S]):
    """`emits` and `letters` grow with the batch; `take` hands them over."""

    def __init__(self, fold: Fold[S], partition: int, seal: Seal, off: Off) -> None:
        self._fold, self._partition, self._seal, self._off = fold, partition, seal, off
        self.hop = HOPS.index(fold.input) if fold.input in HOPS else 0
        """How many hops stand before this one."""
        self.emits: list[Emit] = []
        self.letters: list[Emit] = []

    def take(self) -> tuple[list[Emit], list[Emit]]:
        """Outputs and dead letters since the last time."""
        taken = self.emits, self.letters
        self.emits, self.letters = [], []
        return taken

    def record(
        self, topic: str, key: bytes | None, value: Any, *, partition: int | None = None, headers: Any = ()
    ) -> Emit:
        """One record; without a partition the key decides. OversizedOutputError above the limit."""
        encoded = b"" if value is None else codec.encode(value)
        size = len(encoded) + len(key or b"")
        if size > MAX_RECORD and Rule.RECORD_LIMIT not in self._off:
            raise OversizedOutputError(f"an output to {topic} has {size} bytes, the limit is {MAX_RECORD}")
        return Emit(topic, partition_of(key or b"") if partition is None else partition, key, encoded, headers)

    def of_step(
        self,
        entry: Entry[S],
        outcome: Outcome[S],
        origin: Origin,
        links: Links,
        more: Mapping[str, Any] = NOTHING,
        *,
        mark: Mark | None = None,
    ) -> list[Emit]:
        """The bundle for the next hop, with `more` fields, then what leaves the chain.

        Public records are named by `mark` where the input record has one, else by `origin` (shared/ids.py, `event_id`).
        """
        emits = []
        if outcome.steps is not None and self._fold.bundle is not None:
            emits.append(self.bundle(entry, origin, links, as_of=outcome.as_of, steps=outcome.steps, **more))
        if outcome.outputs:
            emits += self.leaving(entry, outcome.outputs, origin, mark)
        return emits

    def leaving(self, entry: Entry[S], outputs: Sequence[Output], origin: Origin, mark: Mark | None) -> list[Emit]:
        """What leaves the chain."""
        emits = []
        source, (epoch, partition, offset, step) = mark or ("", origin)
        place, told = f"{source}@{epoch}.{partition}.{offset}.{step}", dict[tuple[str, str], int]()
        for output in outputs:
            own = output.partition is None and output.key == entry.name
            home = self._partition if own else output.partition
            key = entry.key if own else output.key.encode()
            headers = () if output.event is None else _headers(output.topic, output.event, place, told)
            emits.append(self.record(output.topic, key, output.value, partition=home, headers=headers))
        return emits

    def bundle(self, entry: Entry[S], origin: Origin, links: Links, **body: Any) -> Emit:
        """The one record of this customer and origin for the next hop."""
        if self._fold.bundle is None or self._fold.output is None:
            raise BrokenInvariantError(f"{self._fold.name}: a bundle without a next hop")
        if links is not NO_LINKS:
            body |= {"seen": links.seen, "absorbed": (*links.told(self.hop), links.held(entry.name))}
        bundle = self._fold.bundle(origin=origin, **body)
        return self.record(self._fold.output, entry.key, bundle, partition=self._partition)

    def feedback(self, to: str, value: Any) -> None:
        """To another id of this same service, by its own input."""
        self.emits.append(self.record(self._fold.input, to.encode(), value))

    def bury(self, record: Record, error: Exception, customer: str | None = None) -> None:
        """The record as a dead letter: where it stood, why, its bytes sealed."""
        where = sealed_field(self._fold.input, self._partition, record.offset)
        key = (record.key or b"")[:KEY_LIMIT]
        letter = DeadLetter(
            service=self._fold.name,
            topic=self._fold.input,
            partition=self._partition,
            offset=record.offset,
            customer=customer if customer is not None else key.decode(errors="replace"),
            reason=reason_of(error),
            arrived=record.timestamp,
            sealed=self._seal(SEALED_AS, where, (record.value or b"")[:LONGEST_SEALED]),
        )
        headers = codec.cloud_event(
            "dead.letter",
            id=event_id(DEAD_LETTERS.name, f"{letter.service}/{where}/{letter.customer}"),
            source=f"huitou/{letter.service}",
            at=letter.arrived,
        )
        none = record.key is None
        self.letters.append(
            Emit(DEAD_LETTERS.name, self._partition, None if none else key, codec.encode(letter), headers)
        )


def _headers(topic: str, event: Event, place: str, told: dict[tuple[str, str], int]) -> codec.Headers:
    """`told`: how many of an id this input record has made so far, by topic and id."""
    name = event.id
    if not event.once:
        which = topic, name
        ordinal = told[which] = told.get(which, -1) + 1
        name = event_id(topic, name, place, ordinal) if event.hashed else f"{name}/{place}/{ordinal}"
    return codec.cloud_event(event.tag, id=name, source=event.source, at=event.at)
