"""Where a customer stands between new and churned, from his first and last order; knows elapsed time, no calendar."""

from __future__ import annotations

from shared.shop import DAY, Bounds


def stage(now: int, first: int | None, last: int | None, bounds: Bounds) -> str:
    """Lifecycle at `now`; instants in ms, None without orders."""
    if first is None or last is None:
        return "none"
    if now - last > bounds.churned * DAY:
        return "churned"
    if now - last > bounds.silent * DAY:
        return "silent"
    if now - first <= bounds.new * DAY:
        return "new"
    return "loyal" if now - first >= bounds.loyal * DAY else "active"


def warned(now: int, last: int | None, bounds: Bounds) -> bool:
    """The sleep warning 沉睡预警."""
    return last is not None and bounds.silent * DAY < now - last <= bounds.warning_until * DAY


def turning_points(first: int | None, last: int | None, bounds: Bounds) -> list[int]:
    """Every instant at which time alone may move him."""
    if first is None or last is None:
        return []
    after_last = [last + days * DAY + 1 for days in (bounds.silent, bounds.warning_until, bounds.churned)]
    return [*after_last, first + bounds.new * DAY + 1, first + bounds.loyal * DAY]
