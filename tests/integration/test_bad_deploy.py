"""A version that fails on everything, started again and again on a real broker: it halts, and what it buried comes back."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from services.console.letters import dead
from services.console.remedies import PutBack, remedy
from shared.contract import topics
from shared.contract.codec import encode
from shared.engine.fold.poison_limit import MOST_NET
from shared.engine.host.kafka_host import FATAL
from shared.kafka import clients
from tests.integration.tally_house import CUSTOMERS, Process, caught_up, kafka, lag, order, put, read, state, worker

__all__ = ["kafka"]
pytestmark = pytest.mark.timeout(120)
PER_LIFE = 190
"""Below what stops a worker within one minute."""
LIVES = 3


@pytest.mark.parametrize("host", ["kafka", "faust"])
async def test_a_bad_version_halts_over_its_restarts_and_the_mended_one_loses_nothing(
    kafka: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUITOU_HOST", host)
    monkeypatch.setenv("HUITOU_TALLY", "broken")
    fed: dict[str, dict[str, int]] = defaultdict(dict)
    ends = [await life(kafka, number, fed) for number in range(LIVES)]

    buried = await read(kafka, topics.DEAD_LETTERS.name)
    letters = {letter.id: letter for letter in (dead(record) for record in buried)}
    assert ends == [False, False, True], (
        "each life alone stays below the limit of a minute; the third halts all the same"
    )
    assert 2 * PER_LIFE <= len(letters) < MOST_NET

    monkeypatch.setenv("HUITOU_TALLY", "mended")
    with worker(kafka):
        await caught_up(kafka)
        async with clients.producer(kafka) as producer:
            raw = {(r.partition, r.offset): r.value for r in await read(kafka, topics.CUSTOMER_EVENTS.name)}
            for letter in letters.values():
                found = remedy(letter, raw[letter.partition, letter.offset])
                assert isinstance(found, PutBack)
                record = found.record
                await producer.send(record.topic, record.value, record.key, record.partition)
        await caught_up(kafka)
    assert {customer: tally.orders for customer, tally in (await state(kafka)).items()} == fed


async def life(kafka: str, number: int, fed: dict[str, dict[str, int]]) -> bool:
    """One start of the worker and what comes meanwhile; True if it stopped by itself, with its sentence."""
    records: list[tuple[str, bytes]] = []
    for each in range(number * PER_LIFE, (number + 1) * PER_LIFE):
        customer = CUSTOMERS[each % len(CUSTOMERS)]
        fed[customer][f"o{each}"] = each
        records.append((customer, encode(order(each))))
    await put(kafka, records)
    with worker(kafka, instance="tally-1") as process:
        ended = await _ends(kafka, process)
    if not ended:
        return False
    code, said = ended
    assert code == FATAL
    assert "a start alone changes nothing" in said
    return True


async def _ends(kafka: str, process: Process) -> Any:
    """Exit code and what it said, or None once it has taken everything."""
    ending = asyncio.create_task(process.ended(within=30))
    while await lag(kafka):
        done, _ = await asyncio.wait([ending], timeout=0.2)
        if done:
            return ending.result()
    ending.cancel()
    return None
