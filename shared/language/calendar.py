"""Quiet hours and birthdays by the customer's wall clock, exact across changes of the clocks; knows no customer."""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from shared.instants import parse_zone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_BIRTHDAY: Final = re.compile(r"(?:-|(\d{4}))-(\d\d)-(\d\d)", re.ASCII)
_LEAP_YEAR: Final = 2000


def minute_of_day(text: str) -> int:
    """Minutes since midnight of "HH:MM"."""
    return int(text[:2]) * 60 + int(text[3:])


def zone_or(name: str, default: ZoneInfo) -> ZoneInfo:
    """The zone of this name; `default` where it names none."""
    return (_zone(name) if name else None) or default


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return parse_zone(name)
    except ValueError:
        return None


def _local(instant: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone)


def instants_of(day: date, minute: int, zone: ZoneInfo) -> tuple[int, ...]:
    """The instants, ascending, at which a local clock shows this minute of this day.

    One as a rule, two where the clocks go back over it; where they skip it, the first instant after the gap.
    """
    naive = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
    early, late = ((naive.replace(fold=fold) - _EPOCH) // _SECOND for fold in (0, 1))
    if early == late:
        return (early * 1000,)
    if early < late:
        return (early * 1000, late * 1000)
    # In a gap fold 0 reads the offset before the change and so lands behind it, fold 1 lands before it.
    after = _local(early * 1000, zone).utcoffset()
    seconds = range(late, early)
    gap_end = bisect_left(seconds, True, key=lambda second: _local(second * 1000, zone).utcoffset() == after)
    return ((late + gap_end) * 1000,)


def is_quiet(instant: int, start: int, end: int, *, zone: ZoneInfo) -> bool:
    """Whether the local time lies in [start, end), minutes of the day; the span may go over midnight."""
    local = _local(instant, zone)
    minute = local.hour * 60 + local.minute
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


def quiet_until(instant: int, start: int, end: int, *, zone: ZoneInfo) -> int | None:
    """None outside quiet hours; inside, the first instant above at which a local clock shows their end."""
    if not is_quiet(instant, start, end, zone=zone):
        return None
    today = _local(instant, zone).date()
    # Days around: the clocks may go back over the end, and a day that a zone skipped has no end of its own.
    days = (today + timedelta(days=shift) for shift in range(-1, 4))
    ends = (moment for day in days for moment in instants_of(day, end, zone))
    return min(moment for moment in ends if moment > instant and not is_quiet(moment, start, end, zone=zone))


@lru_cache(maxsize=4096)
def _month_and_day(birthday: str) -> tuple[int, int] | None:
    match = _BIRTHDAY.fullmatch(birthday)
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        date(int(year or _LEAP_YEAR), int(month), int(day))
    except ValueError:
        return None
    return int(month), int(day)


@lru_cache(maxsize=16384)
def _birthday_in(year: int, month_and_day: tuple[int, int], *, minute: int, days_before: int, zone: ZoneInfo) -> int:
    month, day = month_and_day
    if (month, day) == (2, 29) and not (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)):
        day = 28
    return instants_of(date(year, month, day) - timedelta(days=days_before), minute, zone)[0]


def next_birthday(
    birthday: str, after: int, *, minute: int, days_before: int, zone: ZoneInfo
) -> tuple[int, int] | None:
    """(instant, year) of the first birthday whose instant is strictly above `after`; None if the text is no date.

    `birthday` is YYYY-MM-DD or --MM-DD; the instant is at the local `minute` of the day, `days_before` days earlier.
    29 February falls on the 28th in other years.
    """
    month_and_day = _month_and_day(birthday)
    if month_and_day is None:
        return None
    this_year = _local(after, zone).year
    years = range(this_year, this_year + 3)  # up to 60 days before, January's belong to the year before
    for year in years:
        instant = _birthday_in(year, month_and_day, minute=minute, days_before=days_before, zone=zone)
        if instant > after:
            return instant, year
    return None
