"""Which column holds which field: suggested from headers and values, or given. Pure; deterministic for the same file."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.values import day, flag, instant, money, whole
from services.ingest.imports.vocabulary import FIELDS, IDENTITIES, NEEDED, Field, Kind, Look

Columns = dict[str, str]
"""Field → header of its column."""

SAMPLE: Final = 50
"""Rows looked at."""
EXACT, PART, ALIKE, BY_VALUES = 100.0, 60.0, 50.0, 30.0
ENOUGH: Final = 30.0
_NOT_LETTERS: Final = re.compile(r"[\W_]+")
_MOBILE: Final = re.compile(r"(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}", re.ASCII)
_MAIL: Final = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


def suggest(kind: Kind, header: Sequence[str], samples: Sequence[Sequence[str]]) -> Columns:
    """The columns that most likely hold the kind's fields; each column and each field is used once at most.

    Of pairs that fit equally the earlier field, then the earlier column wins.
    """
    values = [[row[place].strip() for row in samples if place < len(row)] for place in range(len(header))]
    scored = [
        (-score, rank, place, field.name)
        for rank, field in enumerate(FIELDS[kind])
        for place, name in enumerate(header)
        if name and header.count(name) == 1 and (score := _score(field, name, values[place])) >= ENOUGH
    ]
    found: Columns = {}
    for _, _, place, name in sorted(scored):
        if name not in found and header[place] not in found.values():
            found[name] = header[place]
    return {field.name: found[field.name] for field in FIELDS[kind] if field.name in found}


def checked(kind: Kind, columns: Mapping[str, str], header: Sequence[str]) -> Columns:
    """The mapping, in the kind's order; ImportRefusedError names a column that is not there or a field that is needed."""
    known = {field.name for field in FIELDS[kind]}
    for name in columns:
        if name not in known:
            raise ImportRefusedError(f"column {name}: {kind} knows no such field; there are {', '.join(sorted(known))}")
    missing = sorted({column for column in columns.values() if column not in header})
    if missing:
        raise ImportRefusedError(f"no column {', '.join(missing)}; the file has {', '.join(filter(None, header))}")
    twice = sorted({column for column in columns.values() if header.count(column) > 1})
    if twice:
        raise ImportRefusedError(f"column {', '.join(twice)} stands twice in the header")
    for group in NEEDED[kind]:
        if not any(name in columns for name in group):
            raise ImportRefusedError(f"no column for {' or '.join(group)}; name it: --column {group[0]}=NAME")
    if not any(name in columns for name in IDENTITIES):
        raise ImportRefusedError(f"no column says whom a row is about; name one of {', '.join(IDENTITIES)}")
    return {field.name: columns[field.name] for field in FIELDS[kind] if field.name in columns}


def _score(field: Field, header: str, values: Sequence[str]) -> float:
    by_name, share = _by_name(field, _plain(header)), _share(field.look, values)
    if share is None:
        return by_name
    if by_name:
        return by_name + (15 if share >= 0.8 else -40 if share <= 0.2 else 0)
    return BY_VALUES if field.look in {Look.PHONE, Look.EMAIL} and share >= 0.5 else 0.0


def _by_name(field: Field, header: str) -> float:
    best = 0.0
    for rank, name in enumerate(field.names):
        if header == name:
            return EXACT - min(rank, 30) / 100
        if len(name) >= (2 if not name.isascii() else 4) and name in header:
            best = max(best, PART + 20 * len(name) / len(header))
        elif len(name) >= 4 and (ratio := difflib.SequenceMatcher(None, name, header).ratio()) >= 0.8:
            best = max(best, ALIKE * ratio)
    return best


def _plain(header: str) -> str:
    return _NOT_LETTERS.sub("", unicodedata.normalize("NFKC", header)).lower()


def _share(look: Look, values: Sequence[str]) -> float | None:
    """How many of the values look so; None where nothing can be said."""
    given = [value for value in values if value]
    if not given or look not in _LOOKS:
        return None
    return sum(_LOOKS[look](value) for value in given) / len(given)


def _reads(convert: Callable[[str], object]) -> Callable[[str], bool]:
    def looks(value: str) -> bool:
        try:
            convert(value)
        except ValueError:
            return False
        return True

    return looks


_LOOKS: Final[dict[Look, Callable[[str], bool]]] = {
    Look.PHONE: lambda value: _MOBILE.fullmatch(value) is not None,
    Look.EMAIL: lambda value: _MAIL.fullmatch(value) is not None,
    Look.INSTANT: _reads(instant),
    Look.DATE: _reads(day),
    Look.MONEY: _reads(money),
    Look.COUNT: _reads(whole),
    Look.FLAG: _reads(flag),
}
