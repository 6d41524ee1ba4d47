"""The engine of one partition: fences, marks, redirects, time and broadcasts around a service's fold; pure but for its own memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Generic

import msgspec

from shared.chain import (
    NEVER,
    NOWHERE,
    Checkpoint,
    CutsPublished,
    Forwarded,
    Fragment,
    IdentityConflict,
    Linked,
    Origin,
    PolicyPublished,
    ResyncRequested,
    SourceCompleted,
    Tick,
    Unlinked,
)
from shared.streams import linking, poison_limit, unlinking
from shared.streams.batch import Batch, Counts, Emit, Record
from shared.streams.entry import Entry
from shared.streams.fold import Context, Fold, Outcome, S
from shared.streams.head import (
    PARTITION_KEY,
    STATE_LIMIT,
    Head,
    Links,
    PartitionValues,
    decode_values,
    encode_values,
    pack,
)
from shared.streams.in_force import Broadcast, InForce, Request
from shared.streams.memory import Memory
from shared.streams.outgoing import KEY_LIMIT, NOTHING, Outgoing, OversizedOutputError, Seal
from shared.streams.rules import ALL_ON, BrokenInvariantError, Off, Rule
from shared.topics import CUSTOMER_EVENTS, EPOCH, MAX_RECORD

PART = 2_000
"""Records of one part of a long answer: some 2 MB."""


class Partition(Generic[S]):
    """Apply records one by one, then `drain` the batch. Restore the changelog first, record by record."""

    def __init__(self, fold: Fold[S], *, partition: int, seal: Seal, scenario: bool = False, off: Off = ALL_ON) -> None:
        self.fold, self.partition, self.counts = fold, partition, Counts()
        self._scenario, self._off = scenario, off
        self._out = Outgoing(fold, partition, seal, off)
        self._front = fold.input == CUSTOMER_EVENTS.name
        self.memory = Memory(fold)
        self.store = self.memory.store
        self.next, self.clock = 0, 0
        self._last: Origin = NOWHERE
        self._in_force = InForce(fold, off)
        self._applied: Record | None = None
        self._quiet, self._since = True, 0
        self.balance = 0
        self._rest: Iterator[Emit] = iter(())
        self._checkpoint = False

    # --- recovery

    def restore(self, key: bytes, value: bytes) -> bool:
        """One changelog record, in any order: the highest counter of a key wins. False: this one lost."""
        last_wins = Rule.HIGHEST_COUNTER in self._off
        if key == PARTITION_KEY:
            values = decode_values(value)
            if values.next < self.next and not last_wins:
                return False
            self.next, self._last, self.clock = values.next, values.last, values.clock
            self.balance = values.balance
            self._in_force.restore(values.broadcasts)
            return True
        if last_wins:
            self.store.put(key, value)
            return True
        return self.store.restore(key, value)

    def restored(self) -> None:
        """The changelog is read: rebuild the columns and take over what is in force."""
        self._in_force.adopt_all()
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
            self._poison(record, error)
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
            self._poison(record, ValueError(f"the key has {len(record.key)} bytes, the limit is {KEY_LIMIT}"))
            return False
        self._customer(record, record.key, decoded, origin)
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

    def _customer(self, record: Record, key: bytes, decoded: Any, origin: Origin) -> None:
        inner = not self._front and type(decoded) is Fragment
        try:
            entry = self.memory.entry(key)
        except UnicodeDecodeError as error:
            self._poison(record, error)
            return
        if not inner and origin <= entry.origin and Rule.FENCE not in self._off:
            self.counts.fenced += 1
            return
        if entry.frozen and not linking.erases(decoded):
            frozen = ValueError("the customer's state is frozen: it is above the limit")
            self._poison(record, frozen, counts=False)
            return
        place = entry.origin if inner else origin
        mark = linking.mark_of(decoded)
        known = mark is not None and entry.links.marks.get(mark[0], NOWHERE) >= mark[1]
        if entry.links.redirect:
            if not unlinking.taken_back(entry.links, decoded, entry.name):
                act = partial(linking.redirect, entry, decoded, origin, record.timestamp, self._out)
                self._hand_over(record, entry, place, act)
                return
            if not known:
                entry.links = unlinking.live_again(entry.links)
        if known and Rule.MARKS not in self._off:
            self.counts.duplicates += 1
            return
        self._live(_Taken(record, place, origin, entry.links, len(record.value or b"")), entry, decoded)

    def _live(self, taken: _Taken, entry: Entry[S], decoded: Any) -> None:
        """A record for an id that holds its state."""
        if away := unlinking.elsewhere(entry.links, decoded):
            act = partial(self._out.feedback, away, unlinking.sent_back(decoded, entry.name, taken.origin))
            self._hand_over(taken.record, entry, taken.place, act)
            return
        if linking.wants_hand_over(decoded):
            act = partial(linking.surrender, self.fold, entry, decoded, taken.origin, self.clock, self._out)
            self._hand_over(taken.record, entry, taken.place, act)
            return
        split = unlinking.split_off(entry.links, decoded, entry.name)
        if split is not None:
            self._split(taken, entry, decoded, split)
            return
        links = unlinking.never_left(entry.links, decoded, entry.name)
        links = linking.links_after(links, decoded, linking.mark_of(decoded), entry.name)
        if type(decoded) is Unlinked or (type(decoded) is IdentityConflict and links is entry.links):
            self.counts.duplicates += 1
            return
        after = msgspec.structs.replace(taken, links=links)
        take = self._take_marked if isinstance(decoded, _MARKED) else self.fold.on_record
        anew = linking.named_anew(entry.links, decoded, entry.name) if self._front else ()
        if self._step(entry, after, partial(take, entry.state, decoded)):
            for alias in anew:
                self._out.feedback(alias, Linked(entry.name))

    def _take_marked(
        self, state: S, decoded: Fragment | Forwarded | IdentityConflict, context: Context
    ) -> Outcome[S] | None:
        if isinstance(decoded, Forwarded):
            alias = decoded.alias or decoded.source
            context = msgspec.structs.replace(context, alias=alias, arrived=decoded.arrived)
            return self.fold.on_record(state, decoded.event, context)
        if isinstance(decoded, IdentityConflict):  # nothing comes, but later hops must hear that nobody is missing
            return self._absorb_nothing(state, context)
        alias = decoded.alias or decoded.source if decoded.back is None else context.key
        return self.fold.absorb(state, decoded.body, msgspec.structs.replace(context, alias=alias))

    def _absorb_nothing(self, state: S, context: Context) -> Outcome[S]:
        return self.fold.absorb(state, self.fold.surrender(self.fold.empty())[1], context)

    def _split(self, taken: _Taken, entry: Entry[S], decoded: Any, split: unlinking.SplitOff) -> None:
        """Give back what came under the ids that are split off; the rest is this customer from now on."""
        before, given = entry.links, list[Emit]()
        links = linking.links_after(split.links, decoded, None, entry.name)

        def take(context: Context) -> Outcome[S] | None:
            kept, body = self.fold.split(entry.state, frozenset(split.returned), decoded)
            fragment = split.fragment(entry.name, taken.origin, before, body)
            given.append(self._out.record(self.fold.input, split.root.encode(), fragment))
            if type(decoded) is Unlinked:
                return self._absorb_nothing(kept, context)
            return self.fold.on_record(kept, decoded, context)

        whole = msgspec.structs.replace(taken, links=links, told=split.told)
        if self._step(entry, whole, take):
            self._out.emits += given

    # --- a step and what follows from it

    def _step(self, entry: Entry[S], taken: _Taken, take: Callable[[Context], Outcome[S] | None]) -> bool:
        """Run the fold for one customer; False if it was poison: then nothing of the state has changed."""
        links = taken.links
        try:
            outcome = take(self._context(entry, taken))
            emits = [] if outcome is None else self._out.of_step(entry, outcome, taken.origin, links, taken.told)
            size = self._size(entry, outcome, links, taken.size)
        except Exception as error:  # whatever fails in a step is poison for this (record, customer) alone
            if Rule.POISON in self._off:
                raise
            self._poison(taken.record, error, customer=entry.name)
            return False
        self.balance = poison_limit.succeeded(self.balance)
        if outcome is None:
            self.counts.duplicates += 1
            if links is not entry.links:
                entry.links, entry.size = links, size
                self._touch(entry, taken.place)
            return True
        self.counts.steps += 1
        self._out.emits += emits
        entry.state, entry.due, entry.links = outcome.state, outcome.due, links
        entry.size = size
        entry.frozen = size > STATE_LIMIT and Rule.FROZEN not in self._off
        self._touch(entry, taken.place)
        return True

    def _size(self, entry: Entry[S], outcome: Outcome[S] | None, links: Links, record_size: int) -> int:
        """Of the stored value, in bytes: estimated from above, exact once above the limit. Raises where it cannot be stored."""
        if outcome is not None and not -NEVER <= outcome.due <= NEVER:
            raise ValueError(f"due: {outcome.due} is beyond what can be kept")
        size = entry.size + 2 * record_size
        if size > STATE_LIMIT and Rule.FROZEN not in self._off:
            state = entry.state if outcome is None else outcome.state
            size = len(pack(Head(links=links), b"")) + self.memory.body_size(state)
        if size > MAX_RECORD and Rule.RECORD_LIMIT not in self._off:
            raise OversizedOutputError(
                f"the customer's state would have {size} bytes, the limit of a record is {MAX_RECORD}"
            )
        return size

    def _context(self, entry: Entry[S], taken: _Taken) -> Context:
        whole, arrived = linking.whole(taken.links, entry.name, self._out.hop), taken.record.timestamp
        return Context(entry.name, entry.name, self.clock, arrived, taken.origin, whole, self._scenario)

    def _hand_over(self, record: Record, entry: Entry[S], place: Origin, act: Callable[[], None]) -> None:
        """Run what sends a state or a record on to another id; where it fails, that is poison like a failing step."""
        sent = len(self._out.emits)
        try:
            act()
        except Exception as error:  # as in _step: whatever it is, this record alone is rejected
            if Rule.POISON in self._off:
                raise
            del self._out.emits[sent:]
            self._poison(record, error, customer=entry.name)
            return
        self._touch(entry, place)

    # --- time and broadcasts

    def _tick(self, record: Record, tick: Tick, origin: Origin) -> bool:
        if self._front and not self._valid(record, tick):
            return False
        before = self.clock
        if tick.as_of <= before:
            return False
        self.clock = tick.as_of
        self.counts.ticks += 1
        for row in self.store.due_rows(tick.as_of).tolist():
            entry = self.memory.entry(self.store.keys[row])
            if origin <= entry.origin or entry.links.redirect or entry.frozen:
                continue
            taken = _Taken(record, origin, origin, entry.links, 0)
            if not self._step(entry, taken, partial(self.fold.on_time, entry.state)):
                entry.due = NEVER  # not again at every tick; the customer's next record computes it anew
                self._touch(entry, origin)
        outputs = self.fold.after_tick(before, tick, self.store.columns)
        self._quiet = self._quiet and not outputs
        record_of = self._out.record
        self._out.emits += [
            record_of(o.topic, o.key.encode(), o.value, partition=o.partition, headers=o.headers) for o in outputs
        ]
        self._forward(tick, origin)
        return self.fold.closes_batch(before, tick) and Rule.EPOCH_CLOSE not in self._off

    def _valid(self, record: Record, tick: Tick) -> bool:
        if tick.scenario:
            if not self._scenario:
                self._poison(record, ValueError("a scenario tick on a stack that runs in real time"))
            return self._scenario
        if tick.as_of > record.timestamp:
            self.counts.ticks_ignored += 1
            return False
        return True

    def _broadcast(self, record: Record, broadcast: Broadcast, origin: Origin) -> None:
        if not self._in_force.is_news(broadcast):
            return
        try:
            self._in_force.adopt(broadcast, self.clock)
        except (ValueError, msgspec.ValidationError) as error:
            self._poison(record, error)
            return
        self._quiet = False
        for row in self.fold.touched(broadcast, self.store.columns).tolist():
            entry = self.memory.entry(self.store.keys[row])
            if origin <= entry.origin or entry.links.redirect or entry.frozen:
                continue
            taken = _Taken(record, origin, origin, entry.links, 0)
            self._step(entry, taken, partial(self.fold.on_broadcast, entry.state, broadcast))
        self._forward(broadcast, origin)

    def _requested(self, record: Record, request: Any, origin: Origin) -> bool:
        """A resync or a checkpoint, once per version; where it applies it is the last record of its batch."""
        if not isinstance(request, Request):
            self._poison(record, ValueError("the record has no key"))
            return False
        if not self._in_force.is_news(request):
            return False
        self._quiet = False
        if type(request) is ResyncRequested:
            self.clock = self.clock if self._front else max(self.clock, request.clock)
            self._forward(msgspec.structs.replace(request, clock=self.clock), origin)
            for broadcast in self._in_force.broadcasts():
                self._forward(broadcast, origin)
            if self._front:
                self._rest = self._told_again(record, origin)
        else:
            self._checkpoint = True
            self._forward(request, origin)
        self._in_force.keep(request, self.clock)
        return True

    def _told_again(self, record: Record, origin: Origin) -> Iterator[Emit]:
        for key in self.store.keys:
            entry = self.memory.look(key)
            if entry.links.redirect or entry.frozen:
                continue
            try:
                context = self._context(entry, _Taken(record, origin, origin, entry.links, 0))
                outcome = self.fold.current(entry.state, context)
                emits = [] if outcome is None else self._out.of_step(entry, outcome, origin, entry.links)
            except Exception as error:  # as in _step: poison for this customer alone
                if Rule.POISON in self._off:
                    raise
                self._poison(record, error, customer=entry.name)
                continue
            yield from emits

    def _forward(self, broadcast: Tick | Broadcast | Request, origin: Origin) -> None:
        if self.fold.output is not None:
            forwarded = msgspec.structs.replace(broadcast, origin=origin)
            self._out.emits.append(self._out.record(self.fold.output, None, forwarded, partition=self.partition))

    def _touch(self, entry: Entry[S], place: Origin) -> None:
        self._quiet = False
        self.memory.touch(entry, place)

    def _poison(self, record: Record, error: Exception, customer: str | None = None, *, counts: bool = True) -> None:
        """`counts`: it speaks against the code that runs (a frozen customer, known and bounded, does not)."""
        self.counts.poison += 1
        self.balance = poison_limit.failed(self.balance) if counts else self.balance
        self._quiet = False
        self._out.bury(record, error, customer)

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
        values = PartitionValues(self.next, self._last, self.clock, self._in_force.kept, self.balance)
        emits, letters = self._out.take()
        batch = Batch(
            emits=emits + letters,
            customers=customers,
            values=encode_values(values),
            next=self.next,
            metadata="" if self._applied is None else checksum(self._applied),
            quiet=self._quiet,
            records=self._since,
            poison=len(letters),
            checkpoint=self._checkpoint,
        )
        self._quiet, self._since, self._checkpoint = True, 0, False
        return batch


class _Taken(msgspec.Struct, frozen=True, gc=False):
    """A record on its way through a step: the head's new origin is `place`, what it causes carries `origin`."""

    record: Any
    place: Origin
    origin: Origin
    links: Links
    size: int
    """Bytes of the record, for the estimate of the state's."""
    told: Mapping[str, Any] = NOTHING
    """What the bundle tells beside its steps."""


_MARKED = (Fragment, Forwarded, IdentityConflict)
"""Records that are no facts and no bundles, but change a live customer."""


def checksum(record: Record) -> str:
    """Fingerprint of a record for the commit's metadata (rule 8)."""
    return f"{record.offset}:{zlib.crc32((record.key or b'') + b'|' + (record.value or b'')):08x}"
