"""A person's will on the whole product: an opt-out is in force within seconds; who was erased stays erased, whatever is told again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError

from deploy.create_topics import create
from services.ingest.identifiers import Kind
from shared import clock
from shared.contract import topics
from shared.contract.codec import encode
from shared.contract.identity import Linked
from shared.kafka import clients
from tests.oracle.outputs import snapshots_of
from tests.support.shop_house import CHAIN, ShopHouse
from tests.support.traces import Needles, in_database, in_files, in_topics

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="session")]

PHONE, OTHER, MAIL, NAME = "13977001234", "13977005678", "li.erased@mailbox.example", "李被忘记"
PURPOSES = ("marketing", "service")
WITHIN = 5.0
"""Seconds from the answer to an opt-out until nothing goes any more."""


def event(kind: str, name: str, customer: dict[str, str], **more: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"type": kind, "id": name, "at": at, "customer": customer} | more


def order(name: str, customer: dict[str, str]) -> dict[str, Any]:
    return event("order.placed", f"e-{name}", customer, order_id=name, amount="12.50", currency="CNY")


def consent(
    name: str, customer: dict[str, str], *, granted: bool, channel: str = "sms", purpose: str = "marketing"
) -> dict[str, Any]:
    proof = {"proof": "form 7", "text_version": "sms-terms-3", "operator": "g-017"}
    return event("consent.set", name, customer, channel=channel, purpose=purpose, granted=granted, **proof)


async def test_an_opt_out_is_in_force_within_seconds_and_what_waits_does_not_go(house: ShopHouse) -> None:
    ann = {"member": "M-ANN", "phone": OTHER}
    customer = house.id_of(Kind.MEMBER, "M-ANN")
    await house.rows("INSERT INTO notifier.kill_switch VALUES ('channel:sms', 'test', 0)")
    await house.tell(consent("ann-yes", ann, granted=True), order("ann-1", ann))
    await house.until(lambda: _waits(house, customer))

    began = clock.monotonic()
    said = await house.post(
        "/api/v1/replies",
        {"id": "ann-td", "at": datetime.now(UTC).isoformat(), "customer": ann, "channel": "sms", "text": " ＴＤ "},
    )
    await house.until(lambda: _silent(house, customer, "sms", "marketing"), within=WITHIN)
    took = clock.monotonic() - began
    await house.rows("DELETE FROM notifier.kill_switch")
    await house.until(lambda: _ended(house, customer, "suppressed"))

    assert (said.status_code, said.json()) == (200, {"opt_out": True})
    assert took <= WITHIN
    assert not [each for each in await house.accepted() if OTHER in each["to"]]
    await house.tell(consent("ann-again", ann, granted=True), order("ann-2", ann))
    await house.until(lambda: _accepted_by(house, OTHER))
    history = await _consents(house, customer, 3)
    assert [(each["granted"], each["proof"]) for each in history] == [
        (True, "form 7"),
        (False, "reply td"),
        (True, "form 7"),
    ]
    assert (history[0]["text_version"], history[0]["operator"]) == ("sms-terms-3", "g-017")


async def test_one_click_on_a_mail_s_link_is_in_force_within_seconds(house: ShopHouse) -> None:
    dan = {"member": "M-DAN", "email": "dan.refuses@mailbox.example"}
    customer = house.id_of(Kind.MEMBER, "M-DAN")
    await house.tell(order("dan-1", dan))
    await house.until(lambda: _accepted_by(house, dan["email"]))
    (mail,) = [each for each in await house.accepted() if dan["email"] in each["to"]]
    link = mail["body"]["headers"]["list-unsubscribe"].strip("<>")

    async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as reader:
        assert "退订" in (await reader.get(link)).text
        assert not await _silent(house, customer, "email", "service")
        assert (await reader.post(link, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    took = await house.until(lambda: _silent(house, customer, "email", "service"), within=WITHIN)

    assert took <= WITHIN
    await house.tell(order("dan-2", dan))
    await house.until(lambda: _decided(house, "dan-2", "consent"))
    assert not await _accepted_by(house, dan["email"], times=2)
    (refused,) = await _consents(house, customer, 1)
    assert refused["proof"].startswith("unsubscribe link of ")


async def test_who_was_erased_stays_erased_under_replay(house: ShopHouse) -> None:
    bob = {"member": "M-BOB", "phone": PHONE, "email": MAIL}
    strong, weak = house.id_of(Kind.MEMBER, "M-BOB"), house.id_of(Kind.PHONE, PHONE)
    await house.tell(
        event("traits.set", "bob-name", bob, traits={"name": NAME, "birthday": "1990-05-17"}),
        consent("bob-yes", bob, granted=True),
        order("bob-1", bob),
        order("bob-0", {"phone": PHONE}),
    )
    await _link(house, weak, strong)
    await house.until(lambda: _accepted_by(house, MAIL))
    await house.until(lambda: _calm(house), within=90)
    await house.rows("INSERT INTO notifier.kill_switch VALUES ('channel:sms', 'test', 0)")
    await house.tell(order("bob-2", bob))
    await house.until(lambda: _waits(house, strong))

    answer = await house.post("/api/v1/erasures", {"customer": {"phone": PHONE}}, key=house.erase_key)
    await house.until(lambda: _ended(house, strong, "cancelled"))
    await house.rows("DELETE FROM notifier.kill_switch")
    await house.until(lambda: _forgotten(house, strong, weak))
    sent = len(await house.accepted())

    assert (answer.status_code, answer.json()["ids"]) == (202, 1)
    assert (await house.post("/api/v1/erasures", {"customer": {"phone": PHONE}})).status_code == 403
    await _told_again(house, strong, weak)
    await house.until_still()
    await house.until(lambda: _forgotten(house, strong, weak))
    await _replay(house)
    await house.until_still()

    assert len(await house.accepted()) == sent
    await house.until(lambda: _forgotten(house, strong, weak))
    payloads = await house.rows("SELECT payload FROM notifier.outbox WHERE customer = $1", strong)
    assert payloads
    assert all("variables" not in json.loads(row["payload"]) for row in payloads)
    needles = Needles([PHONE, MAIL, NAME])
    assert await in_topics(house.stack.kafka, needles) == []
    assert await in_database(house.stack.database_url, needles) == []
    assert in_files(house.stack.directory, needles, but=frozenset({"sandbox.log"})) == []


async def test_who_comes_back_hears_nothing_before_a_new_consent(house: ShopHouse) -> None:
    eve = {"member": "M-EVE", "email": "eve.back@mailbox.example"}
    await house.tell(order("eve-1", eve))
    await house.until(lambda: _accepted_by(house, eve["email"]))
    assert (await house.post("/api/v1/erasures", {"customer": eve}, key=house.erase_key)).json()["ids"] == 2
    customer = house.id_of(Kind.MEMBER, "M-EVE")
    await house.until(lambda: _silent(house, customer, "all", "all"))

    await house.tell(order("eve-2", eve))
    await house.until(lambda: _decided(house, "eve-2", "erased"))
    yes = [consent(f"eve-{purpose}", eve, granted=True, channel="email", purpose=purpose) for purpose in PURPOSES]
    await house.tell(*yes, order("eve-3", eve))
    await house.until(lambda: _decided(house, "eve-3", "sent"))
    await house.until(lambda: _accepted_by(house, eve["email"], times=2))
    assert not await _silent(house, customer, "all", "all")

    told = await house.command(
        "services.ingest", "erase", "--stdin", stdin=b'{"member": "M-EVE"}\n{"phone": "13977000001"}\n'
    )
    assert "2 persons, 2 ids" in told
    await house.until(lambda: _silent(house, customer, "all", "all"))


async def _waits(house: ShopHouse, customer: str) -> bool:
    return bool(
        await house.rows(
            "SELECT 1 FROM notifier.outbox WHERE customer = $1 AND channel = 'sms' AND state = 'pending'", customer
        )
    )


async def _calm(house: ShopHouse) -> bool:
    """Nobody waits for a message any more, of whatever test."""
    return not await house.rows("SELECT 1 FROM notifier.outbox WHERE state IN ('pending', 'sending')")


async def _ended(house: ShopHouse, customer: str, state: str) -> bool:
    rows = await house.rows("SELECT state FROM notifier.outbox WHERE customer = $1 AND channel = 'sms'", customer)
    return state in {row["state"] for row in rows} and "pending" not in {row["state"] for row in rows}


async def _silent(house: ShopHouse, customer: str, channel: str, purpose: str) -> bool:
    query = "SELECT 1 FROM notifier.silence WHERE id = $1 AND channel = $2 AND purpose = $3 AND silent"
    return bool(await house.rows(query, customer, channel, purpose))


async def _accepted_by(house: ShopHouse, address: str, *, times: int = 1) -> bool:
    return sum(address in each["to"] for each in await house.accepted()) >= times


async def _decided(house: ShopHouse, order_id: str, reason: str) -> bool:
    rows = await house.topic(topics.OUTREACH_DECISIONS.name)
    told = [json.loads(row.value or b"{}") for row in rows]
    return any(one.get("trigger_key") == order_id and one.get("reason") == reason for one in told)


async def _consents(house: ShopHouse, customer: str, count: int) -> list[dict[str, Any]]:
    """The customer's consents as the console shows them, once it shows so many."""

    async def shown() -> bool:
        return len((await _history(house, customer))["consents"]) >= count

    await house.until(shown)
    found: list[dict[str, Any]] = (await _history(house, customer))["consents"]
    return found


async def _history(house: ShopHouse, customer: str) -> dict[str, Any]:
    found: dict[str, Any] = (await house.console.get(f"/api/v1/customers/{customer}/consents")).json()
    return found


async def _forgotten(house: ShopHouse, strong: str, weak: str) -> bool:
    """Nothing of the person in both databases, the public snapshot and the addresses of the log."""
    ids = [strong, weak]
    silent = [await _silent(house, each, "all", "all") for each in ids]
    queries = (
        "SELECT 1 FROM notifier.contact_point WHERE alias = ANY($1)",
        "SELECT 1 FROM notifier.outbox WHERE customer = ANY($1) AND state IN ('pending', 'sending')",
        "SELECT 1 FROM console.consent WHERE customer = ANY($1)",
    )
    left = [await house.rows(query, ids) for query in queries]
    left.append(await house.rows("SELECT 1 FROM console.customer WHERE customer = $1", strong))
    shown = snapshots_of(await house.topic(topics.SEGMENTS.name))
    points = {record.key: record.value for record in await house.topic(topics.CONTACT_POINTS.name)}
    sealed = [key for key, value in points.items() if value and key and key.decode().split("/")[0] in ids]
    return all(silent) and not any(left) and not sealed and strong not in shown


async def _link(house: ShopHouse, weak: str, strong: str) -> None:
    async with clients.producer(house.stack.kafka) as producer:
        await producer.send_and_wait(topics.CUSTOMER_EVENTS.name, encode(Linked(strong)), weak.encode())


async def _told_again(house: ShopHouse, *ids: str) -> None:
    """Addresses and facts from before the erasure once more, as another entrance would bring them."""
    keys = {each.encode() for each in ids}
    points = [one for one in await house.topic(topics.CONTACT_POINTS.name) if one.value and one.key]
    facts = [one for one in await house.topic(topics.CUSTOMER_EVENTS.name) if one.key in keys and one.value]
    past = [
        one for one in facts if not (one.value or b"").startswith((b'{"type":"customer.erased"', b'{"type":"message.'))
    ]
    async with clients.producer(house.stack.kafka) as producer:
        for topic, records in ((topics.CONTACT_POINTS, points), (topics.CUSTOMER_EVENTS, past)):
            for one in records:
                if topic is topics.CUSTOMER_EVENTS or (one.key or b"").split(b"/")[0] in keys:
                    await producer.send_and_wait(topic.name, one.value, one.key, one.partition)
    assert len(past) >= len(ids) + 3


async def _from_the_start(house: ShopHouse, group: str, read: Sequence[topics.Topic]) -> None:
    """What the broker remembers of a group, once its static members count as gone."""
    places = [TopicPartition(topic.name, number) for topic in read for number in range(topic.partitions)]

    async def committed() -> bool:
        options: dict[str, Any] = {"bootstrap_servers": house.stack.kafka, "enable_auto_commit": False}
        async with AIOKafkaConsumer(group_id=group, **options) as consumer:
            consumer.assign(places)
            try:
                await consumer.commit(dict.fromkeys(places, 0))
            except CommitFailedError:  # it loses what it was assigned: the next one is another
                await asyncio.sleep(1)
                return False
        return True

    await house.until(committed)


async def _replay(house: ShopHouse) -> None:
    """Every state and read model anew from the logs: changelogs, groups and positions are gone; the ledger is not."""
    supervisor = house.stack.supervisor
    for name in CHAIN:
        await supervisor.stop_one(name)
    changelogs = [topics.changelog(service) for service in topics.STATEFUL]
    admin = AIOKafkaAdminClient(bootstrap_servers=house.stack.kafka)
    await admin.start()
    await admin.delete_topics([each.name for each in changelogs])
    await admin.close()
    await create(house.stack.kafka, changelogs)
    await _from_the_start(
        house, "notifier", (topics.OUTREACH_COMMANDS, topics.CONTACT_POINTS, topics.PROVIDER_RECEIPTS)
    )
    await house.rows("DELETE FROM notifier.stream_position")
    names = await house.rows(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'console' AND tablename <> 'logical_clock'"
    )
    await house.rows(f"TRUNCATE {', '.join('console.' + row['tablename'] for row in names)}")
    for name in CHAIN:
        await supervisor.start_again(name)
