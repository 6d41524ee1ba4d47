"""The log folded customer by customer, each life from its first record to its last; knows the oracle's other parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from deploy.oracle.acceptance import Taken, take
from deploy.oracle.answers import Answer, CustomerAnswer, Moved
from deploy.oracle.browsing import visible_times
from deploy.oracle.lifecycle import stage, turning_points, warned
from deploy.oracle.log import CutsTold, PartitionLog, PolicyTold, SourceTold, read_partition
from deploy.oracle.portrait import History, portrait
from deploy.oracle.reader import LogRecord
from deploy.oracle.rfm import Measure, Score, measure_of, score_of
from deploy.oracle.triggers import Desk, Step
from shared.chain import NEVER, Cause, Profile, Segments
from shared.events import ProductViewed
from shared.shop import Shop

YES_NO = {True: "yes", False: "no"}


def fold_log(records: Mapping[int, Sequence[LogRecord]], shop: Shop, *, epoch_ms: int, scenario: bool) -> Answer:
    """The answer for customer-events-v1, given as the records of each partition in offset order.

    `scenario` says whether the stack ran with the scenario setting.
    """
    logs = [read_partition(number, part, scenario=scenario) for number, part in records.items()]
    return Answer(
        customers={customer: _live(customer, log, shop, scenario=scenario) for log in logs for customer in log.facts},
        partitions={customer: log.partition for log in logs for customer in log.facts},
        epochs={log.partition: log.epochs(epoch_ms) for log in logs},
        published=tuple(cuts for log in logs for cuts in log.published),
        places={
            (log.partition, told.offset): told.fact.id for log in logs for facts in log.facts.values() for told in facts
        },
        dead=tuple(place for log in logs for place in log.dead),
        handovers=tuple(place for log in logs for place in log.handovers),
    )


def _live(customer: str, log: PartitionLog, shop: Shop, *, scenario: bool) -> CustomerAnswer:
    taken = take(log.facts[customer], scenario=scenario)
    visible = _visible(taken)
    life = _Life(customer, log, shop)
    story: list[tuple[int, Taken | CutsTold | PolicyTold | SourceTold]] = [(one.told.offset, one) for one in taken]
    story += [(cuts.offset, cuts) for cuts in log.cuts]
    story += [(policy.offset, policy) for policy in log.policies]
    story += [(source.offset, source) for source in log.sources]
    for offset, event in sorted(story, key=lambda chapter: chapter[0]):
        life.pass_time(offset)
        if isinstance(event, Taken):
            life.hear(event, visible.get(offset, (0, 0)))
        elif isinstance(event, CutsTold):
            life.be_ranked(event)
        elif isinstance(event, PolicyTold):
            life.obey(event)
        else:
            life.hear_of(event)
    life.pass_time(NEVER)
    return life.answer(taken)


def _visible(taken: Sequence[Taken]) -> dict[int, tuple[int, int]]:
    """By offset of the beat; an erasure begins anew."""
    visible: dict[int, tuple[int, int]] = {}
    beats: list[tuple[int, str, int]] = []
    for one in [*taken, None]:
        if one is None or one.erased:
            times = visible_times((product, at) for _, product, at in beats)
            visible |= {offset: seen for (offset, _, _), seen in zip(beats, times, strict=True)}
            beats = []
        elif isinstance(one.fact, ProductViewed) and one.fate == "applied":
            beats.append((one.told.offset, one.fact.product, one.at))
    return visible


class _Life:
    """One customer between two records."""

    def __init__(self, customer: str, log: PartitionLog, shop: Shop) -> None:
        self.customer, self.log, self.shop = customer, log, shop
        self.now = 0
        self.steps = 0
        self.history = History()
        self.profile = Profile()
        self.segments = Segments()
        self.cuts: CutsTold | None = None
        self.changes: list[Moved] = []
        self.measure: Measure | None = None
        self.measures: list[tuple[int, Measure | None]] = []
        self.desk = Desk(customer, shop)
        self.due: int | None = None
        self.due_known = True

    def pass_time(self, offset: int) -> None:
        """Take the ticks below `offset`, but only those at which something is due."""
        while (due := self._next_due()) is not None:
            tick = self.log.tick_reaching(due)
            if tick is None or tick[0] > offset:
                return
            self._take_due(up_to=tick[1], as_of=tick[1], offset=tick[0])

    def hear(self, taken: Taken, visible: tuple[int, int]) -> None:
        """A fact, after everything that was due before its instant."""
        if not taken.quiet:
            self._take_due(up_to=taken.instant - 1, as_of=taken.instant, offset=taken.told.offset)
        self.history.add(taken)
        if not taken.quiet:
            self._step(taken.instant, taken.instant, taken.told.offset, cause=taken.cause, taken=taken, visible=visible)

    def be_ranked(self, told: CutsTold) -> None:
        """Cuts come into force; he is stepped only if they move him."""
        self.cuts = told
        score = self._score()
        if score != Score(self.segments.r, self.segments.f, self.segments.m, self.segments.rfm):
            now = max(self.now, told.clock)
            self._step(now, now, told.offset, cause="cuts")

    def obey(self, told: PolicyTold) -> None:
        """A policy comes into force."""
        self.desk.adopt(told, whole=self._whole())
        self.due_known = False

    def hear_of(self, told: SourceTold) -> None:
        """A source has told everything up to some instant."""
        self.desk.hear_of(told, whole=self._whole())
        self.due_known = False

    def answer(self, taken: Sequence[Taken]) -> CustomerAnswer:
        fates: dict[str, Counter[str]] = {}
        for one in taken:
            fates.setdefault(one.fact.id, Counter())[one.fate] += 1
        return CustomerAnswer(
            steps=self.steps,
            profile=self.profile,
            segments=self.segments,
            changes=tuple(self.changes),
            commands=tuple(self.desk.commands),
            silences=tuple(self.desk.silence.told),
            decisions=tuple(self.desk.decisions),
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
        self.now = now
        self.steps += 1
        self.profile = portrait(self.customer, self.history, now, self.shop)
        before, self.measure = self.measure, measure_of(self.profile, self.shop)
        if self.measure != before:
            self.measures.append((offset, self.measure))
        changes = self._move(now, cause)
        self.due_known = False
        self.desk.step(
            Step(now, as_of, self.profile, whole=self._whole(), changes=changes, taken=taken, visible=visible)
        )

    def _whole(self) -> bool:
        return self.history.aliases <= {self.customer}

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
