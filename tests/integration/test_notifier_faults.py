"""Providers that fail and a notifier that is killed: nothing goes twice, nothing is lost, and the harness sees both."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from services.notifier.guards import Guard
from shared.contract.commands import SendMessage
from shared.contract.facts import CustomerFact
from shared.contract.topics import CUSTOMER_EVENTS
from tests.integration.notifier_house import OPEN, House, make_command, open_house, script
from tests.support.stack import fresh_database

pytestmark = pytest.mark.asyncio(loop_scope="session")
AMBIGUOUS = {"accept_500": 0.12, "accept_hang": 0.04, "accept_reset": 0.08, "accept_garbage": 0.04, "unavailable": 0.08}
KILLS = 6


@pytest_asyncio.fixture(loop_scope="session")
async def house(broker: str, database_server: str, tmp_path: Path) -> AsyncIterator[House]:
    async with fresh_database(database_server) as url, open_house(tmp_path, broker, url) as opened:
        yield opened


async def test_killed_over_and_over_among_failing_providers_every_command_arrives_once(house: House) -> None:
    commands = _mixed("once", sms=90, wecom=50, staff_task=30, email=30)
    for seed, channel in enumerate(("sms", "wecom", "staff_task", "email")):
        house.sandbox.sandbox.faults.load(channel, script(seed, **AMBIGUOUS))
    await house.order(commands)

    for _ in range(KILLS):
        await _kill_in_flight(house)
    async with house.notifier():
        states = await house.until(commands, OPEN, seconds=40)

    accepted = _accepted(house, commands)
    lost = {each.command_id for each in commands} - accepted.keys()
    assumed = await house.fetch("SELECT command_id FROM notifier.outbox WHERE state = 'assumed_sent'")
    unknown = await house.fetch("SELECT DISTINCT command_id FROM notifier.send_attempt WHERE outcome = 'unknown'")
    assert max(accepted.values()) == 1
    assert lost <= {row["command_id"] for row in assumed}
    assert set(states) <= {"sent", "delivered", "assumed_sent"}
    assert states["delivered"] >= 50
    assert len(unknown) >= 10


async def test_with_naive_sending_the_same_faults_make_duplicates(house: House) -> None:
    commands = _mixed("naive", sms=60)
    house.sandbox.sandbox.faults.load("sms", script(0, **AMBIGUOUS))
    await house.order(commands)

    async with house.notifier(off=Guard.DOUBT.name):
        await house.until(commands, OPEN, seconds=30)

    assert max(_accepted(house, commands).values()) > 1


async def test_a_database_older_than_the_broker_stops_the_start(
    house: House, broker: str, database_server: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    commands = [make_command("restored", number, "staff_task") for number in range(3)]
    await house.order(commands)
    async with house.notifier():
        await house.until(commands, OPEN, seconds=20)

    directory = tmp_path_factory.mktemp("restored")
    async with (
        fresh_database(database_server) as url,
        open_house(directory, broker, url) as emptied,
        emptied.notifier({"HUITOU_RESTORED": "refuse"}) as process,
        asyncio.timeout(20),
    ):
        code = await process.wait()

    assert code != 0
    assert "restored from a backup" in emptied.log_text()


async def test_a_scenario_runs_on_the_time_of_its_decisions(house: House) -> None:
    long_ago = 1_300_000_000_000
    base = make_command("scenario", 1, "staff_task")
    early = msgspec.structs.replace(base, decided_at=long_ago, send_by=long_ago + 1_000)
    other = make_command("scenario", 2, "staff_task")
    later = msgspec.structs.replace(other, decided_at=long_ago + 2_000, send_by=long_ago + 3_000)
    async with house.notifier({"HUITOU_SCENARIO": "true"}):
        await house.order([early])
        first = await house.until([early], OPEN, seconds=20)
        await house.order([later, msgspec.structs.replace(make_command("scenario", 3, "sms"), decided_at=1, send_by=2)])
        second = await house.until([later], OPEN, seconds=20)

    assert (first, second) == ({"sent": 1}, {"sent": 1})
    reported = await house.read(CUSTOMER_EVENTS.name, CustomerFact, customers=frozenset({early.customer}))
    assert [each.at for each in reported] == [long_ago]


async def _kill_in_flight(house: House) -> None:
    """Start a notifier and kill it the moment it has a command that is being sent."""
    before = await house.fetch("SELECT coalesce(max(started_at), 0) AS latest FROM notifier.send_attempt")
    async with house.notifier() as process:
        async with asyncio.timeout(20):
            while process.returncode is None:
                sending = await house.fetch(
                    "SELECT 1 FROM notifier.outbox WHERE state = 'sending' AND started_at > $1 LIMIT 1",
                    before[0]["latest"],
                )
                if sending:
                    break
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        await process.wait()


def _mixed(stem: str, **numbers: int) -> list[SendMessage]:
    return [
        make_command(stem, number, channel)  # type: ignore[arg-type]
        for channel, count in numbers.items()
        for number in range(count)
    ]


def _accepted(house: House, commands: Sequence[SendMessage]) -> Counter[str]:
    ids = {each.command_id for each in commands}
    return Counter(each.command_id for each in house.sandbox.sandbox.log.accepted if each.command_id in ids)
