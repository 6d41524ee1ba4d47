"""What is in force in one partition: cuts, policy, sources' declarations, requests served; each once, by its version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shared.contract import codec
from shared.contract.broadcasts import (
    BEHAVIOUR,
    Checkpoint,
    PolicyPublished,
    ResyncRequested,
    SourceCompleted,
    Standing,
)
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import BrokenInvariantError, Off, Rule

Broadcast = Standing
Request = ResyncRequested | Checkpoint
Kept = Mapping[str, tuple[bytes, int]]
"""Slot → the encoded broadcast (of HIGHEST: the number) and the clock when it came into force: a part of the partition values."""
HIGHEST = "behaviour"
"""The slot of the highest behaviour, kept once a later policy names a lower one."""
_decode = msgspec.json.Decoder(Broadcast | Request).decode


class InForce:
    """`kept` is never changed in place: partition values may hold on to it."""

    def __init__(self, fold: Fold[Any], off: Off) -> None:
        self._fold, self._off = fold, off
        self.kept: dict[str, tuple[bytes, int]] = {}
        self.behaviour = 1
        """The highest that a policy ever named (docs/semantics.md §1)."""
        self._versions: dict[str, tuple[int, str]] = {}

    def restore(self, kept: dict[str, tuple[bytes, int]]) -> None:
        """From partition values; `adopt_all` once the last were read."""
        self.kept = kept

    def adopt_all(self) -> None:
        """Have the fold take over what is in force."""
        for slot, (raw, clock) in sorted(self.kept.items()):
            if slot == HIGHEST:
                self.behaviour = max(self.behaviour, int(raw))
                continue
            broadcast = _decode(raw)
            self._versions[slot] = broadcast.version
            if isinstance(broadcast, Broadcast):
                self._adopt(broadcast, clock)

    def is_news(self, broadcast: Broadcast | Request) -> bool:
        """Whether its version is above the one in force."""
        version = self._versions.get(_slot(broadcast))
        return version is None or broadcast.version > version

    def adopt(self, broadcast: Broadcast, clock: int) -> None:
        """In force from now on; whatever the fold raises, nothing has changed then."""
        self._adopt(broadcast, clock)
        self.keep(broadcast, clock)

    def keep(self, broadcast: Broadcast | Request, clock: int) -> None:
        """Remember it as served."""
        slot = _slot(broadcast)
        self._versions[slot] = broadcast.version
        self.kept = self.kept | {slot: (codec.encode(broadcast), clock)}

    def broadcasts(self) -> Iterator[Broadcast]:
        """Cuts, policy and declarations in force."""
        for slot, (raw, _) in self.kept.items():
            known = None if slot == HIGHEST else _decode(raw)
            if isinstance(known, Broadcast):
                yield known

    def _adopt(self, broadcast: Broadcast, clock: int) -> None:
        asked = broadcast.behaviour if type(broadcast) is PolicyPublished else 1
        if asked > BEHAVIOUR and Rule.BEHAVIOUR not in self._off:
            raise BrokenInvariantError(
                f"the policy switches behaviour {asked} on, this code knows up to {BEHAVIOUR}: deploy before publishing"
            )
        self._fold.adopt(broadcast, clock)
        if type(broadcast) is PolicyPublished and asked != self.behaviour:
            if asked < self.behaviour:  # no record in force names the higher one any more
                self.kept = self.kept | {HIGHEST: (str(self.behaviour).encode(), clock)}
            self.behaviour = max(asked, self.behaviour)


def _slot(broadcast: Broadcast | Request) -> str:
    """What a broadcast takes the place of: an earlier one of its kind; a declaration that of the same source."""
    tag = str(broadcast.__struct_config__.tag)
    return f"{tag}/{broadcast.source}" if type(broadcast) is SourceCompleted else tag
