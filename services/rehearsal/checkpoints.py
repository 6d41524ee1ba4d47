"""Checkpoints by number, as the snapshot files that all stateful services wrote for them; reads files only."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import msgspec

from shared.contract.broadcasts import Checkpoint
from shared.contract.topics import PARTITIONS, STATEFUL
from shared.engine.recovery import snapshot
from shared.engine.state.head import decode_values
from shared.log import Log

Place = tuple[str, int]
"""Service and partition."""

PLACES: frozenset[Place] = frozenset((service, number) for service in STATEFUL for number in range(PARTITIONS))

_log = Log("rehearsal.checkpoints")
_decode = msgspec.json.Decoder(Checkpoint).decode


class CheckpointError(ValueError):
    """A checkpoint that was asked for is not there, or not whole."""


class Taken(msgspec.Struct, frozen=True):
    """A checkpoint: the snapshot of each service and partition."""

    number: int
    """Wall time of the request, ms."""
    paths: dict[Place, Path]


def taken(directory: Path) -> list[Taken]:
    """Every checkpoint of which a snapshot can be read, the earliest first."""
    found: dict[int, dict[Place, Path]] = defaultdict(dict)
    for service, number in sorted(PLACES):
        for path in snapshot.paths(directory, service, number):
            try:
                _, values = snapshot.values(path)
            except (OSError, ValueError) as error:
                _log.warning("snapshot not readable", path=path, error=error)
                continue
            raw, _ = decode_values(values).broadcasts["checkpoint"]
            found[_decode(raw).number][service, number] = path
    return [Taken(number, paths) for number, paths in sorted(found.items())]


def two(directory: Path, earlier: int | None, later: int | None) -> tuple[Taken, Taken]:
    """The checkpoints with these numbers; by default the latest that is whole, and the one before it.

    CheckpointError where one of them is missing, was not written by every service and partition, or is not the earlier one.
    """
    found = taken(directory)
    whole = [each.number for each in found if each.paths.keys() == PLACES]
    if later is None:
        later = max(whole, default=None)
    if earlier is None:
        earlier = max((number for number in whole if later is None or number < later), default=None)
    if earlier is None or later is None:
        raise CheckpointError(f"{directory}: two whole checkpoints are needed, {_told(found)}")
    for number in (earlier, later):
        if number not in whole:
            raise CheckpointError(f"{directory}: checkpoint {number} is not there as a whole, {_told(found)}")
    if earlier >= later:
        raise CheckpointError(f"checkpoint {earlier} is not before {later}")
    by_number = {each.number: each for each in found}
    return by_number[earlier], by_number[later]


def _told(found: list[Taken]) -> str:
    if not found:
        return "there is none"
    return "there are " + ", ".join(f"{each.number} ({len(each.paths)} of {len(PLACES)} snapshots)" for each in found)
