"""What a stopped stack left behind, so that an upgrade met it: counted from its topics and its outbox."""

from __future__ import annotations

import msgspec

from deploy.demo.verdict import outbox_states
from services.trigger_engine.fold import TriggerFold
from services.trigger_engine.state import State
from shared.contract.topics import CUSTOMER_EVENTS, changelog
from shared.engine.state.head import PARTITION_KEY, counter_of, unpack
from shared.shop import Shop
from tests.oracle.reader import read_topic

_decode = msgspec.msgpack.Decoder(State).decode
NOT_GONE = ("pending", "sending", "unknown")


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Counts; an upgrade that met none of a kind proves nothing about it."""

    records: int
    """Of customer-events-v1."""
    customers: int
    merged: int
    """Ids that were handed over to another id and are redirects now."""
    waiting: int
    """Candidates that wait for their instant."""
    unsent: int
    """Messages in the outbox that no provider has taken."""

    @property
    def missing(self) -> list[str]:
        """Kinds of which there is none."""
        return [name for name, count in msgspec.structs.asdict(self).items() if not count]


async def left(kafka: str, database_url: str) -> Left:
    """Read while broker and database still run."""
    latest: dict[bytes, bytes] = {}
    for record in await read_topic(kafka, changelog("trigger_engine").name):
        if record.key is None or record.key == PARTITION_KEY:
            continue
        if record.value is None:
            latest.pop(record.key, None)
        elif counter_of(record.value) >= counter_of(latest.get(record.key, record.value)):
            latest[record.key] = record.value
    fold, merged, waiting = TriggerFold(Shop()), 0, 0
    for value in latest.values():
        head, body = unpack(value)
        merged += bool(head.links.redirect)
        waiting += len((_decode(body) if head.schema == fold.schema else fold.upgrade(head.schema, body)).waiting)
    states = await outbox_states(database_url)
    return Left(
        records=len(await read_topic(kafka, CUSTOMER_EVENTS.name)),
        customers=len(latest) - merged,
        merged=merged,
        waiting=waiting,
        unsent=sum(states.get(state, 0) for state in NOT_GONE),
    )
