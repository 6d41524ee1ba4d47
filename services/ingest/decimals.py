"""Decimal numbers from outside. Knows how they are written and how large they may be; not what they measure."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

MAX_DIGITS: Final = 18
"""Digits of the longest number taken, whole or not."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LONGEST_TEXT: Final = 48
_LEAST_EXPONENT, _GREATEST_EXPONENT = -24, 6


def parse_decimal(text: str) -> Decimal:
    """A number written as JSON writes it, at most 18 digits, exponent -24 to 6; ValueError says what is wrong.

    That range holds every fraction that JavaScript writes without an exponent, and no number that floods memory later.
    """
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("must be a number such as 239.50")
    return fraction(text)


def fraction(text: str) -> Decimal:
    """The Decimal of a text that is known to be a JSON number; ValueError beyond the limits."""
    if len(text) <= MAX_DIGITS and "e" not in text and "E" not in text:
        return Decimal(text)
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"number with more than {MAX_DIGITS} digits")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("number with an exponent out of range") from None
    parts = number.as_tuple()
    if len(parts.digits) > MAX_DIGITS:
        raise ValueError(f"number with more than {MAX_DIGITS} digits")
    if not isinstance(parts.exponent, int) or not _LEAST_EXPONENT <= parts.exponent <= _GREATEST_EXPONENT:
        raise ValueError("number with an exponent out of range")
    return number
