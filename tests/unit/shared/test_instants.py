"""Instants: written with an offset, counted in milliseconds, shown on the shop's own calendar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.instants import EARLIEST, LATEST, format_instant, local_day, parse_instant, parse_zone


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-06-30T09:21:33.123+08:00", 1_751_246_493_123),
        ("2025-06-30T01:21:33.123Z", 1_751_246_493_123),
        ("2025-06-29t20:51:33.123-04:30", 1_751_246_493_123),
        ("2025-06-30T01:21:33z", 1_751_246_493_000),
        ("2025-06-30T01:21:33.1239999+00:00", 1_751_246_493_123),
        ("2025-06-30T01:21:33.1-00:00", 1_751_246_493_100),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2000-01-01T00:00:00Z", EARLIEST),
        ("2100-12-31T23:59:59.999Z", LATEST),
        ("1999-12-31T23:00:00-01:00", EARLIEST),
    ],
)
def test_rfc_3339_with_an_offset_is_read_to_the_millisecond(text: str, instant: int) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2025-06-30T09:21:33", "offset"),
        ("2025-06-30T09:21:33.123", "offset"),
        ("2025-06-30T09:21:33+0800", "offset"),
        ("2025-06-30T09:21:33+24:00", "offset"),
        ("2025-06-30T09:21:33+08:60", "offset"),
        ("2025-06-30T09:21:33Z ", "offset"),
        ("2025-06-30T09:21:33Asia/Shanghai", "offset"),
        ("2025-06-30", "RFC 3339"),
        ("1751246493", "RFC 3339"),
        ("1751246493123", "RFC 3339"),
        ("2025-06-30 09:21:33Z", "RFC 3339"),
        ("20250630T092133Z", "RFC 3339"),
        ("2025-W27-1T09:21:33Z", "RFC 3339"),
        ("٢٠٢٥-06-30T09:21:33Z", "RFC 3339"),
        ("", "RFC 3339"),
        ("2025-02-29T00:00:00Z", "exist"),
        ("2025-06-30T24:00:01Z", "exist"),
        ("2025-06-30T23:59:60Z", "exist"),
        ("0000-01-01T00:00:00Z", "exist"),
        ("0001-01-01T00:00:00+23:59", "2000 to 2100"),
        ("9999-12-31T23:59:59-23:59", "2000 to 2100"),
        ("1999-12-31T23:59:59.999Z", "2000 to 2100"),
        ("2101-01-01T00:00:00Z", "2000 to 2100"),
        ("2000-01-01T00:00:00+08:00", "2000 to 2100"),
    ],
)
def test_other_writings_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_instant(text)


@given(st.integers(EARLIEST, LATEST))
def test_a_written_instant_reads_back(instant: int) -> None:
    assert parse_instant(format_instant(instant)) == instant


@given(st.text(max_size=40))
def test_whatever_is_read_only_a_value_error_leaves(text: str) -> None:
    try:
        instant = parse_instant(text)
    except ValueError:
        return
    assert EARLIEST <= instant <= LATEST


def test_an_instant_is_written_in_utc_with_milliseconds() -> None:
    assert format_instant(1_751_246_493_000) == "2025-06-30T01:21:33.000Z"
    assert format_instant(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        ("2025-06-30T15:59:59.999Z", "Asia/Shanghai", 20_269),
        ("2025-06-30T16:00:00Z", "Asia/Shanghai", 20_270),
        ("2025-06-30T16:00:00Z", "UTC", 20_269),
        ("2025-03-30T22:59:59Z", "Europe/London", 20_177),
        ("2025-03-30T23:00:00Z", "Europe/London", 20_178),
        ("2025-01-30T23:00:00Z", "Europe/London", 20_118),
    ],
)
def test_a_day_begins_at_midnight_of_the_shop(text: str, zone: str, day: int) -> None:
    assert local_day(parse_instant(text), parse_zone(zone)) == day


def test_a_zone_is_read_once() -> None:
    assert parse_zone("Asia/Shanghai") is parse_zone("Asia/Shanghai")
    assert parse_zone("Asia/Shanghai").key == "Asia/Shanghai"


@pytest.mark.parametrize(
    "name", ["", "Asia", "Mars/Base", "../etc/passwd", "/etc/localtime", "zone.tab", "zones", "A\0"]
)
def test_a_name_that_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="IANA time zone"):
        parse_zone(name)
