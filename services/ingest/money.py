"""Amounts from outside to minor units. Knows digits and limits; not currencies, orders or events."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.ingest.decimals import parse_decimal

LARGEST: Final = 10**14
"""Minor units that one amount may have: what the profile service keeps, far above any order (docs/semantics.md §2)."""


def minor_units(value: object, exponent: int) -> int:
    """The integer number of 10^-exponent; ValueError for no number, too many decimals, or too large.

    Takes whole numbers, Decimals and texts such as "239.50"; never rounds.
    """
    if type(value) is int and -LARGEST < value < LARGEST:  # what most amounts are, and in need of no arithmetic
        units: int = value * 10**exponent
        if abs(units) <= LARGEST:
            return units
        raise ValueError("is larger than any amount taken")
    if isinstance(value, str):
        value = parse_decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number such as 239.50")  # noqa: TRY004 - the sender's error
    scaled = (value if type(value) is Decimal else Decimal(value)).scaleb(exponent)
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"must have at most {exponent} decimals")
    if abs(units) > LARGEST:
        raise ValueError("is larger than any amount taken")
    return units
