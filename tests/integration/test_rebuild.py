"""A checkpoint, a lost changelog and its rebuild on a real broker: the service goes on as if nothing had been lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.create_topics import create
from shared.contract import topics
from shared.engine.fold.rules import BrokenInvariantError
from shared.engine.host.announce import announce
from shared.engine.recovery import snapshot
from shared.engine.recovery.cluster import KafkaCluster
from shared.engine.recovery.rebuild import Rebuilder
from tests.integration import tally_house as hosts
from tests.support.tally import TallyFold

pytestmark = pytest.mark.timeout(120)
kafka = hosts.kafka


async def test_a_lost_changelog_is_written_again_and_the_service_goes_on(
    kafka: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUITOU_SNAPSHOTS", str(tmp_path))
    rebuilder = Rebuilder(lambda _: TallyFold(), KafkaCluster(kafka), tmp_path, scenario=True)
    with hosts.worker(kafka) as process:
        await hosts.feed(kafka, 600, per_second=2000)
        await announce(kafka, "checkpoint")
        await announce(kafka, "resync")
        await hosts.feed(kafka, 300, per_second=2000)
        await hosts.ticks(kafka, range(20_000, 20_001))
        await hosts.caught_up(kafka)
        process.terminate()
        await process.ended(within=15)
    written = [
        snapshot.read(path) for n in range(topics.PARTITIONS) for path in snapshot.paths(tmp_path, hosts.group(), n)
    ]
    before = await hosts.state(kafka)

    assert len(written) == topics.PARTITIONS
    assert sum(header.customers for header, _ in written) == len(before) == len(hosts.CUSTOMERS)
    assert await rebuilder.verify() == []
    with pytest.raises(BrokenInvariantError, match="only where it was lost"):
        await rebuilder.write()

    await _lose(kafka)
    assert len(await rebuilder.verify()) == topics.PARTITIONS
    assert await rebuilder.write() == len(hosts.CUSTOMERS)
    assert await hosts.state(kafka) == before
    assert await rebuilder.verify() == []

    with hosts.worker(kafka):
        await hosts.feed(kafka, 300, per_second=2000)
        await hosts.ticks(kafka, range(30_000, 30_001))
        await hosts.caught_up(kafka)
    assert await hosts.state(kafka) == await hosts.expected(kafka) != before
    assert await rebuilder.verify() == []


async def _lose(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([hosts.changelog().name])
    await admin.close()
    await asyncio.sleep(1)
    await create(kafka, [hosts.changelog()])
