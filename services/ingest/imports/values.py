"""Cells to values: dates, amounts, counts, yes and no, as shops' files write them. Knows spellings; not fields."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from services.ingest.decimals import parse_decimal

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FIRST, _LAST = 1970, 2100
_WRITTEN: Final = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]+(\d{1,2})[:时](\d{2})(?:[:分](\d{2})(?:\.\d{1,9})?)?[分秒]?)?",
    re.ASCII,
)
_DIGITS: Final = re.compile(r"\d{8}|\d{12}|\d{14}", re.ASCII)
_UNIX: Final = re.compile(r"1\d{9}(?:\d{3})?", re.ASCII)
_COUNT: Final = re.compile(r"-?\d{1,7}", re.ASCII)
_GROUPED: Final = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_UNITS: Final = re.compile(r"^[¥￥$£€]\s*|\s*元$|\s*(?:CNY|RMB)$", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"[;；、,，|\n]")
_YES: Final = frozenset(
    [
        "是",
        "同意",
        "已同意",
        "已授权",
        "授权",
        "订阅",
        "已订阅",
        "有",
        "y",
        "yes",
        "true",
        "1",
        "optin",
        "granted",
        "subscribed",
        "on",
    ]
)
_NO: Final = frozenset(
    [
        "否",
        "不同意",
        "未同意",
        "未授权",
        "拒绝",
        "已拒绝",
        "退订",
        "已退订",
        "取消",
        "无",
        "n",
        "no",
        "false",
        "0",
        "optout",
        "denied",
        "unsubscribed",
        "off",
        "withdrawn",
    ]
)
_CHANNELS: Final = {
    "sms": "sms", "短信": "sms", "手机短信": "sms",
    "email": "email", "mail": "email", "邮件": "email", "邮箱": "email", "电子邮件": "email",
    "wecom": "wecom", "企业微信": "wecom", "企微": "wecom", "微信": "wecom",
    "all": "all", "全部": "all", "所有": "all", "全渠道": "all",
}  # fmt: skip
_PURPOSES: Final = {
    "marketing": "marketing", "营销": "marketing", "推广": "marketing", "广告": "marketing",
    "service": "service", "服务": "service", "通知": "service", "服务通知": "service",
}  # fmt: skip


def instant(text: str, zone: ZoneInfo | None = None) -> int:
    """Milliseconds UTC of a date with or without time in the zone, of one with an offset, or of Unix seconds or ms.

    ValueError for anything else; 01/07/2011 is refused, for nobody knows which is the month. A local time that the clock
    showed twice is the first one.
    """
    if _UNIX.fullmatch(text) is not None:
        return int(text) * (1 if len(text) == 13 else 1000)
    moment = _moment(text)
    if not _FIRST <= moment.year < _LAST:
        raise ValueError(f"must lie in {_FIRST} to {_LAST}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    return (moment - _EPOCH) // _MILLISECOND


def _moment(text: str) -> datetime:
    if (parts := _WRITTEN.fullmatch(text)) is not None:
        return _made([int(part or 0) for part in parts.groups()])
    if _DIGITS.fullmatch(text) is not None:
        padded = text.ljust(14, "0")
        return _made([int(padded[:4]), *(int(padded[place : place + 2]) for place in range(4, 14, 2))])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date such as 2025-06-30 09:21:33") from None
    if moment.tzinfo is None:
        raise ValueError("must be a date such as 2025-06-30 09:21:33")
    return moment


def _made(parts: list[int]) -> datetime:
    year, month, of_month, hour, minute, second = parts
    try:
        return datetime(year, month, of_month, hour, minute, second)  # noqa: DTZ001 - the zone is the caller's
    except ValueError:
        raise ValueError("is no date of the calendar") from None


def day(text: str) -> str:
    """YYYY-MM-DD, or --MM-DD where no year is told; ValueError for anything else."""
    short = re.fullmatch(r"(?:--)?(\d{1,2})[-/.月](\d{1,2})日?", text, re.ASCII)
    if short is not None:
        try:
            return f"--{date(2000, int(short[1]), int(short[2])):%m-%d}"
        except ValueError:
            raise ValueError("is no date of the calendar") from None
    return _moment(text).date().isoformat()


def money(text: str) -> Decimal:
    """An amount, with or without sign of the currency and thousands' commas; ValueError for anything else."""
    try:
        return parse_decimal(text)
    except ValueError:
        bare = _UNITS.sub("", text)
        return parse_decimal(bare.replace(",", "") if _GROUPED.fullmatch(bare) else bare)


MOST: Final = 10**6
"""Pieces of one product in one order."""


def whole(text: str) -> int:
    """A whole number of at most a million either way, also written 2.0; ValueError for anything else."""
    number = Decimal(text) if _COUNT.fullmatch(text) else money(text)
    if number != number.to_integral_value():
        raise ValueError("must be a whole number")
    if abs(number) > MOST:
        raise ValueError(f"must lie between -{MOST} and {MOST}")
    return int(number)


def flag(text: str) -> bool:
    """Yes or no in zh or en; ValueError for anything else."""
    plain = text.lower().replace("-", "").replace(" ", "")
    if plain in _YES or plain in _NO:
        return plain in _YES
    raise ValueError("must be yes or no 是或否")


def channel(text: str) -> str:
    """sms, email, wecom or all; ValueError for anything else."""
    try:
        return _CHANNELS[text.lower()]
    except KeyError:
        raise ValueError("must be sms 短信, email 邮件, wecom 企业微信 or all 全部") from None


def purpose(text: str) -> str:
    """Marketing or service; ValueError for anything else."""
    try:
        return _PURPOSES[text.lower()]
    except KeyError:
        raise ValueError("must be marketing 营销 or service 服务") from None


def names(text: str) -> list[str]:
    """The parts of a list such as "vip、茶友; new", each once."""
    return list(dict.fromkeys(part for each in _BETWEEN.split(text) if (part := each.strip())))
