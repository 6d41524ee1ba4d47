"""T5: `ce_id` of addresses and refused events: what is told again keeps its id, what is another has another."""

from __future__ import annotations

from pathlib import Path

import msgspec

from services.ingest.fields import EventRefusedError
from services.ingest.records import Request
from services.ingest.seal_memory import SealMemory
from shared.contract.topics import CONTACT_POINTS
from shared.engine.fold.batch import Emit
from shared.sealing import Keyring
from tests.shell.ingest.harness import Shopfront
from tests.support.event_ids import breaches


def named(records: list[Emit]) -> list[str]:
    return [dict(record.headers)["ce_id"].decode() for record in records]


async def test_t5_two_values_of_one_instant_are_two_addresses_and_a_repeated_event_keeps_its_id(tmp_path: Path) -> None:
    front = Shopfront(tmp_path, scenario=True)
    for event, phone in (("e1", "13812345678"), ("e2", "13887654321"), ("e1", "13812345678")):
        identity = {"type": "identify", "messageId": event, "userId": "M-1", "timestamp": "2025-06-02T04:00:00Z"}
        await front.segment(msgspec.json.encode({"batch": [identity | {"traits": {"phone": phone}}]}))
    points = front.publisher.of(CONTACT_POINTS.name)

    first, second, *repeated = named([one for one in points if one.key == points[0].key])
    assert first != second
    assert repeated == [first]


def test_t5_an_event_refused_twice_is_one_record_and_for_another_reason_another(tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "keyring")
    records: list[Emit] = []
    for received_at, reason, history in (
        (1, "is no event", False),
        (2, "is no event", False),
        (3, "lies ahead", False),
        (4, "is no event", True),
    ):
        request = Request("shop", keyring, SealMemory(lambda: 0.0), received_at=received_at)
        request.reject(EventRefusedError(f"batch[{received_at}]", reason), b"{}", history=history)
        records += request.records

    first, again, *others = named(records)
    assert first == again
    assert len({first, *others}) == 3
    assert breaches(records) == []
