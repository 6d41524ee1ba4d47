"""The product from ingest to the notifier's last look, in this process: no broker, no clock, nothing sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from services.ingest.imports.report import Report
from services.notifier import logic
from services.notifier.guards import Guard
from services.notifier.state import Checks, Limits, Row, State
from services.rehearsal.pipeline import Chain, Hop, folds
from services.trigger_engine.gates import SWITCHES
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.commands import CancelMessage, OutreachCommand, SendMessage
from shared.contract.public_records import CandidateDecided, DeliveryDecided, SegmentChanged
from shared.contract.topics import (
    CONTACT_POINTS,
    CUSTOMER_EVENTS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    SEGMENT_CHANGES,
)
from shared.engine.fold.batch import Emit
from shared.language.policy_file import read_policy_file
from shared.shop import DAY, Shop
from tests.shell.ingest.harness import Shopfront
from tests.support.import_files import read

_command = msgspec.json.Decoder(OutreachCommand).decode
_change = msgspec.json.Decoder(SegmentChanged).decode
_decision = msgspec.json.Decoder(CandidateDecided | DeliveryDecided).decode
AT_ONCE = 200


class Rehearsed:
    """What ingest, the folds and the notifier make of events, files and time. `off`: words of tests/support/unguarded.py."""

    def __init__(self, folder: Path, shop: Shop, *, off: Collection[str] = ()) -> None:
        makes = folds(shop, epoch_ms=DAY, gates_off=SWITCHES.intersection(off))
        self._folder, self._shop, self._now = folder, shop, 0
        self._chain = Chain([Hop(make) for make in makes], self._hear)
        self._limits = Limits(expiry=Guard.EXPIRY.name not in off)
        self._addresses: set[bytes] = set()
        self._cancelled: set[str] = set()
        self.commands: list[SendMessage] = []
        self.decisions: list[CandidateDecided] = []
        self.changes: list[SegmentChanged] = []

    def tick(self, as_of: int) -> None:
        """Logical time is `as_of` in every partition."""
        self._now = as_of
        self._chain.everywhere(Tick(as_of, scenario=True))

    def publish(self, policy: Path) -> PolicyPublished:
        """The policy of the file goes into force."""
        published = PolicyPublished(1, read_policy_file(policy))
        self._chain.everywhere(published)
        return published

    async def tell(self, events: Sequence[dict[str, Any]]) -> None:
        """Events of the typed API, all accepted."""
        front = Shopfront(self._folder, scenario=True)
        for start in range(0, len(events), AT_ONCE):
            answer = await front.typed(msgspec.json.encode({"events": events[start : start + AT_ONCE]}))
            assert answer.status_code == 200, answer.text
        self._feed(front.publisher.records)

    def import_file(self, file: Path, **terms: Any) -> Report:
        """The file as the importer reads it, all of it sent."""
        found = read(file, shop=self._shop, **terms)
        self._feed([Emit(topic, number, key, value) for topic, number, key, value, _ in found.records])
        return found.report

    def sent(self) -> list[SendMessage]:
        """The commands that the notifier would hand to a provider now."""
        return [one for one in self.commands if self._last_look(one) is State.SENDING]

    def _last_look(self, command: SendMessage) -> State:
        sealed = "sealed" if f"{command.alias}/{command.field}".encode() in self._addresses else None
        cancelled = "cancelled" if command.command_id in self._cancelled else None
        checks = Checks(cancelled=cancelled, sealed=sealed)
        return logic.check(Row(command=command, state=State.PENDING), checks, now=self._now, limits=self._limits).to

    def _feed(self, records: Sequence[Emit]) -> None:
        self._addresses |= {record.key or b"" for record in records if record.topic == CONTACT_POINTS.name}
        self._chain.feed(record for record in records if record.topic == CUSTOMER_EVENTS.name)

    def _hear(self, emit: Emit) -> None:
        if emit.topic == OUTREACH_COMMANDS.name:
            command = _command(emit.value)
            if isinstance(command, SendMessage):
                self.commands.append(command)
            elif isinstance(command, CancelMessage):
                self._cancelled.add(command.command_id)
        elif emit.topic == OUTREACH_DECISIONS.name:
            decided = _decision(emit.value)
            if isinstance(decided, CandidateDecided):
                self.decisions.append(decided)
        elif emit.topic == SEGMENT_CHANGES.name:
            self.changes.append(_change(emit.value))
