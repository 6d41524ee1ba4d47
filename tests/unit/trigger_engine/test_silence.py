"""What the notifier is told of refusals and erasures, and what an erased person's candidates end as."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.trigger_engine.fold import TriggerFold
from services.trigger_engine.state import State
from shared.contract.broadcasts import PolicyPublished
from shared.contract.bundles import Consent, Happened, Profile, Segments, SegmentStep, SegmentsUpdated
from shared.contract.commands import Allow, SendMessage, Suppress
from shared.contract.origin import Origin
from shared.contract.public_records import CandidateDecided
from shared.engine.fold.fold import Context
from shared.shop import Shop
from tests.unit.trigger_engine.story import NOON, ORDERED, order, policy, rule

HOUR = 3_600_000
YES, NO = Consent(granted=True, at=NOON), Consent(granted=False, at=NOON)


class Told:
    """A customer, bundle by bundle; what is said of him."""

    def __init__(self, *, behaviour: int = 3) -> None:
        self.fold = TriggerFold(Shop())
        self.state, self.offset = State(), 0
        document = policy(rule("thanks", ORDERED, "sms"), behaviour=behaviour)
        self.fold.adopt(PolicyPublished(1, document), NOON - HOUR)

    def hear(self, at: int, *happened: Happened, **profile: Any) -> list[Any]:
        known = Profile(contacts={"phone": "c"}, guide="g", **profile)
        step = SegmentStep(at=at, cause="event", profile=known, segments=Segments(), happened=happened)
        self.offset += 1
        origin = Origin(1, 0, self.offset)
        context = Context("c", "c", at, at, origin)
        outcome = self.fold.on_record(self.state, SegmentsUpdated(origin=origin, as_of=at, steps=(step,)), context)
        assert outcome is not None
        self.state = outcome.state
        return [output.value for output in outcome.outputs]


def test_a_refusal_and_its_end_are_told_once_each() -> None:
    customer = Told()
    assert customer.hear(NOON, consents={"sms/marketing": YES}) == []
    told = customer.hear(NOON + 1, consents={"sms/marketing": NO, "all/service": NO})
    assert [(one.channel, one.purpose, one.reason, one.number) for one in told] == [
        ("all", "service", "consent", 1),
        ("sms", "marketing", "consent", 2),
    ]
    assert customer.hear(NOON + 2, consents={"sms/marketing": NO, "all/service": NO}) == []
    (back,) = customer.hear(NOON + 3, consents={"sms/marketing": YES, "all/service": NO})
    assert back == Allow(customer="c", channel="sms", purpose="marketing", decided_at=NOON + 3, number=3)


def test_a_policy_of_the_first_behaviour_tells_of_erasures_alone() -> None:
    customer = Told(behaviour=1)
    assert customer.hear(NOON, consents={"sms/marketing": NO}) == []
    (told,) = customer.hear(NOON + 1, consents={}, erased=NOON)
    assert (told.channel, told.purpose, told.reason, told.erased) == ("all", "all", "erased", NOON)


def test_the_policy_that_tells_of_consents_tells_of_those_that_stand() -> None:
    customer = Told(behaviour=1)
    customer.hear(NOON, consents={"email/marketing": NO})
    newer = PolicyPublished(2, policy(rule("thanks", ORDERED, "sms"), version=2, behaviour=3))
    customer.fold.adopt(newer, NOON + 5)
    outcome = customer.fold.on_broadcast(customer.state, newer, Context("c", "c", NOON + 5, 0, Origin(1, 0, 9)))
    assert outcome is not None
    (told,) = (output.value for output in outcome.outputs)
    assert isinstance(told, Suppress)
    assert (told.channel, told.decided_at) == ("email", NOON + 5)


def test_new_ids_of_a_person_hear_all_that_was_told() -> None:
    customer = Told()
    customer.hear(NOON, consents={"sms/marketing": NO})
    (told,) = customer.hear(NOON + 1, consents={"sms/marketing": NO}, ids=("b",))
    assert (told.ids, told.number) == (("b",), 2)


def test_an_erased_person_is_silent_until_something_is_consented_to() -> None:
    customer = Told()
    customer.hear(NOON, consents={"sms/marketing": YES})
    assert isinstance(customer.hear(NOON + 1, consents={}, erased=NOON + 1)[0], Suppress)

    (skipped,) = customer.hear(NOON + 2, order("o", NOON + 2), consents={}, erased=NOON + 1)
    assert (skipped.verdict, skipped.reason) == ("skip", "erased")
    yes = {"sms/marketing": Consent(granted=True, at=NOON + 3)}
    assert [type(one) for one in customer.hear(NOON + 3, consents=yes, erased=NOON + 1)] == [Allow]
    sent = customer.hear(NOON + 4, order("p", NOON + 4), consents=yes, erased=NOON + 1)
    assert [type(one) for one in sent] == [SendMessage, CandidateDecided]
    assert sent[1].gates[0].name == "erased"


def test_what_began_before_the_erasure_never_goes() -> None:
    customer = Told()
    yes = {"sms/marketing": Consent(granted=True, at=NOON + 3)}
    told = customer.hear(NOON + 4, order("late", NOON), consents=yes, erased=NOON + 1)
    assert [one.reason for one in told if isinstance(one, CandidateDecided)] == ["erased"]


def test_a_state_written_before_silence_was_told_is_read() -> None:
    state = State(now=5, served=(1, 2), baseline=3)
    rows = msgspec.to_builtins(state)
    rows[1] = rows[1][:-2]

    assert TriggerFold(Shop()).upgrade(1, msgspec.msgpack.encode(rows[:-3])) == state
    with pytest.raises(ValueError, match="3 is unknown"):
        TriggerFold(Shop()).upgrade(3, b"")
