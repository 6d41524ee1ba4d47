"""What the notifier tells the others when a command reaches a state."""

from __future__ import annotations

import msgspec
import pytest

from services.notifier.facts import Publication, reports
from services.notifier.state import State
from shared.contract.codec import decode_front
from shared.contract.commands import SendMessage
from shared.contract.facts import MessageReported
from shared.contract.public_records import DeliveryDecided
from shared.ids import derived_id

COMMAND = SendMessage(
    command_id="c1",
    customer="u1",
    rule="r1",
    trigger_key="k1",
    channel="sms",
    purpose="marketing",
    template="t",
    effective_at=1,
    decided_at=2,
    send_by=3,
    policy=1,
)


@pytest.mark.parametrize(
    ("state", "topics"),
    [
        (State.PENDING, []),
        (State.SENDING, []),
        (State.UNKNOWN, []),
        (State.AWAITING_STAFF, []),
        (State.CANCELLED, ["outreach-decisions-v1"]),
        (State.SENT, ["customer-events-v1", "outreach-decisions-v1"]),
        (State.ASSUMED_SENT, ["customer-events-v1", "outreach-decisions-v1"]),
        (State.DELIVERED, ["customer-events-v1", "outreach-decisions-v1"]),
        (State.FAILED, ["customer-events-v1", "outreach-decisions-v1"]),
        (State.EXPIRED, ["customer-events-v1", "outreach-decisions-v1"]),
        (State.SUPPRESSED, ["customer-events-v1", "outreach-decisions-v1"]),
        (State.ABANDONED, ["customer-events-v1", "outreach-decisions-v1"]),
    ],
)
def test_each_state_is_told_where_it_matters(state: State, topics: list[str]) -> None:
    assert [each.topic for each in reports(COMMAND, state, "", 9)] == topics


def test_a_message_fact_is_keyed_by_customer_and_has_the_id_of_command_and_status() -> None:
    fact, decided = reports(COMMAND, State.FAILED, "no-address", 9)

    expected = MessageReported(
        id=derived_id("message", "c1", "failed"),
        at=9,
        source="huitou/notifier",
        command_id="c1",
        rule="r1",
        channel="sms",
        status="failed",
        reason="no-address",
    )
    assert (fact.key, fact.event_id, decode_front(fact.value or b"")) == ("u1", expected.id, expected)
    assert _decided(decided) == DeliveryDecided(
        id=derived_id("delivery", "c1", "failed"),
        command_id="c1",
        customer="u1",
        rule="r1",
        channel="sms",
        state="failed",
        reason="no-address",
        at=9,
    )


def test_the_same_state_again_gives_the_same_records() -> None:
    assert reports(COMMAND, State.SENT, "", 9) == reports(COMMAND, State.SENT, "", 9)


def _decided(publication: Publication) -> DeliveryDecided:
    return msgspec.json.decode(publication.value or b"", type=DeliveryDecided)
