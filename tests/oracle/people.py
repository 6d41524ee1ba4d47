"""Who was handed over to whom, and where in each hop's log: read from the records themselves; folds nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shared.contract.broadcasts import Broadcast
from shared.contract.bundles import ProfileUpdated, SegmentsUpdated
from shared.contract.identity import Forwarded, Fragment, IdentityConflict, Linked
from shared.contract.origin import Origin
from shared.ids import is_protected
from tests.oracle.log import PartitionLog, Told
from tests.oracle.reader import LogRecord

Place = tuple[int, int]
"""Offset in customer-events-v1 and step: when something happened in a partition, at any hop."""
_inner = msgspec.json.Decoder(ProfileUpdated | SegmentsUpdated | Broadcast | Fragment).decode


class Absorbed(msgspec.Struct, frozen=True):
    """At this hop the state of `source` came."""

    place: Place
    source: str
    order: int = 0
    """Among those of one offset: where the last hop heard of it."""


class Refused(msgspec.Struct, frozen=True):
    """`alias` belongs to another member: nobody waits for it any more."""

    place: Place
    alias: str
    order: int = 0


class Crowd(msgspec.Struct, frozen=True):
    """Of all partitions. `ends`: customer → offset of the record with which he became a redirect."""

    ends: dict[str, int]
    told: dict[str, list[Told]]
    """What came under him while he held his state, and what was forwarded to him."""
    hands: tuple[dict[str, list[Absorbed | Refused]], ...]
    """Per hop."""


def crowd_of(logs: Sequence[PartitionLog], inner: Sequence[Mapping[int, Sequence[LogRecord]]]) -> Crowd:
    """`inner`: the records of profile-updates-v1 and segment-updates-v1, per partition in offset order."""
    crowd = Crowd({}, {}, (defaultdict(list), defaultdict(list), defaultdict(list)))
    for log in logs:
        _front(log, crowd)
    heard = {place: order for records in inner[-1].values() for place, order in _heard(records)} if inner else {}
    for hop, partitions in enumerate(inner, 1):
        for records in partitions.values():
            _later(records, crowd.ends, crowd.hands[hop], heard if hop < len(inner) else {})
    return crowd


def _heard(records: Sequence[LogRecord]) -> Iterator[tuple[tuple[str, Place], int]]:
    """(customer, origin) of every bundle of the last hop's input, and where it stands first."""
    for record in reversed(records):
        decoded = _decoded(record)
        if isinstance(decoded, SegmentsUpdated):
            yield ((record.key or b"").decode(), (decoded.origin.offset, decoded.origin.step)), record.offset


def _decoded(record: LogRecord) -> Any:
    """None where it is somebody else's, a dead letter."""
    try:
        return _inner(record.value or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _Marks:
    """Highest origin per receiver and source."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Origin] = {}

    def news(self, customer: str, record: Forwarded | Fragment) -> bool:
        """Whether this record counts; it is remembered."""
        origin = Origin(*record.source_origin)
        known = self._known.get((customer, record.source))
        if known is not None and origin <= known:
            return False
        self._known[customer, record.source] = origin
        for source, at in record.marks.items() if isinstance(record, Fragment) else ():
            self._known[customer, source] = max(Origin(*at), self._known.get((customer, source), Origin(*at)))
        return True


def _front(log: PartitionLog, crowd: Crowd) -> None:
    marks, forwarded = _Marks(), defaultdict[str, list[Told]](list)
    for offset, clock, customer, record in log.hands:
        if customer in crowd.ends:
            continue
        if isinstance(record, Linked):
            if record.other > customer and not (is_protected(customer) and is_protected(record.other)):
                crowd.ends[customer] = offset
        elif isinstance(record, IdentityConflict):
            crowd.hands[0][customer].append(Refused((offset, 0), record.alias))
        elif isinstance(record, Fragment) and marks.news(customer, record):
            crowd.hands[0][customer].append(Absorbed((offset, 0), record.source))
        elif isinstance(record, Forwarded) and marks.news(customer, record):
            arrived = record.arrived if not log.scenario else clock or record.event.at
            forwarded[customer].append(Told(offset, clock, arrived, record.event, record.source))
    for customer in log.facts.keys() | forwarded.keys():
        end = crowd.ends.get(customer, 2**63)
        own = [told for told in log.facts.get(customer, []) if told.offset < end]
        crowd.told[customer] = sorted([*own, *forwarded[customer]], key=lambda told: told.offset)


def _later(
    records: Sequence[LogRecord],
    ends: Mapping[str, int],
    hands: dict[str, list[Absorbed | Refused]],
    heard: Mapping[tuple[str, Place], int],
) -> None:
    """A fragment takes the place right after the last origin of its partition; every one of them, repeats too."""
    marks, last = _Marks(), Origin(0, 0, -1, 0)
    for record in records:
        decoded = _decoded(record)
        if not isinstance(decoded, Fragment):
            last = max(last, Origin(*decoded.origin)) if decoded is not None and decoded.origin is not None else last
            continue
        last = last._replace(step=last.step + 1)
        customer, place = (record.key or b"").decode(), (last.offset, last.step)
        if place < (ends.get(customer, 2**63), 0) and marks.news(customer, decoded):
            order = heard.get((customer, place), 0) if heard else record.offset
            hands[customer].append(Absorbed(place, decoded.source, order))
