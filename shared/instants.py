"""Instants as integer milliseconds UTC, and their written forms. Knows calendars and zones; not what time it is."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

EARLIEST = 946_684_800_000
"""2000-01-01T00:00:00Z: no shop event is older."""

LATEST = 4_133_980_800_000 - 1
"""The last millisecond of the year 2100 (UTC)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_SECOND = timedelta(seconds=1)

_LOCAL = r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,3})\d{0,9})?"
_DATE_AND_TIME = re.compile(_LOCAL, re.ASCII)
_INSTANT = re.compile(_LOCAL + r"([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,40}(?:/[A-Za-z0-9_+-]{1,40}){0,2}", re.ASCII)


def parse_instant(text: str) -> int:
    """Milliseconds since 1970 UTC of an RFC 3339 text; a fraction finer than a millisecond is cut off.

    ValueError names the reason: not RFC 3339, no offset, no such date or time, or outside the years 2000-2100.
    """
    written = _INSTANT.fullmatch(text)
    if written is None:
        raise ValueError(_what_is_wrong(text))
    second, fraction, offset = written.groups()
    instant = _second_written(second, offset) * 1_000 + (int(fraction.ljust(3, "0")) if fraction else 0)
    if not EARLIEST <= instant <= LATEST:
        raise ValueError("must lie in the years 2000 to 2100")
    return instant


def _what_is_wrong(text: str) -> str:
    local = _DATE_AND_TIME.match(text)
    if local is None:
        return "must be an RFC 3339 date and time such as 2025-06-30T09:21:33.123+08:00"
    if local.end() == len(text):
        return "must end with an offset from UTC such as Z or +08:00"
    return "must end with a valid offset from UTC such as Z or +08:00"


@functools.lru_cache(maxsize=4_096)
def _second_written(local: str, offset: str) -> int:
    """Seconds since 1970 UTC: what happens now happens within the same few."""
    try:
        return (datetime.fromisoformat((local + offset).upper()) - _EPOCH) // _SECOND
    except ValueError:
        raise ValueError("must be a date and time that exist in the calendar") from None


def format_instant(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`; OverflowError outside the years 1-9999."""
    seconds, rest = divmod(ms, 1_000)
    return f"{_whole_second(seconds)}.{rest:03d}Z"


@functools.lru_cache(maxsize=4_096)
def _whole_second(seconds: int) -> str:
    """What happens now happens within the same few seconds."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().removesuffix("+00:00")


def local_day(ms: int, zone: ZoneInfo) -> int:
    """The date that the shop's wall calendar shows at this instant, as days since 1970-01-01."""
    return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone).toordinal() - _EPOCH_ORDINAL


@functools.lru_cache(maxsize=128)
def parse_zone(name: str) -> ZoneInfo:
    """The IANA zone of this name, e.g. Asia/Shanghai; ValueError if there is none.

    Read from the pinned tzdata package, never from the machine, so that every worker keeps the same calendar.
    """
    if _ZONE_NAME.fullmatch(name) is not None:
        entry = resources.files("tzdata.zoneinfo").joinpath(*name.split("/"))
        if entry.is_file():
            with entry.open("rb") as file:
                try:
                    return ZoneInfo.from_file(file, key=name)
                except ValueError:  # a file of the package that is no zone, such as its index
                    pass
    raise ValueError("must be an IANA time zone such as Asia/Shanghai")
