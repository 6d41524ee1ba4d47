"""Quiet hours and birthdays on wall clocks that jump."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.instants import format_instant, parse_zone
from shared.language.calendar import instants_of, is_quiet, minute_of_day, next_birthday, quiet_until, zone_or
from tests.unit.trigger_engine.story import HOUR, at

SHANGHAI = parse_zone("Asia/Shanghai")
NEW_YORK = parse_zone("America/New_York")


def old(text: str) -> int:
    """Instants before 2000, which no event has but clocks had."""
    return int(datetime.fromisoformat(text).timestamp()) * 1000


@pytest.mark.parametrize(
    ("zone", "day", "time", "expected"),
    [
        pytest.param("Asia/Shanghai", date(2025, 6, 2), "09:30", ["2025-06-02T01:30:00Z"], id="a plain day"),
        pytest.param("Asia/Kathmandu", date(2025, 6, 2), "09:30", ["2025-06-02T03:45:00Z"], id="quarters of an hour"),
        pytest.param(
            "America/New_York", date(2025, 3, 9), "02:30", ["2025-03-09T07:00:00Z"], id="skipped: the end of the gap"
        ),
        pytest.param(
            "America/New_York",
            date(2025, 11, 2),
            "01:30",
            ["2025-11-02T05:30:00Z", "2025-11-02T06:30:00Z"],
            id="shown twice",
        ),
        pytest.param(
            "Australia/Lord_Howe", date(2025, 10, 5), "02:15", ["2025-10-04T15:30:00Z"], id="a gap of half an hour"
        ),
        pytest.param(
            "Australia/Lord_Howe",
            date(2025, 4, 6),
            "01:45",
            ["2025-04-05T14:45:00Z", "2025-04-05T15:15:00Z"],
            id="half an hour twice",
        ),
        pytest.param("Pacific/Apia", date(2011, 12, 30), "09:30", ["2011-12-30T10:00:00Z"], id="a day skipped whole"),
        pytest.param("Pacific/Apia", date(2011, 12, 31), "09:30", ["2011-12-30T19:30:00Z"], id="the day after it"),
    ],
)
def test_a_local_time_is_shown_at(zone: str, day: date, time: str, expected: list[str]) -> None:
    assert instants_of(day, minute_of_day(time), parse_zone(zone)) == tuple(at(text) for text in expected)


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        pytest.param(date(1986, 5, 4), "02:30", ["1986-05-04T03:00:00+09:00"], id="spring of 1986 skips two o'clock"),
        pytest.param(date(1988, 7, 1), "09:30", ["1988-07-01T09:30:00+09:00"], id="summer of 1988 is an hour ahead"),
        pytest.param(
            date(1991, 9, 15),
            "01:30",
            ["1991-09-15T01:30:00+09:00", "1991-09-15T01:30:00+08:00"],
            id="the last autumn shows one o'clock twice",
        ),
        pytest.param(date(1992, 7, 1), "09:30", ["1992-07-01T09:30:00+08:00"], id="never again"),
    ],
)
def test_shanghai_had_summer_time_from_1986_to_1991(day: date, time: str, expected: list[str]) -> None:
    assert instants_of(day, minute_of_day(time), SHANGHAI) == tuple(old(text) for text in expected)


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        pytest.param(SHANGHAI, "2025-06-02T20:59:59.999+08:00", None, id="a millisecond before"),
        pytest.param(SHANGHAI, "2025-06-02T21:00:00+08:00", "2025-06-03T09:00:00+08:00", id="at the start"),
        pytest.param(SHANGHAI, "2025-06-03T00:00:00+08:00", "2025-06-03T09:00:00+08:00", id="after midnight"),
        pytest.param(SHANGHAI, "2025-06-03T08:59:59.999+08:00", "2025-06-03T09:00:00+08:00", id="the last millisecond"),
        pytest.param(SHANGHAI, "2025-06-03T09:00:00+08:00", None, id="at the end"),
        pytest.param(NEW_YORK, "2025-03-08T22:00:00-05:00", "2025-03-09T09:00:00-04:00", id="the short night"),
        pytest.param(NEW_YORK, "2025-11-01T22:00:00-04:00", "2025-11-02T09:00:00-05:00", id="the long night"),
        pytest.param(
            parse_zone("Pacific/Apia"),
            "2011-12-29T22:00:00-10:00",
            "2011-12-31T09:00:00+14:00",
            id="the night into a day that is not",
        ),
    ],
)
def test_quiet_from_nine_to_nine(zone: ZoneInfo, now: str, until: str | None) -> None:
    found = quiet_until(at(now), minute_of_day("21:00"), minute_of_day("09:00"), zone=zone)

    assert (found and format_instant(found)) == (until and format_instant(at(until)))


def test_quiet_hours_end_again_where_the_clock_shows_their_end_twice() -> None:
    start, end = minute_of_day("21:00"), minute_of_day("01:30")
    second_one_oclock = at("2025-11-02T01:10:00-05:00")

    assert quiet_until(second_one_oclock, start, end, zone=NEW_YORK) == at("2025-11-02T01:30:00-05:00")


def test_quiet_hours_that_end_in_a_gap_end_with_it() -> None:
    start, end = minute_of_day("21:00"), minute_of_day("02:30")

    assert quiet_until(at("2025-03-09T01:00:00-05:00"), start, end, zone=NEW_YORK) == at("2025-03-09T03:00:00-04:00")


def test_quiet_hours_within_one_day_and_none_at_all() -> None:
    lunch = minute_of_day("12:00"), minute_of_day("14:00")

    assert is_quiet(at("2025-06-02T13:00:00+08:00"), *lunch, zone=SHANGHAI)
    assert not is_quiet(at("2025-06-02T14:00:00+08:00"), *lunch, zone=SHANGHAI)
    assert not is_quiet(at("2025-06-02T12:00:00+08:00"), lunch[0], lunch[0], zone=SHANGHAI)


@pytest.mark.parametrize(
    ("birthday", "zone", "after", "expected"),
    [
        pytest.param(
            "1990-06-05", "Asia/Shanghai", "2025-06-02T12:00:00Z", "2025-06-05T09:30:00+08:00", id="this year"
        ),
        pytest.param("--06-05", "Asia/Shanghai", "2025-06-02T12:00:00Z", "2025-06-05T09:30:00+08:00", id="no year"),
        pytest.param(
            "1990-06-05", "Asia/Shanghai", "2025-06-05T09:30:00+08:00", "2026-06-05T09:30:00+08:00", id="strictly above"
        ),
        pytest.param("2000-02-29", "Asia/Shanghai", "2025-01-01T00:00:00Z", "2025-02-28T09:30:00+08:00", id="leap day"),
        pytest.param(
            "2000-02-29", "Asia/Shanghai", "2028-01-01T00:00:00Z", "2028-02-29T09:30:00+08:00", id="in a leap year"
        ),
        pytest.param(
            "--03-09", "America/New_York", "2025-03-01T00:00:00Z", "2025-03-09T09:30:00-04:00", id="the day of change"
        ),
        pytest.param("--12-30", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-31T00:00:00+14:00", id="no such day"),
    ],
)
def test_the_next_birthday(birthday: str, zone: str, after: str, expected: str) -> None:
    found = next_birthday(birthday, at(after), minute=minute_of_day("09:30"), days_before=0, zone=parse_zone(zone))

    assert found is not None
    assert format_instant(found[0]) == format_instant(at(expected))


def test_days_before_a_birthday_in_january_lie_in_the_year_before_and_keep_its_year() -> None:
    found = next_birthday("--01-05", at("2025-12-01T00:00:00Z"), minute=570, days_before=10, zone=SHANGHAI)

    assert found == (at("2025-12-26T09:30:00+08:00"), 2026)


@pytest.mark.parametrize("birthday", ["", "1990-02-29", "1990-13-01", "yesterday", "06-05", "1990-6-5", "--02-30"])
def test_what_is_no_date_is_no_birthday(birthday: str) -> None:
    assert next_birthday(birthday, 0, minute=570, days_before=0, zone=SHANGHAI) is None


def test_an_unknown_zone_falls_back_to_the_shops() -> None:
    assert zone_or("Mars/Base", SHANGHAI) is SHANGHAI
    assert zone_or("", SHANGHAI) is SHANGHAI
    assert str(zone_or("America/New_York", SHANGHAI)) == "America/New_York"


def test_a_gap_ends_once() -> None:
    (end,) = instants_of(date(2025, 3, 9), minute_of_day("02:00"), NEW_YORK)

    assert instants_of(date(2025, 3, 9), minute_of_day("03:00"), NEW_YORK) == (end,)
    assert instants_of(date(2025, 3, 9), minute_of_day("01:00"), NEW_YORK) == (end - HOUR,)
