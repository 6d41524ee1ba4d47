"""Numbers and instants as people read them; knows zone and currency, no language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

SPAN_SECONDS: Final = 100


def grouped(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def money(minor: int, exponent: int, currency: str) -> str:
    """Minor units with the currency's code, in whole units: what is counted in millions needs no cents."""
    return f"{currency} {minor // 10**exponent:,}"


def rate(per_second: float) -> str:
    """A rate with one decimal where it says something."""
    return f"{per_second:,.0f}" if per_second >= SPAN_SECONDS or per_second == 0 else f"{per_second:,.1f}"


def seconds(span: float) -> str:
    """A span in seconds: one decimal, none from 100 on."""
    return f"{span:,.0f}" if span >= SPAN_SECONDS or span == 0 else f"{span:.1f}"


def percent(part: int, whole: int) -> str:
    """A share with one decimal; an empty whole has none."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def width(part: int, whole: int) -> str:
    """A share as the width of a bar on a scale of 100."""
    return f"{100 * part / whole:.2f}" if whole else "0"


def moment(ms: int, zone: ZoneInfo) -> datetime:
    """The instant on the shop's wall clock."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(zone)


def day_and_time(ms: int, zone: ZoneInfo) -> str:
    """2025-11-08 14:00."""
    return f"{moment(ms, zone):%Y-%m-%d %H:%M}"


def day_and_second(ms: int, zone: ZoneInfo) -> str:
    """2025-11-08 14:00:05."""
    return f"{moment(ms, zone):%Y-%m-%d %H:%M:%S}"


def printable(text: str) -> str:
    """The text with everything that a terminal or a page might obey, or not show, written as an escape."""
    return "".join(each if each == " " or each.isprintable() else _escaped(each) for each in text)


def _escaped(each: str) -> str:
    return f"\\x{ord(each):02x}" if ord(each) < 256 else f"\\u{ord(each):04x}"
