"""Reads single fields of an event with checks that name them. Knows JSON values; not what an event means."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final, TypeVar, final

import msgspec

from services.ingest.money import minor_units
from shared.instants import parse_instant

LONGEST_TEXT: Final = 256
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_T = TypeVar("_T")


class EventRefusedError(Exception):
    """One event is not taken: `path` names the field (such as `properties.total`), `reason` why; never a value."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


@final
class Fields:
    """A JSON object being read: what was asked for is ticked off, `rest` is what nobody asked for.

    Several names are alternatives, the first present one counts; null is absent.
    """

    __slots__ = ("_left", "_path")

    def __init__(self, values: object, path: str = "") -> None:
        if not isinstance(values, dict):
            raise EventRefusedError(path, "must be an object")
        self._left: dict[str, object] = dict(values)
        self._path = path

    def raw(self, *names: str) -> tuple[str, object]:
        """The full path and value of the first name present; the value is None if there is none."""
        name, value = self._find(names)
        return self._at(name), value

    def drop(self, *names: str) -> None:
        """Tick off what has no meaning here."""
        for name in names:
            self._left.pop(name, None)

    def text(self, *names: str, default: str | None = None, longest: int = LONGEST_TEXT) -> str:
        """A text of 1 to `longest` characters; whole numbers count as their digits. Required without a default.

        With a default an empty text counts as none: programs send fields that they have no value for.
        """
        left = self._left
        for name in names:  # every event's path, so without calls for what is nearly always there
            value = left.pop(name, None)
            if value is None:
                continue
            if type(value) is str and 0 < len(value) <= longest:
                return value
            if value == "" and default is not None:
                return default
            try:
                return as_text(value, longest)
            except ValueError as error:
                raise EventRefusedError(self._at(name), str(error)) from None
        if default is None:
            raise EventRefusedError(self._at(names[0]), "is missing")
        return default

    def amount(self, *names: str, exponent: int, default: int | None = None) -> int:
        """Minor units, not below zero."""
        return self._read(names, default, as_amount, exponent)

    def integer(self, *names: str, least: int, greatest: int = 2**53, default: int | None = None) -> int:
        """A whole number within bounds."""
        return self._read(names, default, _integer, least, greatest)

    def instant(self, name: str, default: int | None = None) -> int:
        """Milliseconds UTC of an RFC 3339 text with an offset."""
        value = self._left.pop(name, None)
        if value is None and default is not None:
            return default
        try:
            return _instant(value)
        except ValueError as error:
            raise EventRefusedError(self._at(name), "is missing" if value is None else str(error)) from None

    def plain(self, shape: type[_T]) -> _T | None:
        """The fields of a msgspec Struct where they are beyond doubt, in one call in C; else None. Ticks nothing off."""
        try:
            return msgspec.convert(self._left, shape)
        except msgspec.ValidationError:
            return None

    def section(self, name: str) -> Fields:
        """The object under a name; empty if there is none."""
        value = self._left.pop(name, None)
        return Fields({} if value is None else value, self._at(name))

    def sections(self, name: str) -> list[Fields]:
        """The objects of a list; none if there is no list."""
        value, path = self._left.pop(name, None), self._at(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise EventRefusedError(path, "must be a list")
        return [Fields(item, f"{path}[{index}]") for index, item in enumerate(value)]

    def rest(self) -> dict[str, object]:
        """What was not asked for."""
        return self._left

    def refuse(self, name: str, reason: str) -> EventRefusedError:
        """The refusal of a field of this object."""
        return EventRefusedError(self._at(name), reason)

    def _read(self, names: tuple[str, ...], default: _T | None, convert: Callable[..., _T], *bounds: int) -> _T:
        name, value = self._find(names)
        if value is None:
            if default is None:
                raise EventRefusedError(self._at(name), "is missing")
            return default
        try:
            return convert(value, *bounds)
        except ValueError as error:
            raise EventRefusedError(self._at(name), str(error)) from None

    def _find(self, names: tuple[str, ...]) -> tuple[str, object]:
        for name in names:
            value = self._left.pop(name, None)
            if value is not None:
                return name, value
        return names[0], None

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def as_amount(value: object, exponent: int) -> int:
    """Minor units, not below zero; ValueError for anything else."""
    units = minor_units(value, exponent)
    if units < 0:
        raise ValueError("must not be below zero")
    return units


def _integer(value: object, least: int, greatest: int) -> int:
    if type(value) is not int or not least <= value <= greatest:
        raise ValueError(f"must be a whole number from {least} to {greatest}")
    return value


def _instant(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 text")  # noqa: TRY004 - the sender's error
    return parse_instant(value)


def as_day(text: str) -> str:
    """The text, if it is a calendar day YYYY-MM-DD; ValueError otherwise."""
    try:
        if _DAY.fullmatch(text) is not None:
            date.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise ValueError("must be a date such as 2026-12-31")


def as_text(value: object, longest: int = LONGEST_TEXT) -> str:
    """A text, or the digits of a whole number; ValueError for anything else, empty or too long."""
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise ValueError("must be a text")  # noqa: TRY004 - the sender's error, not the program's
    if not value or len(value) > longest:
        raise ValueError(f"must have 1 to {longest} characters")
    return value
