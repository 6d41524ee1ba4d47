"""`python -m tests.bench.aggregator.stock_faust worker`: the job as Faust's own guide would write it: an agent, event by event, and a table."""

from __future__ import annotations

from typing import Any

import faust
import uvloop

from tests.bench.aggregator.job import apply
from tests.bench.aggregator.told import Told, told


def application(names: Told) -> Any:
    """The app, to be run by Faust's worker command."""
    app = faust.App(
        names.job,
        broker=f"kafka://{names.bootstrap}",
        store="memory://",
        datadir=names.directory,
        web_enabled=False,
        topic_disable_leader=True,
        topic_partitions=names.partitions,
        topic_replication_factor=1,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=names.instance,
        broker_session_timeout=10,
        broker_heartbeat_interval=3,
        worker_redirect_stdouts=False,
    )
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    events, answers = app.topic(names.input, **raw), app.topic(names.answers, **raw)
    table = app.Table("kept", partitions=names.partitions, key_type=bytes, value_type=bytes)

    async def take(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            table[event.key], said = apply(
                table.get(event.key),
                event.value,
                partition=message.partition,
                offset=message.offset,
                appended=round(message.timestamp * 1000),
            )
            await answers.send(key=event.key, value=said)

    app.agent(events, name="take")(take)
    return app


if __name__ == "__main__":
    uvloop.install()
    application(told()).main()
