"""The engine of one partition: places, time, broadcasts and requests around its customers' records; pure but for its own memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, Generic

import msgspec

from shared.contract.broadcasts import (
    Checkpoint,
    CutsPublished,
    PolicyPublished,
    ResyncRequested,
    SourceCompleted,
    Tick,
)
from shared.contract.identity import Fragment
from shared.contract.origin import NEVER, NOWHERE, Origin
from shared.contract.topics import CUSTOMER_EVENTS, EPOCH
from shared.engine.fold.batch import Batch, Emit, Record
from shared.engine.fold.checksum import checksum
from shared.engine.fold.fold import Fold, S
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule
from shared.engine.state.head import PARTITION_KEY, decode_values, encode_values
from shared.engine.state.in_force import Broadcast, InForce, Request
from shared.engine.state.memory import Memory
from shared.engine.state.outgoing import KEY_LIMIT, Outgoing, Seal
from shared.engine.state.stored import PartitionValues
from shared.engine.step.customer_records import CustomerRecords
from shared.engine.step.steps import Steps
from shared.engine.step.taken import Taken

PART = 2_000
"""Records of one part of a long answer: some 2 MB."""


class Partition(Generic[S]):
    """Apply records one by one, then `drain` the batch. Restore the changelog first, record by record."""

    def __init__(self, fold: Fold[S], *, partition: int, seal: Seal, scenario: bool = False, off: Off = ALL_ON) -> None:
        self.fold, self.partition = fold, partition
        self._scenario, self._off = scenario, off
        self._front = fold.input == CUSTOMER_EVENTS.name
        self.memory = Memory(fold)
        self.store = self.memory.store
        self._out = Outgoing(fold, partition, seal, off)
        self._steps = Steps(self.memory, self._out, scenario=scenario, off=off)
        self._records = CustomerRecords(fold, self.memory, self._out, self._steps, off=off)
        self._in_force = InForce(fold, off)
        self.counts = self._steps.counts
        self.next, self._since = 0, 0
        self._last: Origin = NOWHERE
        self._applied: Record | None = None
        self._rest: Iterator[Emit] = iter(())
        self._checkpoint = False

    @property
    def clock(self) -> int:
        """Logical now, ms; 0 before the first tick."""
        return self._steps.clock

    @property
    def balance(self) -> int:
        """Failures beyond successes (shared/engine/fold/poison_limit.py)."""
        return self._steps.balance

    # --- recovery

    def restore(self, key: bytes, value: bytes) -> bool:
        """One changelog record, in any order: the highest counter of a key wins. False: this one lost."""
        last_wins = Rule.HIGHEST_COUNTER in self._off
        if key == PARTITION_KEY:
            values = decode_values(value)
            if values.next < self.next and not last_wins:
                return False
            self.next, self._last, self._steps.clock = values.next, values.last, values.clock
            self._steps.balance = values.balance
            self._in_force.restore(values.broadcasts)
            return True
        if last_wins:
            self.store.put(key, value)
            return True
        return self.store.restore(key, value)

    def restored(self) -> None:
        """The changelog is read: rebuild the columns and take over what is in force."""
        self._in_force.adopt_all()
        self._steps.behaviour = self._in_force.behaviour
        self.memory.index()

    # --- one record

    def apply(self, record: Record) -> bool:
        """Take the next record. True: the batch must be drained before the next one (an epoch tick, resync, checkpoint)."""
        if record.offset != self.next and Rule.CONTIGUOUS not in self._off:
            raise BrokenInvariantError(
                f"{self.fold.input}[{self.partition}]: offset {record.offset} follows {self.next - 1}: "
                "records are missing, or state and topic do not belong together"
            )
        self.next = record.offset + 1
        self.counts.records += 1
        self._since += 1
        self._applied = record
        try:
            decoded = self.fold.records(record.value or b"")
            origin = self._origin(decoded, record)
        except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError) as error:
            self._steps.poison(record, error)
            return False
        kind = type(decoded)
        if kind is Tick:
            return self._tick(record, decoded, origin)
        if kind is CutsPublished or kind is PolicyPublished or kind is SourceCompleted:
            self._broadcast(record, decoded, origin)
            return False
        if kind is ResyncRequested or kind is Checkpoint or record.key is None:
            return self._requested(record, decoded, origin)
        if len(record.key) > KEY_LIMIT:
            self._steps.poison(record, ValueError(f"the key has {len(record.key)} bytes, the limit is {KEY_LIMIT}"))
            return False
        self._records.take(record, record.key, decoded, origin)
        return False

    def _origin(self, decoded: Any, record: Record) -> Origin:
        if self._front:
            return Origin(EPOCH, self.partition, record.offset)
        if type(decoded) is Fragment:
            step = 0 if Rule.FRAGMENT_PLACE in self._off else 1
            place = self._last._replace(step=self._last.step + step)
            self._last = place  # every fragment takes a place of its own, duplicates too
            return place
        origin: Origin | None = decoded.origin
        if origin is None:
            raise msgspec.ValidationError("origin: missing, every record of the chain carries one")
        self._last = max(self._last, origin)
        return origin

    # --- time and broadcasts

    def _tick(self, record: Record, tick: Tick, origin: Origin) -> bool:
        if self._front and not self._valid(record, tick):
            return False
        before = self._steps.clock
        if tick.as_of <= before:
            return False
        self._steps.clock = tick.as_of
        self.counts.ticks += 1
        for row in self.store.due_rows(tick.as_of).tolist():
            entry = self.memory.entry(self.store.keys[row])
            if origin <= entry.origin or entry.links.redirect or entry.frozen:
                continue
            taken = Taken(record, origin, origin, entry.links, 0)
            if not self._steps.run(entry, taken, partial(self.fold.on_time, entry.state)):
                entry.due = NEVER  # not again at every tick; the customer's next record computes it anew
                self._steps.touch(entry, origin)
        outputs = self.fold.after_tick(before, tick, self.store.columns)
        self._steps.quiet = self._steps.quiet and not outputs
        record_of = self._out.record
        self._out.emits += [record_of(o.topic, o.key.encode(), o.value, partition=o.partition) for o in outputs]
        self._forward(tick, origin)
        return self.fold.closes_batch(before, tick) and Rule.EPOCH_CLOSE not in self._off

    def _valid(self, record: Record, tick: Tick) -> bool:
        if tick.scenario:
            if not self._scenario:
                self._steps.poison(record, ValueError("a scenario tick on a stack that runs in real time"))
            return self._scenario
        if tick.as_of > record.timestamp:
            self.counts.ticks_ignored += 1
            return False
        return True

    def _broadcast(self, record: Record, broadcast: Broadcast, origin: Origin) -> None:
        if not self._in_force.is_news(broadcast):
            return
        try:
            self._in_force.adopt(broadcast, self._steps.clock)
        except (ValueError, msgspec.ValidationError) as error:
            self._steps.poison(record, error)
            return
        self._steps.quiet, self._steps.behaviour = False, self._in_force.behaviour
        for row in self.fold.touched(broadcast, self.store.columns).tolist():
            entry = self.memory.entry(self.store.keys[row])
            if origin <= entry.origin or entry.links.redirect or entry.frozen:
                continue
            taken = Taken(record, origin, origin, entry.links, 0)
            self._steps.run(entry, taken, partial(self.fold.on_broadcast, entry.state, broadcast))
        self._forward(broadcast, origin)

    def _requested(self, record: Record, request: Any, origin: Origin) -> bool:
        """A resync or a checkpoint, once per version; where it applies it is the last record of its batch."""
        if not isinstance(request, Request):
            self._steps.poison(record, ValueError("the record has no key"))
            return False
        if not self._in_force.is_news(request):
            return False
        self._steps.quiet = False
        if type(request) is ResyncRequested:
            self._steps.clock = self._steps.clock if self._front else max(self._steps.clock, request.clock)
            self._forward(msgspec.structs.replace(request, clock=self._steps.clock), origin)
            for broadcast in self._in_force.broadcasts():
                self._forward(broadcast, origin)
            if self._front:
                self._rest = self._told_again(record, origin)
        else:
            self._checkpoint = True
            self._forward(request, origin)
        self._in_force.keep(request, self._steps.clock)
        return True

    def _told_again(self, record: Record, origin: Origin) -> Iterator[Emit]:
        for key in self.store.keys:
            entry = self.memory.look(key)
            if entry.links.redirect or entry.frozen:
                continue
            taken = Taken(record, origin, origin, entry.links, 0)
            yield from self._steps.told(entry, taken, partial(self.fold.current, entry.state))

    def _forward(self, broadcast: Tick | Broadcast | Request, origin: Origin) -> None:
        if self.fold.output is not None:
            forwarded = msgspec.structs.replace(broadcast, origin=origin)
            self._out.emits.append(self._out.record(self.fold.output, None, forwarded, partition=self.partition))

    # --- the end of a batch

    def part(self) -> list[Emit]:
        """Where the record just taken says more than a batch should hold (a resync): the next part, empty after the last.

        To be emitted before the next part is asked for; what nobody asks for is in the next batch.
        """
        told = list(islice(self._rest, PART))
        if told:
            told, self._out.emits = self._out.emits + told, []
        return told

    def drain(self) -> Batch:
        """Everything since the last drain, as effects; the partition's memory already holds the new state."""
        self._out.emits += self._rest
        customers = list(self.memory.changed())
        values = PartitionValues(self.next, self._last, self._steps.clock, self._in_force.kept, self._steps.balance)
        emits, letters = self._out.take()
        batch = Batch(
            emits=emits + letters,
            customers=customers,
            values=encode_values(values),
            next=self.next,
            metadata="" if self._applied is None else checksum(self._applied),
            quiet=self._steps.quiet,
            records=self._since,
            poison=len(letters),
            checkpoint=self._checkpoint,
        )
        self._steps.quiet, self._since, self._checkpoint = True, 0, False
        return batch
