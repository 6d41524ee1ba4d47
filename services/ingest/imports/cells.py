"""One row under its mapping: cells by field, read with refusals that name the file's own column. Knows no facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar, final

from services.ingest.identifiers import Identifier, normalise
from services.ingest.imports.refusals import RowRefusedError
from services.ingest.imports.vocabulary import IDENTITIES
from services.ingest.people import Named

LONGEST: Final = 256
_T = TypeVar("_T")


@final
class Layout:
    """Where in a row each field stands."""

    def __init__(self, header: Sequence[str], columns: Mapping[str, str]) -> None:
        self.width = len(header)
        self.columns = dict(columns)
        self.places = {field: header.index(column) for field, column in columns.items()}
        self.needed = 1 + max(self.places.values())
        self.others = {
            name: place for place, name in enumerate(header) if name and place not in set(self.places.values())
        }
        """Header → place of the columns that hold no field."""
        self.who = [(kind, field, self.places[field]) for field, kind in IDENTITIES.items() if field in self.places]

    def named(self, who: Sequence[str]) -> list[Named]:
        """The identifiers among a row's identifying cells (`Row.who`). If none identifies, a refusal names the first."""
        found: list[Named] = []
        refusal: RowRefusedError | None = None
        for (kind, field, _), text in zip(self.who, who, strict=True):
            if not text:
                continue
            try:
                normalise(Identifier(kind, text))
            except ValueError as error:
                refusal = refusal or RowRefusedError(self.columns[field], str(error), text)
                continue
            found.append(Named(kind, field, text))
        if not found:
            raise refusal or RowRefusedError("", "names no customer")
        return found


@final
class Row:
    """The cells of one row."""

    __slots__ = ("_cells", "_layout", "number")

    def __init__(self, cells: list[str], layout: Layout, number: int) -> None:
        if len(cells) < layout.needed:  # Excel and some tools leave out empty cells at the end
            cells = cells + [""] * (layout.needed - len(cells))
        if len(cells) > layout.width and any(cells[layout.width :]):
            raise RowRefusedError("", f"has {len(cells)} columns, the header {layout.width}")
        self._cells, self._layout, self.number = cells, layout, number

    def text(self, field: str, longest: int = LONGEST) -> str:
        """What stands there without the space around it, "" if nothing or no such column."""
        place = self._layout.places.get(field)
        if place is None:
            return ""
        text = self._cells[place].strip()
        if len(text) > longest:
            raise RowRefusedError(self.column(field), f"has more than {longest} characters", text)
        return text

    def read(self, field: str, convert: Callable[[str], _T], default: _T | None = None) -> _T:
        """The value that `convert` makes of it; where there is none the default, and without one a refusal."""
        text = self.text(field)
        if not text:
            if default is None:
                raise RowRefusedError(self.column(field), "is empty")
            return default
        try:
            return convert(text)
        except ValueError as error:
            raise RowRefusedError(self.column(field), str(error), text) from None

    def who(self) -> tuple[str, ...]:
        """The identifying cells as written: two rows of one order must agree in them."""
        return tuple(self._cells[place].strip() for _, _, place in self._layout.who)

    def others(self) -> dict[str, str]:
        """The cells of columns that hold no field, without the empty ones."""
        cells = self._cells
        return {
            name: text
            for name, place in self._layout.others.items()
            if place < len(cells) and (text := cells[place].strip())
        }

    def column(self, field: str) -> str:
        """What the file calls the field."""
        return self._layout.columns.get(field, field)
