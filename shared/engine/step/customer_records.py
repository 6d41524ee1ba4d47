"""What a record does to the one customer under its key: fence, marks, redirect, split, absorb, or a step; knows no tick and no broadcast."""

from __future__ import annotations

from functools import partial
from typing import Any, Generic

import msgspec

from shared.contract.identity import Forwarded, Fragment, IdentityConflict, Linked, Unlinked
from shared.contract.origin import NOWHERE, Origin
from shared.contract.topics import CUSTOMER_EVENTS
from shared.engine.fold.batch import Emit, Record
from shared.engine.fold.fold import Context, Fold, Outcome, S
from shared.engine.fold.rules import Off, Rule
from shared.engine.identity import linking, split_off, unlinking
from shared.engine.state.entry import Entry
from shared.engine.state.memory import Memory
from shared.engine.state.outgoing import Outgoing
from shared.engine.step.steps import Steps
from shared.engine.step.taken import Taken

_MARKED = (Fragment, Forwarded, IdentityConflict)
"""Records that are no facts and no bundles, but change a live customer."""


class CustomerRecords(Generic[S]):
    """`take` them one by one, in the order of the partition."""

    def __init__(self, fold: Fold[S], memory: Memory[S], out: Outgoing[S], steps: Steps[S], *, off: Off) -> None:
        self._fold, self._memory, self._out, self._steps, self._off = fold, memory, out, steps, off
        self._counts = steps.counts
        self._front = fold.input == CUSTOMER_EVENTS.name

    def take(self, record: Record, key: bytes, decoded: Any, origin: Origin) -> None:
        """`decoded` is what `record` holds, `origin` where what it causes comes from."""
        inner = not self._front and type(decoded) is Fragment
        try:
            entry = self._memory.entry(key)
        except UnicodeDecodeError as error:
            self._steps.poison(record, error)
            return
        if not inner and origin <= entry.origin and Rule.FENCE not in self._off:
            self._counts.fenced += 1
            return
        if entry.frozen and not linking.erases(decoded):
            frozen = ValueError("the customer's state is frozen: it is above the limit")
            self._steps.poison(record, frozen, counts=False)
            return
        place = entry.origin if inner else origin
        mark = linking.mark_of(decoded)
        known = mark is not None and entry.links.marks.get(mark[0], NOWHERE) >= mark[1]
        if entry.links.redirect:
            if not unlinking.taken_back(entry.links, decoded, entry.name):
                act = partial(linking.redirect, entry, decoded, origin, record.timestamp, self._out)
                self._steps.hand_over(record, entry, place, act)
                return
            if not known:
                entry.links = unlinking.live_again(entry.links)
        if known and Rule.MARKS not in self._off:
            self._counts.duplicates += 1
            return
        self._live(Taken(record, place, origin, entry.links, len(record.value or b""), mark=mark), entry, decoded)

    def _live(self, taken: Taken, entry: Entry[S], decoded: Any) -> None:
        """A record for an id that holds its state."""
        if away := unlinking.elsewhere(entry.links, decoded):
            act = partial(self._out.feedback, away, unlinking.sent_back(decoded, entry.name, taken.origin))
            self._steps.hand_over(taken.record, entry, taken.place, act)
            return
        if linking.wants_hand_over(decoded):
            context = self._steps.context(entry, taken)
            act = partial(linking.surrender, self._fold, entry, decoded, context, self._out)
            self._steps.hand_over(taken.record, entry, taken.place, act)
            return
        split = unlinking.split_off(entry.links, decoded, entry.name)
        if split is not None:
            self._split(taken, entry, decoded, split)
            return
        links = unlinking.never_left(entry.links, decoded, entry.name)
        links = linking.links_after(links, decoded, linking.mark_of(decoded), entry.name)
        if type(decoded) is Unlinked or (type(decoded) is IdentityConflict and links is entry.links):
            self._counts.duplicates += 1
            return
        after = msgspec.structs.replace(taken, links=links)
        take = self._take_marked if isinstance(decoded, _MARKED) else self._fold.on_record
        anew = linking.named_anew(entry.links, decoded, entry.name) if self._front else ()
        if self._steps.run(entry, after, partial(take, entry.state, decoded)):
            for alias in anew:
                self._out.feedback(alias, Linked(entry.name))

    def _take_marked(
        self, state: S, decoded: Fragment | Forwarded | IdentityConflict, context: Context
    ) -> Outcome[S] | None:
        if isinstance(decoded, Forwarded):
            alias = decoded.alias or decoded.source
            context = msgspec.structs.replace(context, alias=alias, arrived=decoded.arrived)
            return self._fold.on_record(state, decoded.event, context)
        if isinstance(decoded, IdentityConflict):  # nothing comes, but later hops must hear that nobody is missing
            return self._absorb_nothing(state, context)
        alias = decoded.alias or decoded.source if decoded.back is None else context.key
        return self._fold.absorb(state, decoded.body, msgspec.structs.replace(context, alias=alias))

    def _absorb_nothing(self, state: S, context: Context) -> Outcome[S]:
        return self._fold.absorb(state, self._fold.surrender(self._fold.empty())[1], context)

    def _split(self, taken: Taken, entry: Entry[S], decoded: Any, split: split_off.SplitOff) -> None:
        """Give back what came under the ids that are split off; the rest is this customer from now on."""
        before, given = entry.links, list[Emit]()
        links = linking.links_after(split.links, decoded, None, entry.name)

        def take(context: Context) -> Outcome[S] | None:
            kept, body = self._fold.split(entry.state, frozenset(split.returned), decoded, context)
            fragment = split.fragment(entry.name, taken.origin, before, body)
            given.append(self._out.record(self._fold.input, split.root.encode(), fragment))
            if type(decoded) is Unlinked:
                return self._absorb_nothing(kept, context)
            return self._fold.on_record(kept, decoded, context)

        whole = msgspec.structs.replace(taken, links=links, told=split.told)
        if self._steps.run(entry, whole, take):
            self._out.emits += given
