"""What is the Faust host's own; the rules that both hosts keep are in test_kafka_host.py, run once per host.

Not there for Faust, and why: the checksum of the last record (Faust commits without metadata) and persisting ticks every
five seconds only (Faust commits when it likes, so every round is persisted at once).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.create_topics import create
from deploy.stack.environment import interpreter
from shared.contract import topics
from shared.engine.host.kafka_host import FATAL
from shared.engine.state.head import PARTITION_KEY, decode_values
from shared.kafka import clients
from tests.integration import tally_house as suite

pytestmark = pytest.mark.timeout(120)
kafka = suite.kafka


@pytest.fixture(autouse=True)
def on_faust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUITOU_HOST", "faust")


async def test_a_stop_finishes_the_round_and_leaves_the_commit_where_the_changelog_stands(kafka: str) -> None:
    await suite.feed(kafka, 10_000, per_second=50_000)
    with suite.worker(kafka) as process:
        while not await _committed(kafka):
            await asyncio.sleep(0.05)
        process.terminate()
        code, _ = await process.ended(within=20)
        stopped_at = await _committed(kafka)
        assert code == 0
        assert await suite.lag(kafka), "the stop met no record in flight: the test proves nothing"
        assert stopped_at == {n: at for n, at in (await _persisted(kafka)).items() if at}
    await suite.ticks(kafka, range(10_100, 10_110))
    with _by_fausts_own_command(kafka) as worker:
        await suite.caught_up(kafka)
        listening = [c for c in worker.net_connections() if c.status == psutil.CONN_LISTEN]

    assert listening == []
    assert await _committed(kafka) == await _persisted(kafka)
    assert await suite.state(kafka) == await suite.expected(kafka)


@contextlib.contextmanager
def _by_fausts_own_command(kafka: str) -> Iterator[psutil.Process]:
    """A worker whose command line even asks for the web server."""
    command = [
        interpreter(os.environ),
        "-m",
        "tests.support.tally_worker",
        "worker",
        "--with-web",
        "--loglevel",
        "info",
    ]
    worker = psutil.Popen(command, env={**os.environ, "HUITOU_KAFKA": kafka}, stdout=subprocess.DEVNULL)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


async def test_what_a_changelog_lost_is_folded_again_though_it_was_committed(kafka: str) -> None:
    await suite.feed(kafka, 300, per_second=2_000)
    with suite.worker(kafka, instance="tally-1"):
        await suite.caught_up(kafka)
    before = await suite.state(kafka)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([suite.changelog().name])
    await admin.close()
    await asyncio.sleep(1)
    await create(kafka, [suite.changelog()])
    await suite.ticks(kafka, range(301, 302))

    with suite.worker(kafka, instance="tally-1"):
        async with asyncio.timeout(30):
            while await _persisted(kafka) != await _committed(kafka):
                await asyncio.sleep(0.5)

    assert before
    assert await suite.state(kafka) == await suite.expected(kafka)


@pytest.mark.parametrize(
    ("rounds", "code", "said"),
    [
        ("2:0 2:1 2:0 2:0,1,2 2:3", 0, "owned [0]"),
        ("2:0 revoke", 0, "owned []"),
        ("2:0 1:1", FATAL, "events fetched before a rebalance came after it"),
        ("2:0 2:2", FATAL, "offset 2 follows 0: records are missing"),
    ],
    ids=["seen before", "revoked", "stale", "gap"],
)
def test_a_round_takes_what_comes_next_and_ends_the_process_at_anything_else(rounds: str, code: int, said: str) -> None:
    command = [interpreter(os.environ), "-m", "tests.support.faust_round", *rounds.split()]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert ended.returncode == code
    assert said in ended.stderr + ended.stdout


def test_without_the_package_the_worker_says_how_to_get_it() -> None:
    command = [sys.executable, "-m", "tests.support.tally_worker"]
    env = {**os.environ, "HUITOU_KAFKA": "nowhere:9"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=env)

    assert ended.returncode == 1
    assert ended.stderr.startswith("HUITOU_HOST=faust: faust-streaming is not installed")


async def _committed(kafka: str) -> dict[int, int]:
    found = await clients.commits(kafka, suite.group(), topics.CUSTOMER_EVENTS.name)
    return {number: int(commit.offset) for number, commit in found.items()}


async def _persisted(kafka: str) -> dict[int, int]:
    """Partition → the next input offset that its changelog holds."""
    values = [r for r in await suite.read(kafka, suite.changelog().name) if r.key == PARTITION_KEY]
    return {record.partition: decode_values(record.value).next for record in values}
