"""Puts the notifier together and runs it; knows every part by its constructor and decides nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

from aiokafka import AIOKafkaConsumer

from services.notifier.bell import Bell, keep_turning
from services.notifier.channels.contract import Channel, ChannelName
from services.notifier.channels.templates import TemplateBook
from services.notifier.contacts import Writer
from services.notifier.guards import ALL_ON, Off
from services.notifier.lookout import Lookout
from services.notifier.meter import Meter, keep_counting
from services.notifier.outbox import Outbox
from services.notifier.providers import open_channels, read_providers
from services.notifier.publisher import Publisher
from services.notifier.reader import GROUP, reader
from services.notifier.reconciler import Reconciler
from services.notifier.sender import Sender
from services.notifier.settings import NotifierSettings
from services.notifier.store import Store
from shared.kafka.clients import group_consumer, producer
from shared.log import Log
from shared.sealing import Keyring
from shared.telemetry.health import WORK_WITHIN_SECONDS
from shared.telemetry.telemetry import Telemetry

LOG = Log(__name__)
IDLE_S = 0.25
"""Longest wait of a loop that found nothing to do."""
SENDERS_IDLE_S = 5.0
"""The same for senders, whom the lookout wakes."""
RECONCILE_EACH = 4
"""Idle waits of the others to one of the reconciler, whose work is minutes old or comes with a ring."""
PUBLISH_IDLE_S = 0.1


async def run(settings: NotifierSettings, telemetry: Telemetry, *, off: Off = ALL_ON) -> None:
    """Send until SIGTERM or SIGINT; then finish what has begun and bring the last facts to the broker.

    `off`: guards that a test takes out.
    """
    telemetry.health.watch_loop()
    bell = Bell()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, bell.stop)
    providers = read_providers(settings.providers_file)
    keyring = Keyring.load(settings.keyring)
    writer = Writer(keyring, TemplateBook(settings.sources(), providers.templates()))
    channels = open_channels(providers, settings.reach())
    connections = 2 * settings.workers * max(len(channels), 1) + 5
    store = Store.connect(settings.database_url, connections=connections, off=off)
    client = producer(settings.kafka)
    await client.start()
    try:
        await serve(
            settings,
            bell,
            store,
            consumer=group_consumer(settings.kafka, GROUP, instance=settings.instance),
            channels=channels,
            writer=writer,
            publisher=Publisher(store, client, Meter(telemetry.meters)),
            keyring=keyring,
            off=off,
            telemetry=telemetry,
        )
    finally:
        await client.stop()
        for channel in channels.values():
            await channel.close()
        await store.close()


async def serve(
    settings: NotifierSettings,
    bell: Bell,
    store: Store,
    *,
    consumer: AIOKafkaConsumer,
    channels: dict[ChannelName, Channel],
    writer: Writer,
    publisher: Publisher,
    keyring: Keyring,
    idle_s: float = IDLE_S,
    off: Off = ALL_ON,
    telemetry: Telemetry | None = None,
) -> None:
    """All loops on these ports, until the bell stops."""
    telemetry = telemetry or Telemetry()
    meter = Meter(telemetry.meters)
    outbox = Outbox(store, settings.limits(off), scenario=settings.scenario)
    intake = reader(consumer, outbox, bell, seal=keyring.seal_bytes, restored=settings.restored, telemetry=telemetry)
    reconciler = Reconciler(outbox, channels, writer, look_up_s=settings.send_seconds, meter=meter)

    def watch(work: str) -> Callable[[], AbstractContextManager[None]]:
        within = max(WORK_WITHIN_SECONDS, 3 * settings.send_seconds)
        return lambda: telemetry.health.awaiting(work, within)

    LOG.info("notifier starts", channels=",".join(sorted(channels)), workers=settings.workers)
    published = Bell()
    async with asyncio.TaskGroup() as outer:
        outer.create_task(
            keep_turning(publisher.turn, published, idle_s=min(idle_s, PUBLISH_IDLE_S), watch=watch("publisher"))
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(intake.run(lambda: bell.stopped))
            if telemetry.seen:
                group.create_task(keep_counting(store, meter, bell))
            patience = RECONCILE_EACH * idle_s
            group.create_task(keep_turning(reconciler.turn, bell, idle_s=patience, watch=watch("reconciler")))
            group.create_task(keep_turning(Lookout(outbox, tuple(channels), bell).turn, bell, idle_s=idle_s))
            for name, channel in channels.items():
                for number in range(settings.workers):
                    sender = Sender(
                        outbox, name, channel, writer, batch=settings.batch, send_s=settings.send_seconds, meter=meter
                    )
                    turns = watch(f"{name} sender {number}")
                    group.create_task(keep_turning(sender.turn, bell, idle_s=max(idle_s, SENDERS_IDLE_S), watch=turns))
        published.stop()
    while await publisher.turn():
        pass
    LOG.info("notifier stopped")
