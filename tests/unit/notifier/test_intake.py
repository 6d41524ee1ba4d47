"""Records of the notifier's topics, sorted into what to write; what cannot be read is buried and the rest goes on."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec
import pytest

from services.notifier.addresses import UNDATED, Told
from services.notifier.intake import read_batch
from shared.contract.codec import cloud_event, encode
from shared.contract.commands import CancelMessage, OutreachCommand, SendMessage
from shared.contract.contact_points import ContactPoint
from shared.contract.dead_letters import DeadLetter
from shared.contract.topics import CONTACT_POINTS, OUTREACH_COMMANDS, PROVIDER_RECEIPTS, ROLL_KEY

AT = 1_750_000_000_000


class Line(msgspec.Struct):
    """A Kafka record as far as the intake looks at it."""

    topic: str
    value: bytes | None
    offset: int = 0
    key: bytes | None = b"u1"
    partition: int = 0
    timestamp: int = 77
    headers: Sequence[tuple[str, bytes]] = ()


def _command(command_id: str = "c1", *, decided_at: int = 2, rule: str = "r1", send_by: int = 3) -> SendMessage:
    return SendMessage(
        command_id=command_id,
        customer="u1",
        rule=rule,
        trigger_key="k1",
        channel="sms",
        purpose="marketing",
        template="t",
        effective_at=1,
        decided_at=decided_at,
        send_by=send_by,
        policy=1,
    )


def _seal(alias: str, field: str, value: bytes) -> bytes:
    return f"{alias}|{field}|".encode() + value[::-1]


def _commands(*records: OutreachCommand) -> list[Line]:
    return [Line(OUTREACH_COMMANDS.name, encode(each), offset) for offset, each in enumerate(records)]


def test_commands_are_kept_once_with_their_bytes_and_the_largest_logical_time() -> None:
    first, second = _command("c1", decided_at=5), _command("c2", decided_at=4)

    batch = read_batch(_commands(first, second, first), _seal)

    assert batch.commands == {"c1": (first, encode(first)), "c2": (second, encode(second))}
    assert batch.logical_now == 5
    assert batch.positions == {(OUTREACH_COMMANDS.name, 0): 3}


def test_a_cancellation_is_kept_beside_its_command() -> None:
    cancel = CancelMessage(command_id="c1", customer="u1", reason="repurchase", decided_at=8)

    batch = read_batch(_commands(_command("c1"), cancel), _seal)

    assert list(batch.commands) == ["c1"]
    assert batch.cancellations == {"c1": cancel}
    assert batch.logical_now == 8


def test_addresses_are_kept_in_order_and_a_null_carries_the_instant_that_it_reaches() -> None:
    """T10: the header `ce_time`; without one, or with one that cannot be read, a null is undated."""
    point = ContactPoint("u1", "phone", "s1", AT)
    dated = cloud_event("contact.point", id="e", source="huitou/profile", at=AT)
    nulls = [dated, (), [("ce_time", b"yesterday")]]

    batch = read_batch(
        [
            Line(CONTACT_POINTS.name, encode(point), 7, b"u1/phone", partition=3),
            *(Line(CONTACT_POINTS.name, None, 8, b"u1/phone", headers=headers) for headers in nulls),
        ],
        _seal,
    )

    assert batch.addresses[0] == Told(key="u1/phone", at=AT, point=point, where=(3, 7))
    assert [(each.at, each.point) for each in batch.addresses[1:]] == [(AT, None), (UNDATED, None), (UNDATED, None)]


def test_t8_a_roll_record_is_nothing_but_read() -> None:
    """T8: its position counts."""
    batch = read_batch([Line(CONTACT_POINTS.name, None, 4, ROLL_KEY)], _seal)

    assert (batch.addresses, batch.dead, batch.positions) == ([], [], {(CONTACT_POINTS.name, 0): 5})


def test_receipts_are_kept_in_order() -> None:
    line = {"provider": "aliyun", "ref": "p1", "command_id": "c1", "status": "delivered", "more": 1}

    batch = read_batch([Line(PROVIDER_RECEIPTS.name, encode(line))], _seal)

    assert [(each.ref, each.status) for each in batch.receipts] == [("p1", "delivered")]


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        (OUTREACH_COMMANDS.name, b"{", "DecodeError"),
        (OUTREACH_COMMANDS.name, None, "DecodeError"),
        (OUTREACH_COMMANDS.name, b'"\xff"', "Error"),
        (OUTREACH_COMMANDS.name, b'{"type":"order","command_id":"c1"}', "ValidationError"),
        (OUTREACH_COMMANDS.name, encode(_command(rule="a\0b")), "NUL"),
        (OUTREACH_COMMANDS.name, encode(_command(send_by=2**64 - 1)), "send_by"),
        (OUTREACH_COMMANDS.name, encode(_command(decided_at=-1)), "decided_at"),
        (CONTACT_POINTS.name, b"[]", "ValidationError"),
        (CONTACT_POINTS.name, encode(ContactPoint("u1", "phone", "s", 2**62)), "at"),
        (PROVIDER_RECEIPTS.name, encode({"provider": "p", "ref": "r", "status": "read"}), "status"),
        (PROVIDER_RECEIPTS.name, encode({"provider": "p", "status": "delivered"}), "ref"),
    ],
)
def test_what_cannot_be_read_or_stored_is_buried_sealed_and_the_next_is_taken(
    topic: str, value: bytes | None, reason: str
) -> None:
    batch = read_batch([Line(topic, value, 6), Line(OUTREACH_COMMANDS.name, encode(_command("good")), 7)], _seal)

    assert list(batch.commands) == ["good"]
    (dead,) = batch.dead
    letter = msgspec.json.decode(dead.value or b"", type=DeadLetter)
    assert (letter.topic, letter.offset, letter.customer, letter.arrived) == (topic, 6, "u1", 77)
    assert reason in letter.reason
    assert base64.b64decode(letter.sealed) == _seal("dead-letter", f"{topic}/0/6", value or b"")
    assert batch.positions[topic, 0] == (8 if topic == OUTREACH_COMMANDS.name else 7)


def test_the_reason_of_a_dead_letter_quotes_nothing_of_the_record() -> None:
    batch = read_batch([Line(OUTREACH_COMMANDS.name, b'{"type":"it\'s 13800138000"}')], _seal)

    assert "138" not in msgspec.json.decode(batch.dead[0].value or b"", type=DeadLetter).reason
