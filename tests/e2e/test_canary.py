"""Contact data in clear goes to the providers and nowhere else: canaries through every entrance, under faults, then looked for."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from services.rehearsal.checkpoints import PLACES, taken
from shared.contract import topics
from shared.kafka import clients
from tests.oracle.reader import read_topic
from tests.support.shop_house import ShopHouse
from tests.support.traces import Needles, Place, in_database, in_files, in_topics

pytestmark = [pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="session")]

CANARIES = int(os.environ.get("HUITOU_CANARIES", "200"))
RUN = secrets.token_hex(3)
BATCH = 50
KILLS = ("profile", "notifier", "trigger-engine", "ingest", "segmenter", "console")
FAULTS = {"mix": {"ok": 0.7, "unavailable": 0.1, "accept_500": 0.1, "throttle": 0.1}, "retry_after_s": 0}
FLOWN = (topics.CONTACT_POINTS, topics.REJECTED_EVENTS, topics.DEAD_LETTERS, topics.SEGMENTS)
OWN = frozenset({"sandbox.log"})
"""The providers' own record of what they were sent."""


class Canary(NamedTuple):
    """One person who exists in this run only."""

    number: int
    phone: str
    email: str
    name: str


def flock() -> list[Canary]:
    first = 10_000_000 + secrets.randbelow(89_000_000 - CANARIES)
    return [
        Canary(n, f"139{first + n}", f"canary.{RUN}.{n}@mailbox.example", f"金丝雀{RUN}{n}") for n in range(CANARIES)
    ]


class Flight(NamedTuple):
    """What was flown: the house, the persons, and records planted in clear by the test itself."""

    house: ShopHouse
    birds: list[Canary]
    needles: Needles
    planted: frozenset[Place]
    grown: list[int]
    """Records that each topic of FLOWN got meanwhile."""
    restarts: int


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def flight(house: ShopHouse, tmp_path_factory: pytest.TempPathFactory) -> Flight:
    folder = tmp_path_factory.mktemp("canary")
    birds = flock()
    needles = Needles(value for bird in birds for value in (bird.phone, bird.email, bird.name))
    before = [len(await house.topic(topic.name)) for topic in FLOWN]
    restarts = _restarts(house)
    for channel in ("sms", "email"):
        await house.script(channel, FAULTS)
    planted = await _poison(house, birds)
    await _checkpoint(house)
    strikes = asyncio.create_task(_strike(house))
    await _fly(house, birds, folder)
    await strikes
    for channel in ("sms", "email"):
        await house.script(channel, {})
    await house.until_still()
    await _checkpoint(house)
    await house.until(lambda: _sent(house, birds, at_least=CANARIES // 2), within=90)
    grown = [len(await house.topic(topic.name)) - count for topic, count in zip(FLOWN, before, strict=True)]
    return Flight(house, birds, needles, planted, grown, _restarts(house) - restarts)


async def test_no_contact_data_stands_in_clear_anywhere_and_a_single_value_would_be_seen(flight: Flight) -> None:
    house, needles = flight.house, flight.needles

    assert await in_topics(house.stack.kafka, needles, but=flight.planted) == []
    assert await in_database(house.stack.database_url, needles) == []
    assert in_files(house.stack.directory, needles, but=OWN) == []
    assert [answer for answer in house.answers if needles.found_in(answer)] == []

    async with _planted(house, flight.birds[-1]):
        hits = await in_topics(house.stack.kafka, needles, but=flight.planted)
        assert [hit.split("/")[0] for hit in hits] == [topics.SEGMENTS.name]
        assert await in_database(house.stack.database_url, needles) == ["notifier.kill_switch.reason"]
        assert in_files(house.stack.directory, needles, but=OWN) == ["logs/planted.log"]


async def test_the_canaries_have_flown(flight: Flight) -> None:
    house = flight.house
    assert len(await _reached(house, flight.birds)) >= CANARIES // 2
    assert all(flight.grown), flight.grown
    assert await read_topic(house.stack.kafka, topics.changelog("profile").name)
    assert flight.restarts >= len(KILLS)


async def test_between_two_checkpoints_the_log_folded_again_is_the_later_one_whatever_was_killed(
    flight: Flight,
) -> None:
    house = flight.house
    said = await house.command("services.rehearsal", "audit")

    for service in topics.STATEFUL:
        (line,) = re.findall(
            rf"^{service}: (\d+) customers, (\d+) records, (\d+) said, (\d+) different$", said, re.MULTILINE
        )
        customers, records, _, different = map(int, line)
        assert customers > CANARIES
        assert records > CANARIES
        assert different == 0


@asynccontextmanager
async def _planted(house: ShopHouse, bird: Canary) -> AsyncIterator[None]:
    """One value in clear in a header, in a table and in a log, for as long as it takes to look."""
    log = house.stack.directory / "logs" / "planted.log"
    async with clients.producer(house.stack.kafka) as producer:
        await producer.send_and_wait(topics.SEGMENTS.name, None, b"planted", headers=[("note", bird.email.encode())])
    await house.rows("INSERT INTO notifier.kill_switch VALUES ('planted', $1, 0)", f"asked by {bird.name}")
    log.write_text(f'{{"to":"+86{bird.phone}"}}\n', "utf-8")
    try:
        yield
    finally:
        await house.rows("DELETE FROM notifier.kill_switch WHERE scope = 'planted'")
        log.unlink()


async def _reached(house: ShopHouse, birds: list[Canary]) -> set[str]:
    """Addresses of theirs at which a provider took a message."""
    addresses = {each["to"].removeprefix("86").removeprefix("+86") for each in await house.accepted()}
    return {value for bird in birds for value in (bird.phone, bird.email)} & addresses


def _restarts(house: ShopHouse) -> int:
    return sum(house.stack.supervisor.restarts(name) for name in KILLS)


# --- through every entrance


async def _fly(house: ShopHouse, birds: list[Canary], folder: Path) -> None:
    for start in range(0, len(birds), BATCH):
        some = birds[start : start + BATCH]
        answer = await house.post("/api/v1/events", {"events": [one for bird in some for one in _typed(bird)]})
        assert answer.status_code in {200, 207}, answer.text
        messages = [one for bird in some for one in _segment(bird)]
        answer = await house.post("/v1/batch", {"batch": messages, "sentAt": _now()}, basic=True)
        assert answer.status_code == 200, answer.text
    for bird in birds[:10]:
        await house.post(
            "/api/v1/events", {"type": bird.phone, "id": f"x-{RUN}-{bird.number}", "at": bird.name, bird.email: 1}
        )
        await house.post("/api/v1/replies", _reply(bird))
    await house.post("/api/v1/erasures", {"customer": {"phone": birds[0].phone}}, key=house.erase_key)
    await house.command("services.ingest", "import", str(_history(birds, folder)))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _typed(bird: Canary) -> list[dict[str, Any]]:
    who = {"member": f"M-{RUN}-{bird.number}", "phone": bird.phone, "email": bird.email}
    common = {"at": _now(), "customer": who}

    def event(kind: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "id": f"t-{RUN}-{bird.number}-{kind}"} | common | more

    note = {"note": f"call {bird.phone} or {bird.email}", "receiver": {"name": bird.name, "mobile": bird.phone}}
    consent = {"channel": "sms", "purpose": "marketing", "granted": True}
    return [
        event("traits.set", traits={"name": bird.name, "phone": bird.phone, "nick": bird.name, "size": "L"}),
        event("consent.set", **consent, proof="form 7"),
        event("consent.set", **consent, proof=f"signed by {bird.phone}") | {"id": f"t-{RUN}-{bird.number}-refused"},
        event("page.viewed", name=f"for {bird.phone}", path=f"/u?mail={bird.email}"),
        event("tracked", name="Address Entered", properties=note),
        event("order.placed", order_id=f"o-{RUN}-{bird.number}", amount="9.90", currency="CNY"),
        event("order.placed", order_id="x", amount=bird.email, currency=bird.phone)
        | {"id": f"t-{RUN}-{bird.number}-bad"},
    ]


def _segment(bird: Canary) -> list[dict[str, Any]]:
    traits = {"name": bird.name, "email": bird.email, "phone": bird.phone}
    context = {"traits": traits, "page": {"url": f"https://shop.example/?to={bird.email}"}, "ip": "10.0.0.1"}
    common = {"userId": bird.email, "anonymousId": f"a-{RUN}-{bird.number}", "timestamp": _now(), "context": context}

    def message(kind: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "messageId": f"s-{RUN}-{bird.number}-{kind}"} | common | more

    return [
        message("identify", traits=traits),
        message("track", event="Coupon Entered", properties={"friend": bird.phone, "to": bird.name}),
        message("page", name="Account", properties={"path": f"/account/{bird.email}"}),
        message("track", event="Order Completed", properties={"order_id": bird.phone, "total": bird.email})
        | {"messageId": f"s-{RUN}-{bird.number}-bad"},
    ]


def _reply(bird: Canary) -> dict[str, Any]:
    text = f"我是{bird.name}，{bird.phone}，不要再发"
    return {
        "id": f"r-{RUN}-{bird.number}",
        "at": _now(),
        "customer": {"phone": bird.phone},
        "channel": "sms",
        "text": text,
    }


def _history(birds: list[Canary], folder: Path) -> Path:
    """A cash register's file, in which the customer's number is his phone."""
    path = folder / "orders.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Name"])
        for bird in birds:
            writer.writerow([f"I{RUN}{bird.number}", "tea", 1, "2024-05-01 10:00:00", "9.90", bird.phone, bird.name])
    return path


# --- what goes wrong meanwhile


async def _strike(house: ShopHouse) -> None:
    """SIGKILL of every service, one after the other."""
    for name in KILLS:
        await asyncio.sleep(0.7)
        house.stack.supervisor.kill(name)


async def _poison(house: ShopHouse, birds: list[Canary]) -> frozenset[Place]:
    """Records in clear that nobody can take, written past every entrance; where they stand."""
    values = [f'{{"type":"{bird.phone}","name":"{bird.name}"}}'.encode() for bird in birds[:5]]
    values += [f'{{"type":"order.placed","id":"{bird.email}"'.encode() for bird in birds[:5]]
    places: set[Place] = set()
    async with clients.producer(house.stack.kafka) as producer:
        for topic in (topics.CUSTOMER_EVENTS, topics.OUTREACH_COMMANDS):
            for value in values:
                told = await producer.send_and_wait(topic.name, value, b"poisoned")
                places.add((topic.name, told.partition, told.offset))
    return frozenset(places)


async def _sent(house: ShopHouse, birds: list[Canary], *, at_least: int) -> bool:
    return len(await _reached(house, birds)) >= at_least


async def _checkpoint(house: ShopHouse) -> None:
    """Asked for, and written by every service."""
    said = await house.command("services.profile", "checkpoint")
    number = int(re.findall(r'"number": (\d+)', said)[-1])

    async def written() -> bool:
        return any(each.number == number and each.paths.keys() == PLACES for each in taken(house.snapshots))

    await house.until(written)
