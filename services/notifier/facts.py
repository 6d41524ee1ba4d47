"""What the notifier tells the rest of the product about a command; pure, knows record shapes and topics."""

from __future__ import annotations

import base64
from typing import get_args, get_type_hints

import msgspec

from services.notifier.state import State
from shared.contract.codec import encode
from shared.contract.commands import SendMessage
from shared.contract.dead_letters import DeadLetter
from shared.contract.facts import MessageReported
from shared.contract.public_records import DeliveryDecided
from shared.contract.topics import CUSTOMER_EVENTS, DEAD_LETTERS, OUTREACH_DECISIONS
from shared.ids import derived_id

SOURCE = "huitou/notifier"
REPORTED = frozenset(get_args(get_type_hints(MessageReported)["status"]))
"""States that the trigger engine must hear of: those that a message fact can name."""
DECIDED = frozenset(State) - {State.PENDING, State.SENDING, State.UNKNOWN, State.AWAITING_STAFF}
"""States in which the notifier has made up its mind."""


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A record that waits in the database until the broker has it."""

    topic: str
    key: str
    tag: str
    event_id: str
    at: int
    value: bytes | None
    partition: int | None = None
    """None: that of the key."""


def reports(command: SendMessage, state: State, reason: str, at: int) -> list[Publication]:
    """The records due when a command reaches `state` at the logical instant `at`; the same state gives the same ids."""
    found = []
    if state in REPORTED:
        fact = MessageReported(
            id=derived_id("message", command.command_id, state.value),
            at=at,
            source=SOURCE,
            command_id=command.command_id,
            rule=command.rule,
            channel=command.channel,
            status=state.value,  # type: ignore[arg-type]  # REPORTED holds the literal's words
            reason=reason,
        )
        found.append(_publication(CUSTOMER_EVENTS.name, command.customer, "message.reported", fact))
    if state in DECIDED:
        decided = DeliveryDecided(
            id=derived_id("delivery", command.command_id, state.value),
            command_id=command.command_id,
            customer=command.customer,
            rule=command.rule,
            channel=command.channel,
            state=state.value,
            reason=reason,
            at=at,
        )
        found.append(_publication(OUTREACH_DECISIONS.name, command.customer, "delivery.decided", decided))
    return found


def buried(*, where: tuple[str, int, int], key: str, reason: str, arrived: int, sealed: bytes) -> Publication:
    """A dead letter for the record at `where` (topic, partition, offset)."""
    topic, partition, offset = where
    letter = DeadLetter(
        service="notifier",
        topic=topic,
        partition=partition,
        offset=offset,
        customer=key,
        reason=reason,
        arrived=arrived,
        sealed=base64.b64encode(sealed).decode("ascii"),
    )
    event_id = derived_id("dead-letter", topic, partition, offset)
    return Publication(
        topic=DEAD_LETTERS.name, key=key, tag="dead.letter", event_id=event_id, at=arrived, value=encode(letter)
    )


def _publication(topic: str, key: str, tag: str, record: MessageReported | DeliveryDecided) -> Publication:
    return Publication(topic=topic, key=key, tag=tag, event_id=record.id, at=record.at, value=encode(record))
