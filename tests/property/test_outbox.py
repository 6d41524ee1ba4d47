"""Laws of the outbox: no illegal way and nothing accepted twice, whatever fails and whoever is killed."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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

LIMITS = Limits(lease=1_000, quiet=500, address_wait=2_000)
SEND_BY = 100
RECEIPT_STATES = {State.DELIVERED, State.FAILED}

instants = st.integers(0, 2 * SEND_BY)
durations = st.integers(0, 200_000_000)
reasons = st.just("r")
accepted = st.sampled_from([Accepted("p"), AwaitingStaff("p")])
refusals = st.one_of(
    st.builds(Retry, durations, reasons),
    st.builds(Defer, durations, reasons),
    st.builds(RejectRecipient, reasons, st.booleans()),
    st.builds(RejectMessage, reasons),
    st.builds(PauseChannel, reasons),
)
answers = st.one_of(accepted, refusals, st.builds(Unknown, reasons))
findings = st.one_of(
    st.none(),
    accepted,
    st.sampled_from([Delivered("p"), Undelivered("p", "r"), RejectRecipient("r", suppress=True)]),
    st.builds(Unknown, reasons),
    st.builds(PauseChannel, reasons),
)
capabilities = st.builds(
    Capabilities,
    lookup=st.booleans(),
    lookup_complete=st.booleans(),
    native_dedupe_ms=st.sampled_from([0, 14_400_000]),
    human_confirm=st.booleans(),
    receipts=st.just("none"),
)
limits = st.builds(Limits, resend_service=st.booleans())


def _command(**change: Any) -> SendMessage:
    command = SendMessage(
        command_id="c1",
        customer="u1",
        rule="r1",
        trigger_key="k1",
        channel="sms",
        purpose="marketing",
        template="t",
        alias="u1",
        field="phone",
        effective_at=0,
        decided_at=0,
        send_by=SEND_BY,
        policy=1,
    )
    return msgspec.structs.replace(command, **change)


commands = st.builds(
    _command,
    channel=st.sampled_from(["sms", "email", "wecom", "staff_task"]),
    purpose=st.sampled_from(["marketing", "service"]),
    guide=st.sampled_from(["", "g1"]),
)


def rows(state: State) -> st.SearchStrategy[Row]:
    return st.builds(
        Row,
        command=commands,
        state=st.just(state),
        attempt_no=st.integers(0 if state is State.PENDING else 1, 40),
        look_ups=st.integers(0, 100),
        possible_duplicate=st.booleans(),
        age_ms=durations,
        since_start_ms=durations,
    )


checks = st.builds(
    Checks,
    cancelled=st.none() | reasons,
    suppressed=st.none() | reasons,
    sealed=st.none() | reasons,
)


@given(rows(State.PENDING), checks, instants, limits)
def test_a_claim_takes_a_legal_way(row: Row, found: Checks, now: int, bounds: Limits) -> None:
    move = logic.check(row, found, now=now, limits=bounds)

    assert logic.legal(row.state, move.to)
    assert (move.to is State.SENDING) <= (
        found.cancelled is None and found.suppressed is None and now <= row.command.send_by
    )


@given(rows(State.SENDING), answers, instants, limits)
def test_an_answer_takes_a_legal_way_and_only_a_refusal_leads_back(
    row: Row, answer: Outcome, wall: int, bounds: Limits
) -> None:
    move = logic.after_send(answer, row, wall=wall, limits=bounds)

    assert logic.legal(row.state, move.to)
    assert (move.to is State.PENDING) <= isinstance(answer, Retry | Defer | PauseChannel)
    assert move.wait_ms >= 0


@given(st.sampled_from([State.UNKNOWN, State.AWAITING_STAFF]).flatmap(rows), findings, capabilities, instants, limits)
def test_a_look_up_takes_a_legal_way_and_marketing_goes_again_only_on_proof(
    row: Row, found: Outcome | None, able: Capabilities, now: int, bounds: Limits
) -> None:
    move = logic.after_look_up(found, row, able, now=now, limits=bounds)

    assert logic.legal(row.state, move.to)
    assert 0 <= move.wait_ms <= bounds.longest_wait
    if move.to is State.PENDING and row.command.purpose == "marketing":
        assert found is None
        assert (able.lookup and able.lookup_complete) or row.since_start_ms < able.native_dedupe_ms


@given(st.sampled_from(list(State)).flatmap(rows), st.sampled_from(["delivered", "failed"]))
def test_receipts_take_a_legal_way_and_never_lead_back(row: Row, status: Any) -> None:
    move = logic.after_receipt(row, status, "")

    assert move is None or (move.to in RECEIPT_STATES and logic.legal(row.state, move.to))


def test_what_was_sent_goes_nowhere_but_to_a_receipt_state() -> None:
    assert set(logic.TRANSITIONS) == set(State)
    assert logic.TRANSITIONS[State.SENT] == RECEIPT_STATES
    assert logic.TRANSITIONS[State.ASSUMED_SENT] == RECEIPT_STATES
    assert all(not logic.TRANSITIONS[state] for state in logic.ENDS)


@given(limits)
def test_a_lease_that_ran_out_is_a_doubt_and_never_pending(bounds: Limits) -> None:
    assert logic.in_doubt("lease-lapsed", bounds).to is State.UNKNOWN


class OneCommand(RuleBasedStateMachine):
    """One command, one provider whose look-up is complete, and workers that die anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.row = Row(command=_command(), state=State.PENDING)
        self.accepted = 0
        self.answer: Outcome | None = None
        self.now = 0

    def _take(self, move: Move) -> None:
        logic.require_legal(self.row.state, move.to)
        self.row = msgspec.structs.replace(self.row, state=move.to)

    @precondition(lambda self: self.row.state is State.PENDING)
    @rule()
    def claim(self) -> None:
        self._take(logic.check(self.row, Checks(sealed="s"), now=self.now, limits=LIMITS))
        if self.row.state is State.SENDING:
            self.row = msgspec.structs.replace(self.row, attempt_no=self.row.attempt_no + 1)
            self.answer = None

    @precondition(lambda self: self.row.state is State.SENDING and self.answer is None)
    @rule(takes=st.booleans(), answer=answers)
    def provider_answers(self, *, takes: bool, answer: Outcome) -> None:
        refusal = not isinstance(answer, Accepted | AwaitingStaff | Unknown)
        took = isinstance(answer, Accepted | AwaitingStaff) or (takes and not refusal)
        self.accepted += took
        self.answer = answer

    @precondition(lambda self: self.row.state is State.SENDING and self.answer is not None)
    @rule()
    def worker_notes_the_answer(self) -> None:
        assert self.answer is not None
        self._take(logic.after_send(self.answer, self.row, wall=0, limits=LIMITS))

    @precondition(lambda self: self.row.state is State.SENDING)
    @rule()
    def worker_dies_and_the_lease_runs_out(self) -> None:
        self._take(logic.in_doubt("lease-lapsed", LIMITS))

    @precondition(lambda self: self.row.state is State.UNKNOWN)
    @rule(busy=st.booleans())
    def reconcile(self, *, busy: bool) -> None:
        able = Capabilities(lookup=True, lookup_complete=True, native_dedupe_ms=0, human_confirm=False, receipts="none")
        truth: Outcome | None = Accepted("p") if self.accepted else None
        found = Unknown("busy") if busy else truth
        self._take(logic.after_look_up(found, self.row, able, now=self.now, limits=LIMITS))

    @precondition(lambda self: self.accepted > 0)
    @rule(status=st.sampled_from(["delivered", "failed"]))
    def receipt(self, status: Any) -> None:
        move = logic.after_receipt(self.row, status, "")
        if move is not None:
            self._take(move)

    @rule(by=st.integers(0, SEND_BY // 4))
    def time_passes(self, by: int) -> None:
        self.now += by

    @invariant()
    def it_is_accepted_at_most_once(self) -> None:
        assert self.accepted <= 1

    @invariant()
    def what_is_said_to_be_sent_was_accepted(self) -> None:
        if self.row.state in {State.SENT, State.AWAITING_STAFF, State.DELIVERED}:
            assert self.accepted == 1

    @invariant()
    def what_was_accepted_is_never_said_to_be_expired(self) -> None:
        if self.row.state in {State.EXPIRED, State.PENDING}:
            assert self.accepted == 0


OneCommand.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestOneCommand = OneCommand.TestCase
