"""What an import says when it will not: a whole file, or one row. Knows sentences; never repeats a value in clear."""

from __future__ import annotations

import msgspec


class ImportRefusedError(Exception):
    """The file, its mapping or the wish is not taken; the message says what and why."""


class RowRefusedError(Exception):
    """One row is not taken: `column` as the file names it, `value` as written (shown masked only)."""

    def __init__(self, column: str, reason: str, value: str = "") -> None:
        super().__init__(f"{column}: {reason}" if column else reason)
        self.column, self.reason, self.value = column, reason, value


class RowError(msgspec.Struct, frozen=True):
    """A refused row as a report shows it."""

    row: int
    """As a spreadsheet counts: the header is row 1."""
    column: str
    reason: str
    value: str
    """Masked."""


def row_error(row: int, refusal: RowRefusedError) -> RowError:
    """The refusal of a row, its value masked."""
    return RowError(row, refusal.column, refusal.reason, mask(refusal.value))


def mask(text: str) -> str:
    """The shape of a value: the first two and the last letter or digit, of short ones the first; the rest as `*`."""
    places = [index for index, character in enumerate(text[:40]) if character.isalnum()]
    shown = {*places[:2], places[-1]} if len(places) > 5 else set(places[:1])
    masked = "".join(
        "*" if character.isalnum() and index not in shown else character for index, character in enumerate(text[:40])
    )
    return masked.replace("\n", " ").replace("\r", " ") + ("…" if len(text) > 40 else "")
