"""Mappings kept by name, one JSON file each beside the jobs. Knows files; not whether a mapping fits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, final

import msgspec

from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.vocabulary import FIELDS, Kind
from shared.private_files import PrivateFileError, read_private, replace_private

_NAME: Final = re.compile(r"[\w\u4e00-\u9fff][\w\u4e00-\u9fff -]{0,62}", re.ASCII)


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Field → column, for one kind of file."""

    kind: Kind
    columns: dict[str, str]


def parsed(raw: bytes, name: str) -> Mapping:
    """A mapping from its JSON; ImportRefusedError names what is wrong."""
    try:
        found = msgspec.json.decode(raw, type=Mapping)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ImportRefusedError(f"mapping {name}: {error}") from None
    known = {field.name for field in FIELDS[found.kind]}
    if unknown := sorted(set(found.columns) - known):
        raise ImportRefusedError(f"mapping {name}: {found.kind} knows no {', '.join(unknown)}")
    return found


@final
class Mappings:
    """The mappings of one folder."""

    def __init__(self, imports: Path) -> None:
        self._folder = imports / "mappings"

    def names(self) -> list[str]:
        """What is kept, by name."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def load(self, name: str) -> Mapping:
        """The mapping of this name; ImportRefusedError if there is none."""
        try:
            return parsed(read_private(self._path(name)), name)
        except PrivateFileError:
            raise ImportRefusedError(
                f"mapping {name}: is not kept here; there are {', '.join(self.names()) or 'none'}"
            ) from None

    def save(self, name: str, mapping: Mapping) -> None:
        """Keep it under the name, in place of what was there."""
        path = self._path(name)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        replace_private(path, msgspec.json.format(msgspec.json.encode(mapping)) + b"\n")

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise ImportRefusedError("mapping: a name has 1 to 63 letters, digits, spaces or hyphens")
        return self._folder / f"{name}.json"
