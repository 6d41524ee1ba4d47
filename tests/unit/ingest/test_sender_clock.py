"""A sender's wrong clock is put right where that can be known, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingest import segment
from services.ingest.fields import EventRefusedError, Fields
from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from services.ingest.sender_clock import Instants, instants
from shared.contract.facts import OrderPlaced
from shared.instants import format_instant
from shared.shop import Shop

RECEIVED = 1_760_000_000_000
HOUR = 3_600_000


def read(sent: int | None, **stamps: int) -> Instants:
    message = Fields({name: format_instant(at) for name, at in stamps.items()})
    return instants(message, sent_at=None if sent is None else format_instant(sent), received_at=RECEIVED)


@pytest.mark.parametrize("skew", [-400 * 24 * HOUR, -HOUR, -5_001, 5_001, HOUR, 400 * 24 * HOUR])
@pytest.mark.parametrize("name", ["timestamp", "originalTimestamp"])
@pytest.mark.parametrize("ago", [0, 1, 90_000])
def test_a_clock_that_is_wrong_by_hours_is_put_right_to_the_millisecond(skew: int, name: str, ago: int) -> None:
    told = RECEIVED + skew - ago

    assert read(RECEIVED + skew, **{name: told}) == (told, RECEIVED - ago)


@pytest.mark.parametrize("way", [-5_000, -1, 0, 300, 5_000])
def test_what_may_be_the_way_changes_nothing(way: int) -> None:
    assert read(RECEIVED - way, timestamp=RECEIVED - 90_000).at == RECEIVED - 90_000


@pytest.mark.parametrize(
    ("sent", "stamps"),
    [
        (None, {"timestamp": RECEIVED + HOUR}),
        (RECEIVED + HOUR, {"timestamp": RECEIVED - HOUR, "originalTimestamp": RECEIVED}),
        (RECEIVED + HOUR, {"timestamp": RECEIVED - HOUR, "receivedAt": RECEIVED}),
    ],
)
def test_without_sent_at_and_after_another_s_correction_the_instant_stays(
    sent: int | None, stamps: dict[str, int]
) -> None:
    assert read(sent, **stamps) == (stamps["timestamp"], stamps["timestamp"])


def test_without_a_stamp_it_happened_when_it_came_whatever_sent_at_says() -> None:
    assert read(RECEIVED + HOUR) == (RECEIVED, RECEIVED)


def test_a_message_s_own_sent_at_goes_before_the_batch_s() -> None:
    assert read(RECEIVED, timestamp=RECEIVED + HOUR, sentAt=RECEIVED + HOUR).at == RECEIVED


@pytest.mark.parametrize("sent", ["yesterday", "2025-06-30T09:21:33", 17, [], {}])
def test_an_unreadable_sent_at_is_passed_over(sent: Any) -> None:
    assert instants(Fields({"timestamp": format_instant(RECEIVED)}), sent_at=sent, received_at=RECEIVED).at == RECEIVED


def test_an_instant_that_leaves_our_years_is_refused() -> None:
    with pytest.raises(EventRefusedError, match=r"^timestamp: must lie in the years 2000 to 2100 after sentAt"):
        read(4_000_000_000_000, timestamp=960_000_000_000)


def test_updates_of_an_order_are_ordered_by_the_sender_s_clock() -> None:
    """Two updates sent a moment apart may be put right by different amounts: their order must not turn."""
    order = {"type": "track", "event": "Order Updated", "userId": "m1", "properties": {"order_id": "o1", "total": 1}}

    def version(told: int, sent: int) -> int:
        message = order | {"messageId": str(told), "timestamp": format_instant(told)}
        desk = Desk(Shop(), Pepper(bytes(range(32))))
        (fact,) = segment.take(message, desk, source="shop", received_at=RECEIVED, sent_at=format_instant(sent)).facts
        assert isinstance(fact, OrderPlaced)
        assert fact.at == RECEIVED - (sent - told)
        return fact.version

    assert version(RECEIVED + HOUR, RECEIVED + HOUR + 900) < version(RECEIVED + HOUR + 10, RECEIVED + HOUR + 10)


def test_an_event_without_id_is_the_same_when_it_is_sent_again() -> None:
    message = {"type": "track", "event": "X", "userId": "m1", "timestamp": format_instant(RECEIVED)}
    desk = Desk(Shop(), Pepper(bytes(range(32))))
    ids = {
        segment.take(message | {"sentAt": format_instant(sent)}, desk, source="shop", received_at=RECEIVED).facts[0].id
        for sent in (RECEIVED, RECEIVED + 1)
    }
    assert len(ids) == 1
