"""Facts about the shop that the cores need: zone, currency, RFM window, lifecycle bounds; read once from a file at the border."""

from __future__ import annotations

import msgspec

DAY = 86_400_000
"""Milliseconds in a day."""


class Bounds(msgspec.Struct, frozen=True):
    """Lifecycle bounds in days; each is the last day on which the earlier stage still holds."""

    new: int = 7
    silent: int = 30
    warning_until: int = 60
    """The sleep warning (沉睡预警) holds from `silent` to here."""
    churned: int = 90
    loyal: int = 180


class Shop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from shop to shop and every core must know."""

    zone: str = "Asia/Shanghai"
    """IANA zone: local days of R, quiet hours and birthdays where the customer names none."""
    currency: str = "CNY"
    exponent: int = 2
    """Digits of the minor unit: amounts inside are integers of 10^-exponent."""
    window_days: int = 365
    """RFM window."""
    high: int = 4
    """A score of at least this is high (eight classes)."""
    bounds: Bounds = Bounds()


def load_shop(raw: bytes) -> Shop:
    """The shop from its JSON document; raises msgspec.ValidationError that names the field."""
    return msgspec.json.decode(raw, type=Shop)
