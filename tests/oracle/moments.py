"""Local times as instants: birthdays and quiet hours in a zone; knows calendars, no customers."""

from __future__ import annotations

import calendar
import functools
import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.instants import parse_zone
from shared.language.policy import QuietHours

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEARS = range(2000, 2102)
"""One more than events may have: of the last year's end a birthday may already be announced."""
_BIRTHDAY = re.compile(r"(?:\d{4}|-)-(\d\d)-(\d\d)", re.ASCII)


def zone_of(wanted: str, otherwise: str) -> ZoneInfo:
    """The customer's zone where it is a valid one, else the shop's."""
    try:
        return parse_zone(wanted)
    except ValueError:
        return parse_zone(otherwise)


def wall(instant: int, zone: ZoneInfo) -> datetime:
    """What calendar and clock on the wall show at `instant` (ms), without zone."""
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone).replace(tzinfo=None, fold=0)


def instant_of(local: datetime, zone: ZoneInfo) -> int:
    """The first instant (ms) at which the wall shows `local`; where it never does, the first after the gap."""
    earlier, later = sorted(_utc(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if wall(earlier, zone) == local:
        return earlier
    if wall(later, zone) == local:
        return later
    while later - earlier > 1:
        middle = (earlier + later) // 2
        earlier, later = (middle, later) if wall(middle, zone) < local else (earlier, middle)
    return later


def _utc(aware: datetime) -> int:
    return (aware.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


@functools.cache
def birthdays(birthday: str, *, days_before: int, at: str, zone: ZoneInfo) -> tuple[tuple[int, int], ...]:
    """(instant at which it is due, year) of the birthday in every year that events may have; () if the text is none."""
    found = _BIRTHDAY.fullmatch(birthday)
    if found is None:
        return ()
    month, day = int(found[1]), int(found[2])
    try:
        date(2000, month, day)
    except ValueError:
        return ()
    hour = time.fromisoformat(at)
    due = []
    for year in YEARS:
        short = (month, day) == (2, 29) and not calendar.isleap(year)
        shown = date(year, month, 28 if short else day) - timedelta(days=days_before)
        due.append((instant_of(datetime.combine(shown, hour), zone), year))
    return tuple(due)


def quiet_until(instant: int, quiet: QuietHours, zone: ZoneInfo) -> int | None:
    """The end of the quiet hours in which `instant` lies; None outside them."""
    local = wall(instant, zone)
    start, end, shown = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end), local.time()
    inside = start <= shown < end if start <= end else shown >= start or shown < end
    if not inside:
        return None
    ends = (instant_of(datetime.combine(local.date() + timedelta(days=days), end), zone) for days in (0, 1, 2))
    return next(until for until in ends if until > instant)
