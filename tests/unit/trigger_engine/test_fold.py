"""The trigger engine as the stream engine sees it: topics, headers, due instants, recovery, hand-over."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from services.trigger_engine.fold import TriggerFold
from services.trigger_engine.state import Candidate, State
from shared.contract.broadcasts import Cuts, CutsPublished, PolicyPublished, SourceCompleted, Tick
from shared.contract.bundles import Segments, SegmentsUpdated
from shared.contract.codec import encode
from shared.contract.identity import Fragment
from shared.contract.origin import NEVER, Origin
from shared.contract.topics import OUTREACH_COMMANDS, OUTREACH_DECISIONS
from shared.engine.fold.fold import Context, Fold
from shared.shop import Shop
from tests.unit.trigger_engine.story import (
    BROWSED,
    DAY,
    HOUR,
    NOON,
    ORDERED,
    REMINDER,
    SILENT,
    Story,
    beat,
    entered,
    order,
    policy,
    rule,
)

DUE = NOON + 30 * DAY + 1
WHERE = Context("c", "c", NOON, NOON, Origin(1, 0, 1))
CUTS = CutsPublished(1, "d", Cuts((), (), ()), 0)


def test_it_satisfies_the_contract_of_a_fold() -> None:
    fold: Fold[State] = TriggerFold(Shop())

    assert fold.empty() == State()
    assert fold.row(fold.empty()) == (0,)
    assert fold.output is None
    assert not fold.closes_batch(0, Tick(NOON))
    assert fold.after_tick(0, Tick(NOON), {}) == ()


def test_a_state_written_before_anything_could_be_held_is_read() -> None:
    waits = Candidate("r", "k", 5, until=7)
    written = msgspec.to_builtins(State(now=3, waiting=(waits,)))
    old = msgspec.msgpack.encode([*written[:3], [written[3][0][:-1]], *written[4:]])

    assert msgspec.msgpack.decode(old, type=State) == State(now=3, waiting=(waits,))


def test_who_has_something_held_is_seen_in_the_columns() -> None:
    fold = TriggerFold(Shop())
    held = State(waiting=(Candidate("r", "k", 5), Candidate("r", "l", 5, until=9, held=True)))
    columns = {"live": np.array([True, True, False]), "held": np.array([1, 0, 1], np.int8)}

    assert fold.row(held) == (1,)
    assert fold.touched(SourceCompleted("pos", 5), columns).tolist() == [0]


@pytest.mark.parametrize(
    "record",
    [
        SegmentsUpdated(origin=Origin(1, 2, 3), as_of=5),
        Tick(5, origin=Origin(1, 2, 3)),
        CUTS,
        PolicyPublished(1, policy(), origin=Origin(1, 2, 3)),
        SourceCompleted("pos", 7, Origin(1, 2, 3)),
        Fragment("c", Origin(1, 2, 3), {}, b"x"),
    ],
    ids=lambda record: type(record).__name__,
)
def test_it_reads_every_record_of_its_topic(record: msgspec.Struct) -> None:
    assert TriggerFold(Shop()).records(encode(record)) == record


def test_commands_and_decisions_go_to_their_topics_under_the_customer_with_what_their_headers_say() -> None:
    story = Story(rule("offer", ORDERED))
    bundle = SegmentsUpdated(
        origin=Origin(1, 0, 1), as_of=NOON, steps=(story.step(NOON, order("o1", NOON), orders=1, last_order_at=NOON),)
    )

    outcome = story.fold.on_record(story.state, bundle, WHERE)

    assert outcome is not None
    assert [output.topic for output in outcome.outputs] == [OUTREACH_COMMANDS.name, OUTREACH_DECISIONS.name]
    assert {output.key for output in outcome.outputs} == {"c"}
    for output, kind in zip(outcome.outputs, ("send", "candidate.decided"), strict=True):
        assert output.event is not None
        assert (output.event.tag, output.event.at) == (kind, NOON)
        assert output.event.id == (getattr(output.value, "command_id", None) or getattr(output.value, "id", None))
        assert output.event.once is (kind == "send")
    assert outcome.steps is None
    assert outcome.as_of == NOON


def test_the_due_instant_is_the_first_of_all_timers_and_all_that_waits() -> None:
    story = Story(rule("reminder", REMINDER), rule("browse", BROWSED), rule("recall", SILENT), quiet_hours=None)
    assert story.state.timers == ()

    story.buys(NOON)
    assert story.due == DUE
    story.happens(NOON + HOUR, beat("p", NOON + HOUR))
    assert story.due == NOON + HOUR + DAY
    story.rules(policy(rule("recall", SILENT), version=2, quiet_hours={"start": "11:00", "end": "10:00"}))
    assert story.due == NEVER
    story.happens(NOON + 2 * HOUR, changes=(entered("lifecycle", "silent", NOON + 2 * HOUR),))
    assert story.due == NOON + 22 * HOUR


def test_a_policy_concerns_everybody_who_lives_here_and_cuts_nobody() -> None:
    fold, columns = TriggerFold(Shop()), {"live": np.array([True, False, True])}

    assert fold.touched(PolicyPublished(1, policy()), columns).tolist() == [0, 2]
    assert fold.touched(CUTS, columns).tolist() == []


def test_a_customer_to_whom_a_policy_means_nothing_is_not_written_again() -> None:
    fold, published = TriggerFold(Shop()), PolicyPublished(1, policy(rule("recall", SILENT)))
    fold.adopt(published, NOON)

    assert fold.on_broadcast(State(now=NOON), published, WHERE) is None


def test_adopting_again_at_recovery_gives_the_same_timers() -> None:
    story = Story(clock=NOON)
    story.rules(policy(rule("reminder", REMINDER)))
    recovered = TriggerFold(Shop())
    recovered.adopt(PolicyPublished(1, policy(rule("reminder", REMINDER))), NOON)

    late = NOON - 30 * DAY - 1
    step = story.step(late, orders=1, last_order_at=late, last_order_id="o1")
    bundle = SegmentsUpdated(origin=Origin(1, 0, 9), as_of=late, steps=(step,))
    outcomes = [fold.on_record(State(), bundle, WHERE) for fold in (story.fold, recovered)]

    assert outcomes[0] == outcomes[1]
    assert outcomes[0] is not None
    assert outcomes[0].due == NEVER, "the instant is that of the activation, not above it"


@pytest.mark.parametrize(
    ("number", "document", "message"),
    [
        (2, policy(), "version: is 1, but it was published as 2"),
        (1, policy(rule("x", SILENT | {"to": "gone"})), "when.to: 'gone'"),
        (1, {"version": 1}, "missing required field `rules`"),
    ],
)
def test_a_broken_policy_is_refused_and_the_one_in_force_stays(
    number: int, document: dict[str, object], message: str
) -> None:
    story = Story(rule("recall", SILENT))

    with pytest.raises(ValueError, match="policy: ") as refused:
        story.fold.adopt(PolicyPublished(number, document), NOON)

    assert message in str(refused.value)
    story.happens(NOON, changes=(entered("lifecycle", "silent", NOON),))
    assert story.verdicts() == [("recall", "send", "sent")]


def test_only_the_gates_against_imports_can_be_switched_off() -> None:
    with pytest.raises(ValueError, match="gates_off: consent cannot be switched off, only age, expired, import"):
        TriggerFold(Shop(), gates_off=frozenset({"consent", "age"}))


def test_an_unknown_schema_is_refused_and_the_own_one_read() -> None:
    fold = TriggerFold(Shop())

    assert fold.upgrade(1, msgspec.msgpack.encode(State(now=5))) == State(now=5)
    with pytest.raises(ValueError, match="schema: 9 is unknown"):
        fold.upgrade(9, b"")


def test_the_stronger_id_takes_over_ledger_uses_and_what_waits() -> None:
    caps = [{"count": 1, "hours": 48}]
    rules = rule("offer", ORDERED), rule("browse", BROWSED), rule("recall", SILENT, value=200)
    weak, strong = (Story(*rules, caps=caps, customer=name) for name in ("weak", "strong"))
    weak.buys(NOON, "o1")
    weak.buys(NOON + HOUR, "o2")
    weak.happens(NOON + HOUR, beat("p", NOON + HOUR, name="b"))
    assert [decided.verdict for decided in weak.decisions] == ["send", "defer"]

    left, body = weak.fold.surrender(weak.state)
    where = Context("strong", "strong", NOON + 2 * HOUR, 0, Origin(1, 0, 50))
    strong.take(strong.fold.absorb(strong.state, body, where))
    strong.buys(NOON + 3 * HOUR, "o1")
    strong.tick(NOON + 48 * HOUR)

    assert (left.served, left.uses, left.waiting, left.timers) == ((), (), (), ())
    assert [(d.trigger_key, d.reason) for d in strong.decisions] == [("o1", "served"), ("o2", "sent")]


def test_what_half_a_person_waited_for_is_decided_as_soon_as_the_other_half_has_come() -> None:
    weak, strong = (Story(rule("recall", SILENT), customer=name) for name in ("weak", "strong"))
    strong.segments = Segments(lifecycle="silent")
    strong.happens(NOON, changes=(entered("lifecycle", "silent", NOON),), whole=False)
    _, body = weak.fold.surrender(weak.state)

    where = Context("strong", "strong", NOON + HOUR, 0, Origin(1, 0, 50))
    strong.take(strong.fold.absorb(strong.state, body, where))

    assert [decided.reason for decided in strong.decisions] == ["half-person", "sent"]
    assert strong.last().decided_at == NOON + HOUR
