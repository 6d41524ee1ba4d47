"""What a partition has to say until its batch ends: outputs, bundles and dead letters as bytes; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic

from shared.contract import codec
from shared.contract.dead_letters import LONGEST_SEALED, SEALED_AS, DeadLetter, reason_of, sealed_field
from shared.contract.origin import Origin
from shared.contract.partitioner import partition_of
from shared.contract.topics import CUSTOMER_EVENTS, DEAD_LETTERS, MAX_RECORD, PROFILE_UPDATES, SEGMENT_UPDATES
from shared.engine.fold.batch import Emit, Record
from shared.engine.fold.fold import Fold, Outcome, S
from shared.engine.fold.rules import BrokenInvariantError, Off, Rule
from shared.engine.state.entry import Entry
from shared.engine.state.stored import NO_LINKS, Links

Seal = Callable[[str, str, bytes], str]
"""(alias, field, bytes) → sealed text, for the content of dead letters."""
KEY_LIMIT = 4_096
"""Bytes a key may have: keys stand in outputs, changelog and dead letters, which have a limit of their own."""
HOPS: Final = (CUSTOMER_EVENTS.name, PROFILE_UPDATES.name, SEGMENT_UPDATES.name)
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


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
        self, entry: Entry[S], outcome: Outcome[S], origin: Origin, links: Links, more: Mapping[str, Any] = NOTHING
    ) -> list[Emit]:
        """The bundle for the next hop, with `more` fields, then what leaves the chain."""
        emits = []
        if outcome.steps is not None and self._fold.bundle is not None:
            emits.append(self.bundle(entry, origin, links, as_of=outcome.as_of, steps=outcome.steps, **more))
        for output in outcome.outputs:
            own = output.partition is None and output.key == entry.name
            partition = self._partition if own else output.partition
            key = entry.key if own else output.key.encode()
            emits.append(self.record(output.topic, key, output.value, partition=partition, headers=output.headers))
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
        buried = Emit(DEAD_LETTERS.name, self._partition, None if record.key is None else key, codec.encode(letter))
        self.letters.append(buried)
