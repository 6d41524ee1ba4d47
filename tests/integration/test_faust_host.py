"""What is the Faust host's own; the rules that both hosts keep are in test_kafka_host.py, run once per host.

Not there for Faust, and why: the checksum of the last record (Faust commits without metadata) and persisting ticks every
five seconds only (Faust commits when it likes, so every round is persisted at once).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.create_topics import create
from deploy.stack.environment import interpreter
from shared import topics
from shared.streams import clients
from shared.streams.head import PARTITION_KEY, decode_values
from shared.streams.kafka_host import FATAL
from tests.integration import test_kafka_host as suite

pytestmark = pytest.mark.timeout(120)
kafka = suite.kafka
CHANGELOG = topics.changelog("profile")


@pytest.fixture(autouse=True)
def on_faust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUITOU_HOST", "faust")


async def test_no_commit_stands_above_the_changelog_and_a_stop_leaves_none_below_it(kafka: str) -> None:
    await suite._feed(kafka, 2_000, per_second=4_000)
    with suite.worker(kafka) as process:
        while not await _committed(kafka):
            await asyncio.sleep(0.05)
        process.terminate()
        code, _ = await process.ended(within=20)
        stopped_at = await _committed(kafka)
        assert code == 0
        assert stopped_at == {n: at for n, at in (await _persisted(kafka)).items() if at}
    await suite._ticks(kafka, range(2_100, 2_110))
    with suite.worker(kafka):
        await suite._caught_up(kafka)

    assert await _committed(kafka) == await _persisted(kafka)
    assert await suite._state(kafka) == await suite._expected(kafka)


async def test_what_a_changelog_lost_is_folded_again_though_it_was_committed(kafka: str) -> None:
    await suite._feed(kafka, 300, per_second=2_000)
    with suite.worker(kafka, instance="tally-1"):
        await suite._caught_up(kafka)
    before = await suite._state(kafka)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([CHANGELOG.name])
    await admin.close()
    await asyncio.sleep(1)
    await create(kafka, [CHANGELOG])
    await suite._ticks(kafka, range(301, 302))

    with suite.worker(kafka, instance="tally-1"):
        async with asyncio.timeout(30):
            while await _persisted(kafka) != await _committed(kafka):
                await asyncio.sleep(0.5)

    assert before
    assert await suite._state(kafka) == await suite._expected(kafka)


async def test_nothing_listens_even_when_fausts_own_command_asks_for_it(kafka: str) -> None:
    command = [
        interpreter(os.environ),
        "-m",
        "tests.support.tally_worker",
        "worker",
        "--with-web",
        "--loglevel",
        "info",
    ]
    worker = subprocess.Popen(command, env={**os.environ, "HUITOU_KAFKA": kafka}, stdout=subprocess.DEVNULL)
    try:
        await suite._feed(kafka, 20, per_second=1_000)
        await suite._caught_up(kafka)
        listening = [c for c in psutil.Process(worker.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    finally:
        worker.kill()
        worker.wait()

    assert listening == []


@pytest.mark.parametrize(("generation", "code"), [(1, FATAL), (2, 0)])
def test_an_event_from_before_a_rebalance_ends_the_process(generation: int, code: int) -> None:
    command = [interpreter(os.environ), "-m", "tests.support.faust_round", str(generation)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert ended.returncode == code
    assert ("events fetched before a rebalance came after it" in ended.stderr) == (code == FATAL)


def test_without_the_package_the_worker_says_how_to_get_it() -> None:
    command = [sys.executable, "-m", "tests.support.tally_worker"]
    env = {**os.environ, "HUITOU_KAFKA": "nowhere:9"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=env)

    assert ended.returncode == 1
    assert ended.stderr.startswith("HUITOU_HOST=faust: faust-streaming is not installed")


async def _committed(kafka: str) -> dict[int, int]:
    found = await clients.commits(kafka, "profile", topics.CUSTOMER_EVENTS.name)
    return {number: int(commit.offset) for number, commit in found.items()}


async def _persisted(kafka: str) -> dict[int, int]:
    """Partition → the next input offset that its changelog holds."""
    values = [r for r in await suite._read(kafka, CHANGELOG.name) if r.key == PARTITION_KEY]
    return {record.partition: decode_values(record.value).next for record in values}
