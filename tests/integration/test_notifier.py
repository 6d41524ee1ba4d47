"""The notifier process from a command on the broker to the facts that come back, with real neighbours."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from shared import clock
from shared.contract.codec import cloud_event, encode
from shared.contract.commands import Allow, CancelMessage, SendMessage, Suppress
from shared.contract.dead_letters import DeadLetter, sealed_field
from shared.contract.facts import CustomerFact, MessageReported
from shared.contract.public_records import CandidateDecided, DeliveryDecided
from shared.contract.topics import (
    CONTACT_POINTS,
    CUSTOMER_EVENTS,
    DEAD_LETTERS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    PROVIDER_RECEIPTS,
)
from shared.ids import derived_id
from shared.kafka.clients import producer
from tests.integration.notifier_house import OPEN, House, make_command, open_house
from tests.oracle.reader import read_topic
from tests.support.stack import fresh_database

pytestmark = pytest.mark.asyncio(loop_scope="session")
UNSETTLED = OPEN | {"sent"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(broker: str, database_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    directory = tmp_path_factory.mktemp("notifier")
    async with fresh_database(database_server) as url, open_house(directory, broker, url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def notifier(house: House) -> AsyncIterator[House]:
    async with house.notifier({"HUITOU_ADDRESS_SECONDS": "1"}):
        yield house


async def test_every_channel_delivers_and_reports_what_became_of_it(notifier: House) -> None:
    commands = [make_command("plain", 1, channel) for channel in ("sms", "email", "wecom", "staff_task")]

    await notifier.order(commands)
    states = await notifier.until(commands, OPEN, seconds=20)

    assert states == {"sent": 3, "delivered": 1}
    facts = await _facts(notifier, commands)
    assert {(each.command_id, each.status) for each in facts} == {
        (each.command_id, "delivered" if each.channel == "wecom" else "sent") for each in commands
    }
    assert {each.id for each in facts} == {derived_id("message", each.command_id, each.status) for each in facts}
    assert notifier.sandbox.sandbox.log.find("sms", commands[0].command_id)[0].to == _number(notifier, commands[0])


async def test_a_command_read_twice_or_long_after_its_row_was_removed_goes_once(notifier: House) -> None:
    command = make_command("again", 1, "sms")
    await notifier.order([command, command])
    await notifier.until([command], OPEN, seconds=20)

    await notifier.fetch("DELETE FROM notifier.outbox WHERE command_id = $1", command.command_id)
    await notifier.order([command])
    states = await notifier.until([command], OPEN, seconds=20)

    assert states == {"suppressed": 1}
    assert len(notifier.sandbox.sandbox.log.find("sms", command.command_id)) == 1


async def test_a_receipt_turns_sent_into_delivered_once(notifier: House) -> None:
    command = make_command("receipt", 1, "sms")
    await notifier.order([command])
    await notifier.until([command], OPEN, seconds=20)
    rows = await notifier.fetch("SELECT provider_ref FROM notifier.outbox WHERE command_id = $1", command.command_id)
    by_ref = {"provider": "aliyun", "ref": rows[0]["provider_ref"], "status": "delivered"}
    late = {"provider": "aliyun", "ref": "x", "command_id": command.command_id, "status": "failed", "reason": "late"}

    await notifier.write([(PROVIDER_RECEIPTS.name, "r", msgspec.json.encode(by_ref))])
    states = await notifier.until([command], UNSETTLED, seconds=20)
    await notifier.write([(PROVIDER_RECEIPTS.name, "r", msgspec.json.encode(late))])
    await _applied(notifier, receipts=2)

    assert states == {"delivered": 1}
    assert [each.status for each in await _facts(notifier, [command])] == ["sent", "delivered"]


async def test_what_must_not_go_any_more_does_not_go(notifier: House) -> None:
    late = make_command("stopped", 1, "sms", send_by=1)
    unreachable = make_command("stopped", 2, "sms")
    silenced = make_command("stopped", 3, "sms")
    cancelled = make_command("stopped", 4, "sms")
    erased = make_command("stopped", 5, "email")
    commands = [late, unreachable, silenced, cancelled, erased]
    cancel = CancelMessage(
        command_id=cancelled.command_id, customer=cancelled.customer, reason="repurchase", decided_at=1
    )
    await notifier.fetch("INSERT INTO notifier.suppression VALUES ($1, 'phone', 'opt-out', 0)", silenced.customer)

    await notifier.write([(CONTACT_POINTS.name, erased.alias, encode(notifier.contact(erased)))])
    await notifier.write([(CONTACT_POINTS.name, erased.alias, None)])
    await notifier.write([(OUTREACH_COMMANDS.name, cancelled.customer, encode(cancel))])
    await notifier.order([late, silenced, cancelled])
    await notifier.write([(OUTREACH_COMMANDS.name, each.customer, encode(each)) for each in (unreachable, erased)])
    await notifier.until(commands, OPEN, seconds=20)

    decided = {each.command_id: (each.state, each.reason) for each in await _decisions(notifier, commands)}
    assert decided == {
        late.command_id: ("expired", "send-by"),
        unreachable.command_id: ("failed", "no-address"),
        silenced.command_id: ("suppressed", "opt-out"),
        cancelled.command_id: ("cancelled", "repurchase"),
        erased.command_id: ("failed", "no-address"),
    }
    assert {each.status for each in await _facts(notifier, [cancelled])} == set()


async def test_the_latest_decided_silence_holds_and_ends_what_waits(notifier: House) -> None:
    silenced, allowed = make_command("silence", 1, "sms"), make_command("silence", 2, "sms")
    by = {"channel": "sms", "purpose": "marketing"}
    stop = Suppress(customer=silenced.customer, **by, reason="consent", decided_at=5, number=1)  # type: ignore[arg-type]
    go = Allow(customer=allowed.customer, **by, decided_at=6, number=2)  # type: ignore[arg-type]
    old = Suppress(customer=allowed.customer, **by, reason="consent", decided_at=6, number=1)  # type: ignore[arg-type]

    for told in (stop, go, old):
        await notifier.write([(OUTREACH_COMMANDS.name, told.customer, encode(told))])
        await asyncio.sleep(0.3)  # one transaction each
    await notifier.order([silenced, allowed])
    await notifier.until([silenced, allowed], OPEN, seconds=20)

    decided = {each.command_id: (each.state, each.reason) for each in await _decisions(notifier, [silenced, allowed])}
    assert decided[silenced.command_id] == ("suppressed", "consent")
    assert decided[allowed.command_id][0] == "sent"


async def test_who_was_erased_is_forgotten_and_what_comes_again_from_before_is_not_kept(notifier: House) -> None:
    gone, again = make_command("erased", 1, "email"), make_command("erased", 2, "email")
    gone = msgspec.structs.replace(gone, variables={"days": 3, "name": "x"})
    await notifier.order([gone])
    await notifier.until([gone], OPEN, seconds=20)
    erased = Suppress(
        customer=gone.customer, ids=(again.customer,), channel="all", purpose="all", reason="erased",
        erased=clock.now_ms(), decided_at=clock.now_ms(), number=1,
    )  # fmt: skip

    await notifier.write([(OUTREACH_COMMANDS.name, gone.customer, encode(erased))])
    await asyncio.sleep(0.5)
    await notifier.order([gone, again])
    await notifier.until([gone, again], OPEN, seconds=20)

    assert await notifier.states([gone, again]) == {"sent": 1, "cancelled": 1}
    both = [gone.customer, again.customer]
    assert await notifier.fetch("SELECT 1 FROM notifier.contact_point WHERE alias = ANY($1)", both) == []
    rows = await notifier.fetch("SELECT payload, provider_ref FROM notifier.outbox WHERE customer = ANY($1)", both)
    assert [(b"variables" in row["payload"], row["provider_ref"]) for row in rows] == [(False, None), (False, None)]
    assert len(await notifier.fetch("SELECT 1 FROM notifier.send_ledger WHERE customer = ANY($1)", both)) == 1


async def test_t10_what_is_told_late_takes_no_newer_address_and_the_topic_ends_with_the_right_one(
    notifier: House,
) -> None:
    """T10: an erasure's null lands behind an address given since, and then an old event is sent once more."""
    command, erased = make_command("late", 1, "sms"), clock.now_ms() - 1_000
    key, point = f"{command.alias}/{command.field}".encode(), notifier.contact(command)
    newer = encode(msgspec.structs.replace(point, at=erased + 1))
    old = encode(msgspec.structs.replace(point, sealed="old", at=erased - 1))
    null = cloud_event("contact.point", id="e", source="huitou/profile", at=erased)

    async with producer(notifier.kafka) as client:
        await client.send_and_wait(CONTACT_POINTS.name, newer, key)
        for late, headers in ((None, null), (old, [])):
            await client.send_and_wait(CONTACT_POINTS.name, late, key, headers=headers)
            await _ends_with(notifier, key, newer)
    await notifier.write([(OUTREACH_COMMANDS.name, command.customer, encode(command))])

    assert await notifier.until([command], OPEN, seconds=20) == {"sent": 1}
    await notifier.until_published()
    assert len(await _points(notifier, key)) == 5, "what is told again is answered once more"


async def test_a_kill_switch_holds_commands_until_a_person_removes_it(notifier: House) -> None:
    await notifier.fetch("INSERT INTO notifier.kill_switch VALUES ('channel:sms', 'by hand', 0)")
    held, other = make_command("switch", 1, "sms"), make_command("switch", 2, "staff_task")

    await notifier.order([held, other])
    await notifier.until([other], OPEN, seconds=20)
    while_off = await notifier.states([held])
    await notifier.fetch("DELETE FROM notifier.kill_switch")
    afterwards = await notifier.until([held], OPEN, seconds=20)

    assert while_off == {"pending": 1}
    assert afterwards == {"sent": 1}


async def test_a_record_that_cannot_be_read_becomes_a_sealed_dead_letter_and_the_next_goes(notifier: House) -> None:
    command = make_command("poison", 1, "sms")
    await notifier.write([(OUTREACH_COMMANDS.name, command.customer, b'{"type":"send","customer":"13800138000"}')])

    await notifier.order([command])
    await notifier.until([command], OPEN, seconds=20)
    letters: list[DeadLetter] = await notifier.read(
        DEAD_LETTERS.name, DeadLetter, customers=frozenset({command.customer})
    )

    assert [(each.service, each.topic) for each in letters] == [("notifier", OUTREACH_COMMANDS.name)]
    letter = letters[0]
    assert "command_id" in letter.reason
    assert "13800138000" not in letter.reason
    opened = notifier.keyring.open_bytes(
        "dead-letter",
        sealed_field(letter.topic, letter.partition, letter.offset),
        base64.b64decode(letter.sealed),
    )
    assert opened == b'{"type":"send","customer":"13800138000"}'


async def test_no_address_appears_in_clear_in_logs_database_or_topics(notifier: House) -> None:
    command = make_command("canary", 1, "email")
    await notifier.order([command])
    await notifier.until([command], OPEN, seconds=20)
    address = f"{command.customer}@mail.example"

    payloads = await notifier.fetch("SELECT payload FROM notifier.outbox")
    points = await notifier.fetch("SELECT sealed FROM notifier.contact_point")

    assert [each.to for each in notifier.sandbox.sandbox.log.accepted if each.to == address] == [address]
    assert address not in notifier.log_text()
    assert not [row for row in payloads if address.encode() in row["payload"]]
    assert not [row for row in points if address in row["sealed"]]


async def _points(house: House, key: bytes) -> list[bytes | None]:
    """Values of the key's records on contact-points-v1, in order."""
    return [record.value for record in await read_topic(house.kafka, CONTACT_POINTS.name) if record.key == key]


async def _ends_with(house: House, key: bytes, value: bytes) -> None:
    end = clock.monotonic() + 30
    while (await _points(house, key))[-1] != value:
        assert clock.monotonic() < end, house.log_text()[-3000:]
        await asyncio.sleep(0.1)


async def _applied(house: House, *, receipts: int) -> None:
    """Wait until so many receipts are dealt with."""
    end = clock.monotonic() + 10
    while len(await house.fetch("SELECT 1 FROM notifier.receipt WHERE applied")) < receipts:
        assert clock.monotonic() < end, house.log_text()[-3000:]
        await asyncio.sleep(0.05)


def _number(house: House, command: SendMessage) -> str:
    return house.keyring.open(command.alias, command.field, house.contact(command).sealed).reveal()


async def _facts(house: House, commands: list[SendMessage]) -> list[MessageReported]:
    found = await _published(house, commands, CUSTOMER_EVENTS.name, CustomerFact)
    return [each for each in found if isinstance(each, MessageReported)]


async def _decisions(house: House, commands: list[SendMessage]) -> list[DeliveryDecided]:
    found = await _published(house, commands, OUTREACH_DECISIONS.name, DeliveryDecided | CandidateDecided)
    return [each for each in found if isinstance(each, DeliveryDecided)]


async def _published(house: House, commands: list[SendMessage], topic: str, kind: object) -> list[object]:
    """What stands on the topic about these customers, once nothing waits in the database any more."""
    await house.until_published()
    return await house.read(topic, kind, customers=frozenset(each.customer for each in commands))
