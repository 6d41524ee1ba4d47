from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from services.console.records import Message, merged
from shared.contract.broadcasts import Tick
from shared.contract.bundles import Segments
from shared.contract.commands import CancelMessage, SendMessage
from shared.contract.facts import MessageReported, OrderPlaced, ProductViewed
from shared.contract.public_records import CandidateDecided, DeliveryDecided, Gate, SegmentChanged, SegmentSnapshot
from shared.contract.topics import (
    CUSTOMER_EVENTS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    ROLL_KEY,
    SEGMENT_CHANGES,
    SEGMENTS,
)
from tests.unit.console.records import Stored, Tables, log_of


def snapshot(customer: str, *, stage: str, rfm: str, at: int, orders: int = 1, warned: bool = False) -> SegmentSnapshot:
    segments = Segments(lifecycle=stage, rfm=rfm, sleep_warning=warned)
    return SegmentSnapshot(customer=customer, seq=at, segments=segments, orders=orders, total=100 * orders, as_of=at)


def changed(customer: str, seq: int, before: str, after: str) -> SegmentChanged:
    return SegmentChanged(
        customer=customer,
        seq=seq,
        dimension="lifecycle",
        before=before,
        after=after,
        cause="event",
        effective_at=seq,
        detected_at=seq,
        cuts=0,
    )


def command(number: int, *, rule: str = "thank-you") -> SendMessage:
    return SendMessage(
        command_id=f"m{number}",
        customer="c1",
        rule=rule,
        trigger_key="o1",
        channel="sms",
        purpose="service",
        template="thank-you",
        effective_at=1,
        decided_at=1,
        send_by=9,
        policy=1,
    )


def delivery(number: int, state: str, at: int = 2) -> DeliveryDecided:
    return DeliveryDecided(
        id=f"d{number}{state}",
        command_id=f"m{number}",
        customer="c1",
        rule="thank-you",
        channel="sms",
        state=state,
        at=at,
    )


def decided(number: int, verdict: str = "send", reason: str = "sent") -> CandidateDecided:
    return CandidateDecided(
        id=f"x{number}",
        customer="c1",
        rule="thank-you",
        trigger_key="o1",
        effective_at=1,
        decided_at=number,
        verdict=verdict,  # type: ignore[arg-type]
        reason=reason,
        gates=(Gate("cap", "pass", "2 in 168 h"),),
        commands=(f"m{number}",) if verdict == "send" else (),
        policy=1,
    )


def order(number: int) -> OrderPlaced:
    return OrderPlaced(id=f"e{number}", at=number, order_id=f"o{number}", amount=100, currency="CNY")


def reported(number: int, status: str, at: int = 3) -> MessageReported:
    return MessageReported(
        id=f"r{number}{status}",
        at=at,
        command_id=f"m{number}",
        rule="thank-you",
        channel="sms",
        status=status,  # type: ignore[arg-type]
    )


LOGS: list[list[Stored]] = [
    log_of(
        CUSTOMER_EVENTS.name,
        ("c1", order(1)),
        (None, Tick(as_of=10, scenario=True)),
        ("c1", reported(1, "opened")),
        ("c2", ProductViewed(id="v", at=1, product="p")),
        ("c1", reported(1, "delivered")),
        ("c1", reported(2, "clicked")),
        (None, Tick(as_of=20, scenario=True)),
    ),
    log_of(
        SEGMENTS.name,
        ("c1", snapshot("c1", stage="new", rfm="none", at=1)),
        ("c2", snapshot("c2", stage="new", rfm="none", at=1)),
        ("c1", snapshot("c1", stage="silent", rfm="general_keep", at=5, warned=True)),
        ("c3", snapshot("c3", stage="loyal", rfm="important_value", at=5, orders=7)),
        ("c2", None),
        (ROLL_KEY.decode(), None),  # T8: nobody
        ("c1", snapshot("c1", stage="active", rfm="general_value", at=6, orders=2)),
    ),
    log_of(
        SEGMENT_CHANGES.name,
        ("c1", changed("c1", 1, "none", "new")),
        ("c1", changed("c1", 2, "new", "silent")),
        ("c3", changed("c3", 1, "none", "new")),
        ("c1", changed("c1", 3, "silent", "active")),
    ),
    log_of(
        OUTREACH_COMMANDS.name,
        ("c1", command(1)),
        ("c1", command(2)),
        ("c1", CancelMessage(command_id="m3", customer="c1", reason="bought", decided_at=1)),
        ("c1", command(3)),
    ),
    log_of(
        OUTREACH_DECISIONS.name,
        ("c1", decided(1)),
        ("c1", delivery(1, "sent")),
        ("c1", decided(2)),
        ("c1", decided(9, "skip", "outranked")),
        ("c1", delivery(2, "assumed_sent")),
        ("c1", delivery(1, "delivered", at=4)),
        ("c1", delivery(3, "expired")),
    ),
]


def told_at_once() -> Tables:
    tables = Tables()
    tables.take([record for log in LOGS for record in log])
    return tables


def test_population_counts_each_customer_once_where_he_stands_last() -> None:
    tables = told_at_once()
    assert tables.counted("population") == {
        ("active", False, "general_value"): (1, 2, 200),
        ("loyal", False, "important_value"): (1, 7, 700),
    }
    assert "c2" not in tables.customers, "a deleted customer is counted nowhere"


def test_a_message_stands_in_its_furthest_state_and_remembers_reactions() -> None:
    assert told_at_once().counted("message_count") == {
        ("thank-you", "sms", "delivered"): (1, 1, 0),
        ("thank-you", "sms", "assumed_sent"): (1, 1, 1),
        ("thank-you", "sms", "expired"): (1, 0, 0),
    }


def test_facts_are_counted_by_type_and_second_and_ticks_are_not() -> None:
    tables = told_at_once()
    assert tables.counted("event_total") == {
        ("order.placed",): (1,),
        ("message.reported",): (3,),
        ("product.viewed",): (1,),
    }
    assert tables.counted("event_second")[1_000, "order.placed"] == (1,)
    assert tables.logical_now == 20


def test_decisions_keep_reason_detail_and_first_command() -> None:
    tables = told_at_once()
    assert tables.counted("decision_count") == {
        ("thank-you", "send", "sent"): (2,),
        ("thank-you", "skip", "outranked"): (1,),
    }
    assert tables.decisions["x1"].command_id == "m1"
    assert tables.decisions["x1"].detail == "2 in 168 h"
    assert tables.decisions["x9"].command_id == ""


def test_a_candidate_looked_at_again_at_the_same_instant_stands_with_the_last_word() -> None:
    said = [("c1", decided(1, "defer", "half-person")), ("c1", decided(1, "skip", "consent"))]
    at_once, one_by_one = Tables(), Tables()
    at_once.take(log_of(OUTREACH_DECISIONS.name, *said))
    for number in (1, 2, 2):  # the last time as a service tells it again that died after its write
        one_by_one.take(log_of(OUTREACH_DECISIONS.name, *said[:number]))
    for tables in (at_once, one_by_one):
        assert tables.counted("decision_count") == {("thank-you", "skip", "consent"): (1,)}
        assert tables.decisions["x1"].reason == "consent"


def test_a_live_tick_from_the_future_and_a_scenario_tick_on_a_live_stack_are_not_believed() -> None:
    tables = Tables()
    ticks = (Tick(as_of=5_000), Tick(as_of=9_000_000_000), Tick(as_of=7_000, scenario=True))
    tables.take(log_of(CUSTOMER_EVENTS.name, *((None, tick) for tick in ticks)), scenario=False)
    assert tables.logical_now == 5_000


def test_a_change_that_a_service_told_twice_is_counted_once() -> None:
    tables = Tables()
    told = [("c1", changed("c1", 1, "none", "new")), ("c1", changed("c1", 2, "new", "active"))]
    tables.take(log_of(SEGMENT_CHANGES.name, *told, *told))
    assert tables.counted("movement") == {("lifecycle", "none", "new"): (1,), ("lifecycle", "new", "active"): (1,)}


def test_a_decision_command_and_delivery_told_twice_are_counted_once() -> None:
    once, twice = Tables(), Tables()
    commands, decisions = [("c1", command(1))], [("c1", decided(1)), ("c1", delivery(1, "sent"))]
    once.take(log_of(OUTREACH_COMMANDS.name, *commands) + log_of(OUTREACH_DECISIONS.name, *decisions))
    for log in (log_of(OUTREACH_COMMANDS.name, *commands * 2), log_of(OUTREACH_DECISIONS.name, *decisions * 2)):
        for record in log:
            twice.take([record])
    assert twice.amounts["message_count"] != {}
    for name in ("message_count", "decision_count"):
        assert twice.counted(name) == once.counted(name)


def test_what_cannot_be_read_is_counted_and_passed_over() -> None:
    good = log_of(CUSTOMER_EVENTS.name, ("c1", order(1)), ("c1", order(2)), ("c1", order(3)))
    records = [good[0]._replace(value=b"{"), good[1]._replace(value=b'{"type":"order.placed","at":"\xff"}'), good[2]]
    tables = Tables()
    tables.take(records)
    assert tables.unreadable == 2
    assert tables.counted("event_total") == {("order.placed",): (1,)}
    assert tables.positions == {(CUSTOMER_EVENTS.name, 0): 3}


@given(st.data())
def test_any_batches_and_replays_of_any_suffix_give_the_same_tables(data: st.DataObject) -> None:
    """Partitions advance in any interleaving; now and then some of them start again at an earlier place."""
    tables, places = Tables(), [0] * len(LOGS)
    for _ in range(data.draw(st.integers(0, 25))):
        which = data.draw(st.integers(0, len(LOGS) - 1))
        log, start = LOGS[which], places[which]
        if data.draw(st.booleans()):
            start = data.draw(st.integers(0, start))
        end = data.draw(st.integers(start, len(log)))
        tables.take(log[start:end])
        places[which] = max(places[which], end)
    for log, place in zip(LOGS, places, strict=True):
        tables.take(log[data.draw(st.integers(0, place)) :])
    assert tables.content() == told_at_once().content()


MESSAGES = st.builds(
    Message,
    rule=st.just("r"),
    channel=st.just("sms"),
    state=st.sampled_from(["commanded", "sent", "assumed_sent", "delivered", "failed"]),
    at=st.integers(0, 3),
    opened=st.booleans(),
    clicked=st.booleans(),
)


@given(MESSAGES, MESSAGES, MESSAGES)
def test_reports_about_a_message_may_come_in_any_order(first: Message, second: Message, third: Message) -> None:
    assert merged(first, second) == merged(second, first)
    assert merged(merged(first, second), third) == merged(first, merged(second, third))
    assert merged(first, first) == first
