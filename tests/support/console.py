"""A console without broker and database: made-up figures of a shop with five thousand customers."""

from __future__ import annotations

import msgspec

from services.console.figures import Cell, DecisionShown, Movement, Reading, deliveries, population, throughput
from services.console.lag import GroupLag, LagBoard

NOW = 1_763_000_000_000
LOGICAL_NOW = 1_762_588_805_000
CLASSES = (
    ("important_value", "loyal", 812),
    ("important_develop", "active", 431),
    ("important_keep", "silent", 286),
    ("important_winback", "churned", 371),
    ("general_value", "active", 594),
    ("general_develop", "new", 642),
    ("general_keep", "silent", 318),
    ("general_winback", "churned", 1_204),
    ("unclassified", "churned", 342),
)
REASONS = (
    ("repurchase-reminder", "send", "sent", "wecom", "delivered"),
    ("silent-recall", "skip", "outranked", "", ""),
    ("sleep-warning", "skip", "outranked", "", ""),
    ("birthday", "defer", "quiet-hours", "", ""),
    ("browse-no-order", "skip", "repurchased", "", ""),
    ("thank-you", "send", "sent", "email", "sent"),
    ("churn-recall", "defer", "cap", "", ""),
    ("churn-recall", "skip", "holdout", "", ""),
    ("browse-no-order", "send", "sent", "sms", "delivered"),
    ("repurchase-reminder", "skip", "consent", "", ""),
    ("birthday", "send", "sent", "staff_task", "sent"),
    ("silent-recall", "skip", "channel", "", ""),
    ("repurchase-reminder", "send", "sent", "sms", "commanded"),
)


def decision(number: int, rule: str, verdict: str, reason: str, *, channel: str = "", state: str = "") -> DecisionShown:
    return DecisionShown(
        id=f"decision-{number}",
        customer=f"c{1000 + 37 * number}",
        rule=rule,
        verdict=verdict,
        reason=reason,
        detail="",
        until=LOGICAL_NOW + 11 * 3_600_000 if verdict == "defer" else None,
        effective_at=LOGICAL_NOW - 1_000,
        decided_at=LOGICAL_NOW - number * 47_000,
        channel=channel,
        state=state,
    )


def shop_reading() -> Reading:
    """Figures as a busy shop has them."""
    seconds = [(NOW // 1000 - age, "product.viewed", 180 + (age * 53) % 90) for age in range(61)]
    seconds += [(NOW // 1000 - age, "order.placed", 20 + (age * 7) % 13) for age in range(61)]
    totals = [("product.viewed", 184_332), ("order.placed", 20_417), ("message.reported", 9_120)]
    totals += [("consent.set", 14_021), ("traits.set", 5_000), ("order.refunded", 611)]
    counts = [
        ("repurchase-reminder", "wecom", "delivered", 1_310, 702, 233),
        ("repurchase-reminder", "wecom", "failed", 14, 0, 0),
        ("repurchase-reminder", "sms", "delivered", 822, 0, 120),
        ("repurchase-reminder", "sms", "commanded", 4, 0, 0),
        ("silent-recall", "sms", "delivered", 441, 0, 41),
        ("birthday", "staff_task", "sent", 208, 0, 0),
        ("thank-you", "email", "sent", 377, 171, 60),
        ("thank-you", "email", "assumed_sent", 2, 0, 0),
        ("browse-no-order", "sms", "expired", 3, 0, 0),
    ]
    return Reading(
        taken_at=NOW,
        logical_now=LOGICAL_NOW,
        population=population(
            Cell(stage, stage == "silent", name, number, 4 * number, 61_234 * number) for name, stage, number in CLASSES
        ),
        movements=(Movement("lifecycle", "active", "silent", 812),),
        throughput=throughput(totals, seconds, NOW),
        messages=deliveries(counts),
        decisions=tuple(
            decision(number, rule, verdict, reason, channel=channel, state=state)
            for number, (rule, verdict, reason, channel, state) in enumerate(REASONS)
        ),
        verdicts=(
            ("send", "sent", 3_181),
            ("skip", "outranked", 1_904),
            ("skip", "consent", 877),
            ("defer", "quiet-hours", 640),
            ("skip", "holdout", 322),
            ("defer", "cap", 201),
            ("skip", "repurchased", 118),
        ),
    )


def empty_reading() -> Reading:
    """Figures of the first second of an installation."""
    return Reading(
        taken_at=NOW,
        logical_now=0,
        population=population([]),
        movements=(),
        throughput=throughput([], [], NOW),
        messages=(),
        decisions=(),
        verdicts=(),
    )


def group(name: str, records: int, seconds: float, state: str) -> GroupLag:
    return msgspec.convert(
        {"group": name, "records": records, "seconds": seconds, "state": state, "topics": {"t": records}}, GroupLag
    )


BOARD = LagBoard(
    at=NOW,
    groups=(
        group("profile", 112, 0.1, "ok"),
        group("segmenter", 18_204, 14.2, "slow"),
        group("trigger-engine", 5_121, 132.0, "stalled"),
        group("notifier", 3, 0.4, "ok"),
        group("console", 0, 0.0, "ok"),
    ),
)


class FixedReadings:
    """Always the same figures."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def reading(self) -> Reading:
        return self._reading


class FixedBoard:
    """Always the same lags."""

    def __init__(self, board: LagBoard = BOARD) -> None:
        self.board = board
