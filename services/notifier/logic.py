"""The outbox state machine: what each finding makes of a command; pure, knows no store, provider or clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

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

ENDS = (State.DELIVERED, State.FAILED, State.EXPIRED, State.SUPPRESSED, State.CANCELLED, State.ABANDONED)
"""States that nothing follows."""

TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset(
        {
            State.SENDING,
            State.FAILED,
            State.EXPIRED,
            State.SUPPRESSED,
            State.CANCELLED,
            State.DELIVERED,  # a receipt that came after "not found"
        }
    ),
    State.SENDING: frozenset(
        {State.SENT, State.AWAITING_STAFF, State.UNKNOWN, State.PENDING, State.FAILED, State.DELIVERED}
    ),
    State.UNKNOWN: frozenset(
        {
            State.SENT,
            State.AWAITING_STAFF,
            State.ASSUMED_SENT,
            State.DELIVERED,
            State.FAILED,
            State.PENDING,
            State.EXPIRED,
            State.ABANDONED,
        }
    ),
    State.AWAITING_STAFF: frozenset({State.SENT, State.DELIVERED, State.FAILED, State.EXPIRED}),
    State.SENT: frozenset({State.DELIVERED, State.FAILED}),
    State.ASSUMED_SENT: frozenset({State.DELIVERED, State.FAILED}),
    **dict.fromkeys(ENDS, frozenset[State]()),
}
"""From each state those that may follow."""

PATIENT = frozenset({State.PENDING, State.UNKNOWN, State.AWAITING_STAFF})
"""States in which a command may also be left for another look."""

DEDUPE_SHARE = 0.9
"""Of the time in which a provider suppresses a repeat, how much we rely on."""


class IllegalTransitionError(RuntimeError):
    """A command was about to take a way that the table does not have: a bug, never data."""


def legal(state: State, to: State) -> bool:
    """Whether the table has this way, or the command may stay where it is."""
    return to in TRANSITIONS[state] or (state is to and state in PATIENT)


def require_legal(state: State, to: State) -> None:
    """IllegalTransitionError unless legal."""
    if not legal(state, to):
        raise IllegalTransitionError(f"{state} never becomes {to}")


def may_run(channel: str, switches: frozenset[str]) -> bool:
    """Whether no kill switch (scopes `all`, `channel:<name>`) stops the whole channel."""
    return "all" not in switches and f"channel:{channel}" not in switches


def stopped_rules(switches: frozenset[str]) -> frozenset[str]:
    """Rules stopped by a switch of scope `rule:<id>`."""
    return frozenset(scope.removeprefix("rule:") for scope in switches if scope.startswith("rule:"))


def check(row: Row, checks: Checks, *, now: int, limits: Limits) -> Move:
    """The last look at a pending command, inside its claim: `sending` lets it go. `now` is logical."""
    if checks.cancelled is not None:
        return Move(to=State.CANCELLED, reason=checks.cancelled)
    if checks.suppressed is not None:
        return Move(to=State.SUPPRESSED, reason=checks.suppressed)
    if now > row.command.send_by and limits.expiry:
        return Move(to=State.EXPIRED, reason="send-by")
    return _recipient(row, checks, limits)


def _recipient(row: Row, checks: Checks, limits: Limits) -> Move:
    if row.command.channel in {"staff_task", "wecom"} and not row.command.guide:
        return Move(to=State.FAILED, reason="no-guide")
    if row.command.channel == "staff_task" or checks.sealed is not None:
        return Move(to=State.SENDING)
    if row.age_ms > limits.address_wait:
        return Move(to=State.FAILED, reason="no-address")
    return Move(to=State.PENDING, reason="address-awaited", wait_ms=min(1_000, limits.address_wait // 10))


def after_send(outcome: Outcome, row: Row, *, wall: int, limits: Limits) -> Move:
    """What the provider's answer to an attempt makes of it; `wall` is the present in ms."""
    match outcome:
        case Retry(after_ms=wait, reason=reason):
            longer = wait * 2 ** min(row.attempt_no - 1, 16)
            return Move(to=State.PENDING, reason=reason, wait_ms=min(longer, limits.longest_wait))
        case Defer(until_ms=until, reason=reason):
            return Move(to=State.PENDING, reason=reason, wait_ms=max(until - wall, 0))
        case PauseChannel(reason=reason):
            return Move(to=State.PENDING, reason=reason, pause=True)
        case RejectMessage(reason=reason):
            return Move(to=State.FAILED, reason=reason)
        case Unknown(reason=reason):
            return in_doubt(reason, limits)
        case _:
            return _settled(outcome)


def in_doubt(reason: str, limits: Limits) -> Move:
    """Of a lost answer or a lease that ran out: unknown, asked after the quiet period."""
    if limits.naive:
        return Move(to=State.PENDING, reason=reason)
    return Move(to=State.UNKNOWN, reason=reason, wait_ms=limits.quiet)


def after_look_up(found: Outcome | None, row: Row, able: Capabilities, *, now: int, limits: Limits) -> Move:
    """What a look-up makes of a command in doubt or awaiting staff; None: the provider does not know of it."""
    if found is None and row.state is State.UNKNOWN:
        return _not_found(row, able, now=now, limits=limits)
    match found:
        case Unknown() | PauseChannel() if row.state is State.UNKNOWN:
            return _open_question(row, found.reason, limits)
        case AwaitingStaff() | Unknown() | PauseChannel() if row.state is State.AWAITING_STAFF:
            return _unconfirmed(row, now=now, limits=limits)
        case None:
            return _unconfirmed(row, now=now, limits=limits)
        case _:
            return _settled(found)


def after_receipt(row: Row, status: Literal["delivered", "failed"], reason: str) -> Move | None:
    """What a provider's receipt makes of a command; None: nothing, it says what is known or contradicts an end."""
    to = State.DELIVERED if status == "delivered" else State.FAILED
    if row.attempt_no == 0 or to not in TRANSITIONS[row.state]:
        return None
    return Move(to=to, reason=reason)


def _settled(outcome: Outcome) -> Move:
    match outcome:
        case Accepted(provider_ref=ref):
            return Move(to=State.SENT, provider_ref=ref)
        case AwaitingStaff(provider_ref=ref):
            return Move(to=State.AWAITING_STAFF, provider_ref=ref)
        case Delivered(provider_ref=ref):
            return Move(to=State.DELIVERED, provider_ref=ref)
        case Undelivered(provider_ref=ref, reason=reason):
            return Move(to=State.FAILED, reason=reason, provider_ref=ref)
        case RejectRecipient(reason=reason, suppress=suppress):
            return Move(to=State.FAILED, reason=reason, suppress=suppress)
        case _:
            raise TypeError(f"{type(outcome).__name__} settles nothing")


def _not_found(row: Row, able: Capabilities, *, now: int, limits: Limits) -> Move:
    expired = now > row.command.send_by
    if able.lookup and able.lookup_complete:
        return Move(to=State.EXPIRED if expired else State.PENDING, reason="not-found")
    if not expired and row.since_start_ms < able.native_dedupe_ms * DEDUPE_SHARE:
        return Move(to=State.PENDING, reason="provider-suppresses-repeats")
    if not expired and limits.resend_service and row.command.purpose == "service" and not row.possible_duplicate:
        return Move(to=State.PENDING, reason="sent-again-in-doubt", again=True)
    if not able.lookup:
        return Move(to=State.ASSUMED_SENT, reason="no-look-up")
    return Move(to=State.ABANDONED, reason="look-up-proves-nothing")


def _open_question(row: Row, reason: str, limits: Limits) -> Move:
    if row.since_start_ms > limits.look_up_for:
        return Move(to=State.ABANDONED, reason=reason)
    wait = limits.quiet * 2 ** min(row.look_ups, 16)
    return Move(to=State.UNKNOWN, reason=reason, wait_ms=min(wait, limits.longest_wait))


def _unconfirmed(row: Row, *, now: int, limits: Limits) -> Move:
    if now > row.command.send_by and row.since_start_ms > limits.staff_wait:
        return Move(to=State.EXPIRED, reason="not-confirmed")
    return Move(to=State.AWAITING_STAFF, wait_ms=limits.staff_poll)
