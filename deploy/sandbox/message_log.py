"""Everything the sandbox accepted, in memory and in an append-only file; it knows no wire format."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

Channel = Literal["email", "sms", "staff_task", "wecom"]


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted"):
    """One message the provider answers for from now on."""

    ref: str
    at_ms: int
    channel: Channel
    command_id: str
    to: str
    sender: str = ""
    body: dict[str, Any] = {}


class Suppressed(msgspec.Struct, frozen=True, kw_only=True, tag="suppressed"):
    """A repeat that the provider recognised: answered like the first, delivered to nobody."""

    ref: str
    at_ms: int


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """The last word on a message. WeCom: 1 sent, 2 not a contact, 3 over the limit. SMS: 3 arrived, 2 failed."""

    ref: str
    at_ms: int
    status: int


Entry = Accepted | Suppressed | Finished


class MessageLog:
    """Append and query. What append returned for is in the file and survives a kill of the process."""

    def __init__(self, path: Path) -> None:
        self.accepted: list[Accepted] = []
        self._by_ref: dict[str, Accepted] = {}
        self._suppressed = 0
        self._status: dict[str, int] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        complete = _complete_lines(path)
        for line in complete.splitlines():
            self._remember(msgspec.json.decode(line, type=Entry))
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        # A line that a kill cut short was never answered for.
        os.ftruncate(self._file, len(complete))
        os.lseek(self._file, 0, os.SEEK_END)

    def append(self, entry: Entry) -> None:
        """Write and remember."""
        os.write(self._file, msgspec.json.encode(entry) + b"\n")
        self._remember(entry)

    def find(self, channel: str | None = None, command_id: str | None = None) -> list[Accepted]:
        """Accepted messages in order of arrival."""
        return [
            message
            for message in self.accepted
            if (channel is None or message.channel == channel)
            and (command_id is None or message.command_id == command_id)
        ]

    def get(self, ref: str) -> Accepted | None:
        """The message with this reference, or None."""
        return self._by_ref.get(ref)

    def status(self, ref: str) -> int | None:
        """The last word on a message, or None while there is none."""
        return self._status.get(ref)

    def number(self) -> int:
        """How many messages were accepted so far; makes the next reference unique, also after a restart."""
        return len(self.accepted)

    def count(self) -> dict[str, Any]:
        """Accepted messages per channel and command, and the commands accepted more than once on a channel."""
        counts = Counter((message.channel, message.command_id) for message in self.accepted)
        return {
            "accepted": len(self.accepted),
            "suppressed": self._suppressed,
            "commands": _nested(counts.items()),
            "duplicates": _nested(item for item in counts.items() if item[1] > 1),
        }

    def close(self) -> None:
        """Close the file; nothing is buffered."""
        os.close(self._file)

    def _remember(self, entry: Entry) -> None:
        match entry:
            case Accepted():
                self.accepted.append(entry)
                self._by_ref[entry.ref] = entry
            case Suppressed():
                self._suppressed += 1
            case Finished():
                self._status[entry.ref] = entry.status


def _complete_lines(path: Path) -> bytes:
    raw = path.read_bytes() if path.exists() else b""
    return raw[: raw.rfind(b"\n") + 1]


def _nested(counts: Iterable[tuple[tuple[str, str], int]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (channel, command_id), count in counts:
        nested.setdefault(channel, {})[command_id] = count
    return nested
