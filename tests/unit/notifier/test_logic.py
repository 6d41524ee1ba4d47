"""The outbox state machine, case by case: what a finding makes of a command."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from services.notifier import logic
from services.notifier.channels.contract import (
    Accepted,
    AwaitingStaff,
    Capabilities,
    Defer,
    Delivered,
    Outcome,
    PauseChannel,
    RejectMessage,
    RejectRecipient,
    Retry,
    Undelivered,
    Unknown,
)
from services.notifier.state import Checks, Limits, Move, Row, State
from shared.contract.commands import SendMessage
from shared.contract.facts import Channel, Purpose

LIMITS = Limits(lease=1_000, quiet=100, address_wait=500, longest_wait=5_000, look_up_for=10_000, staff_poll=70)
NOW = 1_000_000
COMPLETE = Capabilities(lookup=True, lookup_complete=True, native_dedupe_ms=0, human_confirm=False, receipts="push")
INCOMPLETE = msgspec.structs.replace(COMPLETE, lookup_complete=False)
BLIND = Capabilities(lookup=False, lookup_complete=False, native_dedupe_ms=0, human_confirm=False, receipts="none")
DEDUPING = msgspec.structs.replace(BLIND, native_dedupe_ms=1_000)


def _command(channel: Channel = "sms", *, purpose: Purpose = "marketing", guide: str = "g1") -> SendMessage:
    return SendMessage(
        command_id="c1",
        customer="u1",
        rule="r1",
        trigger_key="k1",
        channel=channel,
        purpose=purpose,
        template="t",
        alias="u1",
        field="phone",
        guide=guide,
        effective_at=0,
        decided_at=0,
        send_by=NOW,
        policy=1,
    )


def _row(state: State = State.PENDING, *, attempt_no: int = 0, look_ups: int = 0, age_ms: int = 0) -> Row:
    return Row(command=_command(), state=state, attempt_no=attempt_no, look_ups=look_ups, age_ms=age_ms)


@pytest.mark.parametrize(
    ("checks", "now", "expected"),
    [
        (Checks(sealed="s"), NOW, Move(to=State.SENDING)),
        (Checks(sealed="s"), NOW + 1, Move(to=State.EXPIRED, reason="send-by")),
        (Checks(sealed="s", suppressed="opt-out"), NOW + 1, Move(to=State.SUPPRESSED, reason="opt-out")),
        (Checks(sealed="s", suppressed="x", cancelled="bought"), NOW, Move(to=State.CANCELLED, reason="bought")),
        (Checks(), NOW, Move(to=State.PENDING, reason="address-awaited", wait_ms=50)),
    ],
)
def test_a_pending_command_goes_only_if_nothing_speaks_against_it(checks: Checks, now: int, expected: Move) -> None:
    assert logic.check(_row(), checks, now=now, limits=LIMITS) == expected


def test_an_address_is_awaited_for_a_bounded_time() -> None:
    move = logic.check(_row(age_ms=501), Checks(), now=NOW, limits=LIMITS)

    assert move == Move(to=State.FAILED, reason="no-address")


@pytest.mark.parametrize(
    ("channel", "guide", "expected"),
    [
        ("staff_task", "g1", State.SENDING),
        ("staff_task", "", State.FAILED),
        ("wecom", "", State.FAILED),
        ("wecom", "g1", State.PENDING),
    ],
)
def test_a_guide_is_needed_where_a_guide_acts(channel: Channel, guide: str, expected: State) -> None:
    row = Row(command=_command(channel, guide=guide), state=State.PENDING)

    assert logic.check(row, Checks(), now=NOW, limits=LIMITS).to is expected


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Accepted("p1"), Move(to=State.SENT, provider_ref="p1")),
        (AwaitingStaff("p1"), Move(to=State.AWAITING_STAFF, provider_ref="p1")),
        (Unknown("http-500"), Move(to=State.UNKNOWN, reason="http-500", wait_ms=100)),
        (Retry(200, "http-429"), Move(to=State.PENDING, reason="http-429", wait_ms=800)),
        (Retry(4_000, "http-429"), Move(to=State.PENDING, reason="http-429", wait_ms=5_000)),
        (Defer(NOW + 9_000, "day"), Move(to=State.PENDING, reason="day", wait_ms=9_000)),
        (Defer(NOW - 1, "past"), Move(to=State.PENDING, reason="past")),
        (PauseChannel("arrears"), Move(to=State.PENDING, reason="arrears", pause=True)),
        (RejectMessage("template"), Move(to=State.FAILED, reason="template")),
        (RejectRecipient("gone", suppress=True), Move(to=State.FAILED, reason="gone", suppress=True)),
    ],
)
def test_the_answer_to_the_third_attempt_decides(outcome: Outcome, expected: Move) -> None:
    row = _row(State.SENDING, attempt_no=3)

    assert logic.after_send(outcome, row, wall=NOW, limits=LIMITS) == expected


@pytest.mark.parametrize(
    ("found", "able", "now", "expected"),
    [
        (Accepted("p"), COMPLETE, NOW, State.SENT),
        (AwaitingStaff("p"), COMPLETE, NOW, State.AWAITING_STAFF),
        (Delivered("p"), COMPLETE, NOW, State.DELIVERED),
        (Undelivered("p", "off"), COMPLETE, NOW, State.FAILED),
        (Unknown("http-500"), COMPLETE, NOW, State.UNKNOWN),
        (PauseChannel("arrears"), COMPLETE, NOW, State.UNKNOWN),
        (None, COMPLETE, NOW, State.PENDING),
        (None, COMPLETE, NOW + 1, State.EXPIRED),
        (None, INCOMPLETE, NOW, State.ABANDONED),
        (None, BLIND, NOW, State.ASSUMED_SENT),
        (None, DEDUPING, NOW, State.PENDING),
    ],
)
def test_only_a_complete_look_up_or_a_deduping_provider_lets_a_doubt_go_again(
    found: Outcome | None, able: Capabilities, now: int, expected: State
) -> None:
    row = msgspec.structs.replace(_row(State.UNKNOWN, attempt_no=1), since_start_ms=200)

    assert logic.after_look_up(found, row, able, now=now, limits=LIMITS).to is expected


def test_a_provider_is_not_relied_on_to_the_end_of_its_dedupe_time() -> None:
    row = msgspec.structs.replace(_row(State.UNKNOWN, attempt_no=1), since_start_ms=950)

    assert logic.after_look_up(None, row, DEDUPING, now=NOW, limits=LIMITS).to is State.ASSUMED_SENT


@pytest.mark.parametrize(
    ("purpose", "allowed", "before", "expected"),
    [
        ("service", True, False, Move(to=State.PENDING, reason="sent-again-in-doubt", again=True)),
        ("service", True, True, Move(to=State.ASSUMED_SENT, reason="no-look-up")),
        ("service", False, False, Move(to=State.ASSUMED_SENT, reason="no-look-up")),
        ("marketing", True, False, Move(to=State.ASSUMED_SENT, reason="no-look-up")),
    ],
)
def test_a_service_message_in_doubt_goes_once_more_only_where_that_is_switched_on(
    purpose: Purpose, *, allowed: bool, before: bool, expected: Move
) -> None:
    row = Row(command=_command("email", purpose=purpose), state=State.UNKNOWN, attempt_no=1, possible_duplicate=before)
    limits = msgspec.structs.replace(LIMITS, resend_service=allowed)

    assert logic.after_look_up(None, row, BLIND, now=NOW, limits=limits) == expected


def test_a_question_that_stays_open_is_asked_less_often_and_given_up_in_the_end() -> None:
    asked = [
        logic.after_look_up(
            Unknown("busy"), _row(State.UNKNOWN, attempt_no=1, look_ups=times), COMPLETE, now=NOW, limits=LIMITS
        ).wait_ms
        for times in range(8)
    ]
    old = msgspec.structs.replace(_row(State.UNKNOWN, attempt_no=1), since_start_ms=10_001)

    assert asked == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]
    assert logic.after_look_up(Unknown("busy"), old, COMPLETE, now=NOW, limits=LIMITS).to is State.ABANDONED


@pytest.mark.parametrize("found", [AwaitingStaff("p"), Unknown("busy"), PauseChannel("arrears"), None])
@pytest.mark.parametrize(
    ("now", "since_start", "expected"),
    [
        (NOW, 90_000_000, State.AWAITING_STAFF),
        (NOW + 1, 86_400_000, State.AWAITING_STAFF),
        (NOW + 1, 86_400_001, State.EXPIRED),
    ],
)
def test_a_guide_has_until_send_by_and_at_least_a_day(
    found: Outcome | None, now: int, since_start: int, expected: State
) -> None:
    row = msgspec.structs.replace(_row(State.AWAITING_STAFF, attempt_no=1), since_start_ms=since_start)

    assert logic.after_look_up(found, row, COMPLETE, now=now, limits=LIMITS).to is expected


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        (State.SENT, "delivered", State.DELIVERED),
        (State.SENT, "failed", State.FAILED),
        (State.UNKNOWN, "delivered", State.DELIVERED),
        (State.SENDING, "delivered", State.DELIVERED),
        (State.PENDING, "delivered", State.DELIVERED),
        (State.ASSUMED_SENT, "failed", State.FAILED),
        (State.DELIVERED, "failed", None),
        (State.DELIVERED, "delivered", None),
        (State.FAILED, "delivered", None),
        (State.EXPIRED, "delivered", None),
    ],
)
def test_receipts_only_ever_lead_on(
    state: State, status: Literal["delivered", "failed"], expected: State | None
) -> None:
    move = logic.after_receipt(_row(state, attempt_no=1), status, "r")

    assert (move.to if move else None) is expected


def test_a_receipt_for_a_command_that_was_never_tried_says_nothing() -> None:
    assert logic.after_receipt(_row(State.PENDING), "delivered", "") is None


def test_naive_sending_admits_no_doubt() -> None:
    naive = msgspec.structs.replace(LIMITS, naive=True)

    assert logic.in_doubt("lease-lapsed", naive).to is State.PENDING
    assert logic.in_doubt("lease-lapsed", LIMITS).to is State.UNKNOWN


@pytest.mark.parametrize(
    ("switches", "runs"),
    [
        (frozenset[str](), True),
        (frozenset({"all"}), False),
        (frozenset({"channel:sms"}), False),
        (frozenset({"channel:email", "rule:r1"}), True),
    ],
)
def test_a_switch_stops_everything_or_one_channel(switches: frozenset[str], *, runs: bool) -> None:
    assert logic.may_run("sms", switches) is runs


def test_a_switch_can_stop_one_rule() -> None:
    assert logic.stopped_rules(frozenset({"all", "rule:r1"})) == {"r1"}


def test_a_way_the_table_does_not_have_is_refused() -> None:
    with pytest.raises(logic.IllegalTransitionError, match="sent never becomes pending"):
        logic.require_legal(State.SENT, State.PENDING)
