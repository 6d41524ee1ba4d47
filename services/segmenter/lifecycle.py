"""Lifecycle stage and sleep warning, and when time alone moves them; knows a customer's two instants, no clock."""

from __future__ import annotations

from shared.contract.origin import NEVER
from shared.shop import DAY, Bounds


def stage_at(first: int | None, last: int | None, at: int, bounds: Bounds) -> str:
    """The stage at `at` (ms) of a customer with these first and last orders: the coldest that holds wins."""
    if first is None or last is None:
        return "none"
    quiet = at - last
    if quiet > bounds.churned * DAY:
        return "churned"
    if quiet > bounds.silent * DAY:
        return "silent"
    tenure = at - first
    if tenure <= bounds.new * DAY:
        return "new"
    return "loyal" if tenure >= bounds.loyal * DAY else "active"


def warned_at(last: int | None, at: int, bounds: Bounds) -> bool:
    """Whether the sleep warning (沉睡预警) holds at `at`: silent, but not yet beyond `warning_until`."""
    return last is not None and bounds.silent * DAY < at - last <= bounds.warning_until * DAY


def next_edge(first: int | None, last: int | None, after: int, bounds: Bounds) -> int:
    """The first instant above `after` at which time alone may move stage or warning; NEVER if there is none."""
    if first is None or last is None:
        return NEVER
    due = NEVER
    for edge in (
        last + bounds.silent * DAY + 1,
        last + bounds.warning_until * DAY + 1,
        last + bounds.churned * DAY + 1,
        first + bounds.new * DAY + 1,
        first + bounds.loyal * DAY,
    ):
        if after < edge < due:
            due = edge
    return due
