"""The published vocabulary: every event type with its names, meaning and examples, read from data. Knows words; not shapes or HTTP."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any, Final, Literal

import msgspec

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
AT: Final = "2025-06-30T09:21:33+08:00"
"""When every example happened."""
_FIELDS: Final = "fields.yaml"


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same in Chinese and in English."""

    zh: str
    en: str

    @property
    def both(self) -> str:
        """Chinese first."""
        return f"{self.zh} / {self.en}"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event type. Examples hold what is particular to them; `typed_example` and `segment_examples` complete them."""

    type: str
    title: Words
    about: Words
    names: list[str]
    """Segment's and our names of track events that become this type."""
    typed: dict[Language, dict[str, Any]]
    segment: list[dict[str, Any]]

    def typed_example(self, language: Language) -> dict[str, Any]:
        """A whole event of the typed API."""
        common = {"type": self.type, "id": f"{self.type}-{language}-1", "at": AT, "customer": {"member": "M1001"}}
        return common | self.typed[language]

    def segment_examples(self) -> list[dict[str, Any]]:
        """Whole messages of Segment's shape."""
        common = {"type": "track", "timestamp": AT, "userId": "M1001"}
        return [
            common | {"messageId": f"{self.type}-segment-{number}"} | example
            for number, example in enumerate(self.segment, 1)
        ]


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Every event type, in the order of the documents."""
    files = sorted(_folder().iterdir(), key=lambda file: file.name)
    lists = [
        msgspec.yaml.decode(file.read_bytes(), type=list[Entry])
        for file in files
        if file.name.endswith(".yaml") and file.name != _FIELDS
    ]
    return tuple(entry for each in lists for entry in each)


@functools.cache
def fields() -> dict[str, Words]:
    """Field name, or `Shape.field` where a shape means something of its own → what it holds."""
    return msgspec.yaml.decode(_folder().joinpath(_FIELDS).read_bytes(), type=dict[str, Words])


def _folder() -> Any:
    return resources.files("services.ingest").joinpath("vocabulary")
