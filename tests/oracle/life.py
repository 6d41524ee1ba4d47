"""One customer's life: each record and each due instant moves the profile, then the segments, then the desk of the rules."""

from __future__ import annotations

from collections import Counter

from shared.contract.bundles import Cause, Profile, Segments
from shared.contract.facts import ProductViewed
from shared.shop import Shop
from tests.oracle.acceptance import Acceptance, Taken
from tests.oracle.answers import CustomerAnswer, Moved
from tests.oracle.browsing import Beats
from tests.oracle.desk import Desk
from tests.oracle.lifecycle import stage, turning_points, warned
from tests.oracle.log import CutsTold, PartitionLog, PolicyTold, SourceTold
from tests.oracle.people import Refused
from tests.oracle.portrait import History, portrait
from tests.oracle.rfm import Measure, Score, measure_of, score_of
from tests.oracle.sight import PROFILE, SEGMENTER, Sight
from tests.oracle.statements import ANEW, Statements
from tests.oracle.triggers import Step

YES_NO = {True: "yes", False: "no"}


class Life:
    """One customer between two records."""

    def __init__(self, customer: str, log: PartitionLog, shop: Shop) -> None:
        self.customer, self.log, self.shop = customer, log, shop
        self.now = 0
        self.steps = 0
        self.behaviour = 1
        """The highest by which anything of this life was decided."""
        self.acceptance, self.history, self.beats = Acceptance(), History(customer), Beats()
        self.heard: list[Taken] = []
        """What came under him while he held his state, and what was forwarded to him."""
        self.profile = Profile()
        self.segments = Segments()
        self.shown: Segments | None = None
        """The public snapshot; None: it shows `segments`."""
        self.cuts: CutsTold | None = None
        self.changes: list[Moved] = []
        self.measure: Measure | None = None
        self.measures: list[tuple[int, Measure | None]] = []
        self.desk = Desk(customer, shop)
        self.due: int | None = None
        self.due_known = True
        self.sight = Sight()
        self.stirred = self.spoken = self.left = False
        """Since the last tick: something was due before the trigger engine; it heard of it; something left the window."""

    def pass_time(self, offset: int) -> None:
        """Take the ticks up to `offset`, but only those at which something is due."""
        while (due := self._next_due()) is not None:
            tick = self.log.tick_reaching(due)
            if tick is None or tick[0] > offset:
                return
            self.stirred = self.spoken = self.left = False
            self._take_due(up_to=tick[1], as_of=tick[1], offset=tick[0])
            # a hop that had anything to do stands at the tick itself: that is what it hands over as its now
            self.now = max(self.now, tick[1]) if self.stirred else self.now
            self.acceptance.now = max(self.acceptance.now, tick[1]) if self.left else self.acceptance.now
            self.desk.now = max(self.desk.now, tick[1]) if self.spoken else self.desk.now

    def hear(self, taken: Taken) -> None:
        """A fact, after everything that was due before its instant."""
        self.heard.append(taken)
        if taken.fate == "applied":
            self.behaviour = max(self.behaviour, taken.behaviour)
        self.sight.name(taken.fact.aliases)
        if not taken.quiet:
            self.sight.tell()
            self._take_due(up_to=taken.instant - 1, as_of=taken.instant, offset=taken.told.offset)
        self.history.add(taken)
        if taken.erased:
            self.beats = Beats()
        visible = (0, 0)
        if isinstance(taken.fact, ProductViewed) and taken.fate == "applied":
            bought = [order.at for order in self.history.account().orders if order.at <= taken.at]
            counts = taken.behaviour >= ANEW and bought
            visible = self.beats.see(taken.fact.product, taken.at, max(bought) if counts else None)
        if not taken.quiet:
            self._step(taken.instant, taken.instant, taken.told.offset, cause=taken.cause, taken=taken, visible=visible)

    def decides(self, offset: int) -> int:
        """The behaviour by which the record at `offset` is decided."""
        return max(self.behaviour, self.log.behaviour_at(offset))

    def absorb(self, other: Life, hop: int, offset: int) -> None:
        """At this hop the state of another id of the person has come."""
        self.sight.hold(hop, other.sight, other.customer)
        clock = self.log.clock_at(offset)
        if hop == PROFILE:
            nows = self.acceptance.now, other.acceptance.now
            self.behaviour = max(self.decides(offset), other.behaviour)
            now = self.acceptance.absorb(other.acceptance, clock, self.behaviour)
            self.sight.tell()
            self._take_due(up_to=now - 1, as_of=now, offset=offset)
            self._join(other, nows)
            self._step(now, now, offset, cause="merge")
        elif hop == SEGMENTER:
            now = max(clock, self.now, other.now)
            self._take_due(up_to=now - 1, as_of=now, offset=offset)
            self._step(now, now, offset, cause="merge")
        else:
            whole = self.sight.whole
            as_of = max(clock, self.desk.now)
            self.desk.unite(other.desk, as_of, profile=self.profile, segments=self.segments, whole=whole)
            self.due_known = False

    def _join(self, other: Life, nows: tuple[int, int]) -> None:
        """The facts of both; visible time of who was erased less far is forgotten altogether."""
        ours, theirs = self.history.erased, other.history.erased
        self.history.absorb(other.history, nows, self.behaviour)
        self.beats = self.beats if ours >= theirs else Beats()
        if theirs >= ours:
            self.beats.absorb(other.beats)

    def refuse(self, refused: Refused) -> None:
        """An id that events have named is another member's."""
        if not self.sight.refuse(refused.alias):
            return
        offset = refused.place[0]
        self.behaviour = self.decides(offset)
        if self.behaviour >= ANEW:
            for told in (self.acceptance.anew(), self.history.anew()):
                told.unite(Statements(), self.history.erased)
        now = self.acceptance.now = max(self.log.clock_at(offset), self.acceptance.now)
        self.sight.tell()
        self._take_due(up_to=now - 1, as_of=now, offset=offset)
        self._step(now, now, offset, cause="merge")

    def leave(self, offset: int) -> None:
        """He is counted no more: his state is on its way to another id."""
        if self.measure is not None:
            self.measures.append((offset, None))
        if self.log.behaviour_at(offset) < ANEW or not self.now:
            return
        self.shown = Segments()
        if self.changes:
            at, epoch = max(self.log.clock_at(offset), self.now), self.cuts.published.epoch if self.cuts else 0
            seq = len(self.changes) + 1
            left = Moved(seq, "identity", "own", "merged", effective_at=at, cause="merge", cuts=epoch)
            self.changes.append(left)

    def be_ranked(self, told: CutsTold) -> None:
        """Cuts come into force; he is stepped only if they move him."""
        self.cuts = told
        score = self._score()
        if score != Score(self.segments.r, self.segments.f, self.segments.m, self.segments.rfm):
            now = max(self.now, told.clock)
            self._step(now, now, told.offset, cause="cuts")

    def obey(self, told: PolicyTold) -> None:
        """A policy comes into force."""
        self.desk.adopt(told, segments=self.segments, whole=self.sight.whole)
        self.due_known = False

    def hear_of(self, told: SourceTold) -> None:
        """A source has told everything up to some instant."""
        self.desk.hear_of(told, segments=self.segments, whole=self.sight.whole)
        self.due_known = False

    def answer(self) -> CustomerAnswer:
        """What he is in the end, and all that was said on the way."""
        taken = self.heard
        fates: dict[str, Counter[str]] = {}
        for one in taken:
            fates.setdefault(one.fact.id, Counter())[one.fate] += 1
        return CustomerAnswer(
            steps=self.steps,
            profile=self.profile,
            segments=self.segments,
            shown=self.segments if self.shown is None else self.shown,
            changes=tuple(self.changes),
            commands=tuple(self.desk.book.commands),
            silences=tuple(self.desk.silence.told),
            decisions=tuple(self.desk.book.decisions),
            effects=dict(Counter(one.fact.id for one in taken if not one.quiet)),
            fates=fates,
            measures=tuple(self.measures),
        )

    def _score(self) -> Score:
        cuts = self.cuts.published.cuts if self.cuts else None
        return score_of(self.measure, cuts, ordered=self.profile.orders > 0, high=self.shop.high)

    def _next_due(self) -> int | None:
        """Asked for between every two records, so it is computed only after a step or a policy."""
        if not self.due_known:
            self.due, self.due_known = self._find_due(), True
        return self.due

    def _find_due(self) -> int | None:
        instants = [
            *self.history.account().leaving(self.shop),
            *turning_points(self.profile.first_order_at, self.profile.last_order_at, self.shop.bounds),
            *self.desk.due(),
        ]
        return min((instant for instant in instants if instant > self.now), default=None)

    def _take_due(self, *, up_to: int, as_of: int, offset: int) -> None:
        while (due := self._next_due()) is not None and due <= up_to:
            self._step(due, as_of, offset, cause="time")

    def _step(
        self,
        now: int,
        as_of: int,
        offset: int,
        *,
        cause: Cause,
        taken: Taken | None = None,
        visible: tuple[int, int] = (0, 0),
    ) -> None:
        instant, now = now, max(now, self.now)  # another id's now may have been ahead at a later hop
        self.now, as_of = now, max(as_of, now)
        self.steps += 1
        leaving = cause == "time" and instant in self.history.account().leaving(self.shop)
        if leaving:
            self.sight.tell()  # the profile service speaks when something leaves its window
        self.profile = portrait(self.history, instant, self.shop)
        before, self.measure = self.measure, measure_of(self.profile, self.shop)
        if self.measure != before:
            self.measures.append((offset, self.measure))
        changes = self._move(now, cause)
        self.due_known = False
        first, last = self.profile.first_order_at, self.profile.last_order_at
        self.left = self.left or leaving
        self.stirred = self.stirred or leaving or instant in turning_points(first, last, self.shop.bounds)
        if cause == "time" and not (leaving or changes or now in self.desk.due()):
            return  # nobody told the trigger engine
        self.spoken = True
        at, whole = max(now, self.desk.now), self.sight.whole
        self.desk.step(
            Step(at, as_of, self.profile, self.segments, whole=whole, changes=changes, taken=taken, visible=visible)
        )

    def _move(self, now: int, cause: Cause) -> tuple[Moved, ...]:
        """Where he stands now; returns the changes that took him there."""
        old, bounds = self.segments, self.shop.bounds
        score = self._score()
        epoch = self.cuts.published.epoch if self.cuts else 0
        self.segments = Segments(
            lifecycle=stage(now, self.profile.first_order_at, self.profile.last_order_at, bounds),
            sleep_warning=warned(now, self.profile.last_order_at, bounds),
            r=score.r,
            f=score.f,
            m=score.m,
            rfm=score.rfm,
            cuts=epoch if score.r else 0,
        )
        compared = (
            ("lifecycle", old.lifecycle, self.segments.lifecycle),
            ("sleep_warning", YES_NO[old.sleep_warning], YES_NO[self.segments.sleep_warning]),
            ("rfm", old.rfm, self.segments.rfm),
        )
        moved = [(dimension, before, after) for dimension, before, after in compared if before != after]
        first = len(self.changes) + 1
        changes = tuple(
            Moved(seq, *move, effective_at=now, cause=cause, cuts=epoch) for seq, move in enumerate(moved, first)
        )
        self.changes += changes
        return changes
