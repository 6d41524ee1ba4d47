"""The bench's day in Segment's shape says what the typed day says, and intake takes all of it."""

from __future__ import annotations

import json

from services.ingest import segment, typed
from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from shared.shop import Shop
from tests.bench import segment_load, workload

AT = 1_772_416_857_000
DESK = Desk(Shop(), Pepper(bytes(range(32))))


def test_both_shapes_become_the_same_facts() -> None:
    day = list(workload.day("d", 200, AT, per_second=100))
    messages = segment_load.messages("d", 200, AT, per_second=100)

    for event, message in zip(day, messages, strict=True):
        by_typed = typed.take(event, DESK, source="s")
        by_segment = segment.take(message, DESK, source="s", received_at=AT)
        assert by_segment.person.customer == by_typed.person.customer
        assert by_segment.facts == by_typed.facts
    assert {message["event"] for message in messages} == {"Order Completed", "Product Viewed"}


def test_batches_hold_every_message_once_in_order() -> None:
    messages = segment_load.messages("d", 250, AT, per_second=100)

    bodies = [json.loads(body)["batch"] for body in segment_load.batches(messages, 100)]

    assert [len(body) for body in bodies] == [100, 100, 50]
    assert [message["messageId"] for body in bodies for message in body] == [each["messageId"] for each in messages]
