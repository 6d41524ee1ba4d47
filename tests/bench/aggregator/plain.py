"""`python -m tests.bench.aggregator.plain`: the job as a bare aiokafka loop, the floor of what any host here can cost.

One worker only. It has the fence of the job and a changelog, and none of our rules: answers and states go out together,
nothing is checked, nothing survives a rebalance, and what a kill leaves half done stays so.
"""

from __future__ import annotations

import asyncio
import gc

import uvloop
from aiokafka import TopicPartition

from shared.engine.fold.batch import Emit
from shared.engine.recovery import cluster
from shared.kafka import clients
from tests.bench.aggregator.job import apply
from tests.bench.aggregator.told import Told, told

States = dict[int, dict[bytes, bytes]]
"""Partition → customer → state."""


async def run(names: Told) -> None:
    """Until the process ends."""
    changelog = f"{names.job}-changelog"
    states = await _recovered(names, changelog)
    producer = clients.producer(names.bootstrap)
    consumer = clients.group_consumer(names.bootstrap, names.job, instance=names.instance)
    consumer.subscribe([names.input])
    await producer.start()
    await consumer.start()
    sink = cluster.KafkaSink(producer)
    while True:
        fetched = await consumer.getmany(timeout_ms=100, max_records=4_000)
        sends = []
        for place, records in fetched.items():
            number, known = place.partition, states[place.partition]
            answers, changed = [], {}
            for record in records:
                key = record.key
                known[key], said = apply(
                    known.get(key), record.value, partition=number, offset=record.offset, appended=record.timestamp
                )
                changed[key] = known[key]
                answers.append(Emit(names.answers, number, key, said))
            values = [Emit(changelog, number, key, value) for key, value in changed.items()]
            sends += [sink.send(names.answers, number, answers), sink.send(changelog, number, values)]
        if sends:
            await asyncio.gather(*sends)
            await consumer.commit()


async def _recovered(names: Told, changelog: str) -> States:
    states: States = {number: {} for number in range(names.partitions)}
    places = [TopicPartition(changelog, number) for number in states]
    reader = clients.reader(names.bootstrap)
    await reader.start()
    try:
        reader.assign(places)
        waiting = await reader.end_offsets(places)
        await reader.seek_to_beginning(*places)
        while waiting:
            for place, records in (await reader.getmany(timeout_ms=200, max_records=20_000)).items():
                states[place.partition].update((record.key, record.value) for record in records)
            waiting = {place: end for place, end in waiting.items() if await reader.position(place) < end}
    finally:
        await reader.stop()
    return states


if __name__ == "__main__":
    gc.freeze()
    uvloop.run(run(told()))
