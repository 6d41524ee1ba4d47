"""Faults on the brokers: killed, restarted, frozen, and made to refuse what they are sent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from shared.contract.topics import (
    OUTREACH_COMMANDS,
    PROFILE_UPDATES,
    SEGMENT_CHANGES,
    SEGMENT_UPDATES,
    STATEFUL,
    changelog,
)
from tests.chaos.chaos import Chaos

BACK_WITHIN_SECONDS = 60.0
STATEFUL_SERVICES = ("profile", "segmenter", "trigger-engine")
PILE_UP_SECONDS = 1.5
FIRST_WRITE_SECONDS = 1.0
NOTHING_FITS = "60"
"""Bytes: below the head of any record batch."""
REFUSABLE = (PROFILE_UPDATES, SEGMENT_UPDATES, SEGMENT_CHANGES, OUTREACH_COMMANDS, *map(changelog, STATEFUL))


async def broker_restart(chaos: Chaos, rnd: random.Random) -> str:
    """The only broker is killed, or stopped in order, and comes back with its data."""
    [name] = chaos.stack.broker.names
    return await _restart(chaos, name, hard=rnd.random() < 0.5)


async def broker_stop(chaos: Chaos, rnd: random.Random) -> str:
    """The broker is silent for a while, its connections stay open: nobody is told, everybody waits."""
    seconds = rnd.uniform(4, 8)
    [name] = chaos.stack.broker.names
    chaos.supervisor.freeze(name)
    await asyncio.sleep(seconds)
    chaos.supervisor.thaw(name)
    return f"SIGSTOP {name} for {seconds:.1f} s"


async def lost_answer(chaos: Chaos, rnd: random.Random) -> str:
    """A stateful worker dies while it waits for the broker: what it wrote last is taken, and nobody knows.

    The worker is frozen until an answer to its fetch waits for it, then the broker: so it gets as far as its first write.
    """
    name = await chaos.target(rnd, tuple(name for name in STATEFUL_SERVICES if name in chaos.plan.victims))
    [broker] = chaos.stack.broker.names
    await chaos.running(broker)
    chaos.supervisor.freeze(name)
    await asyncio.sleep(PILE_UP_SECONDS)
    chaos.supervisor.freeze(broker)
    try:
        chaos.supervisor.thaw(name)
        await asyncio.sleep(FIRST_WRITE_SECONDS)
        chaos.supervisor.kill(name)
    finally:
        chaos.supervisor.thaw(broker)
    return f"SIGKILL {name} between its write and the answer"


async def three_brokers(chaos: Chaos, rnd: random.Random) -> str:
    """One of three brokers is killed; when all copies are up to date again, another one."""
    first, second = rnd.sample(chaos.stack.broker.names, 2)
    told = [await _restart(chaos, first, hard=True)]
    await _until_in_sync(chaos)
    told.append(await _restart(chaos, second, hard=rnd.random() < 0.5))
    await _until_in_sync(chaos)
    return "; ".join(told)


async def refused(chaos: Chaos, rnd: random.Random) -> str:
    """A topic takes no record for a while: whoever writes to it ends, comes again, and in the end loses nothing."""
    topic, seconds = rnd.choice(REFUSABLE), rnd.uniform(3, 6)
    before = sum(chaos.supervisor.restarts(name) for name in chaos.plan.victims)
    await _configure(chaos, topic.name, topic.config | {"max.message.bytes": NOTHING_FITS})
    try:
        await asyncio.sleep(seconds)
    finally:
        await _configure(chaos, topic.name, topic.config)
    ended = sum(chaos.supervisor.restarts(name) for name in chaos.plan.victims) - before
    return f"{topic.name} refused every record for {seconds:.1f} s; processes that ended of it: {ended}"


async def _restart(chaos: Chaos, name: str, *, hard: bool) -> str:
    began = chaos.now()
    await chaos.running(name)
    if hard:
        killed = chaos.supervisor.kill(name)
        while chaos.supervisor.pid(name) in {None, killed}:
            await asyncio.sleep(0.1)
    else:
        await chaos.supervisor.restart(name)
    async with asyncio.timeout(BACK_WITHIN_SECONDS):
        while not await chaos.stack.broker.ready():
            await asyncio.sleep(0.1)
    return f"{'SIGKILL' if hard else 'SIGTERM'} {name}, back after {chaos.now() - began:.1f} s"


async def _until_in_sync(chaos: Chaos) -> None:
    async with asyncio.timeout(BACK_WITHIN_SECONDS):
        while not await chaos.stack.broker.in_sync():
            await asyncio.sleep(0.2)


async def _configure(chaos: Chaos, topic: str, config: Mapping[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=chaos.stack.kafka)
    await admin.start()
    try:
        answers = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(config))])
    finally:
        await admin.close()
    for answer in answers:
        for code, *_ in answer.resources:
            if code:
                raise for_code(code)(f"{topic}: settings refused")
