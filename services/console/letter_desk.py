"""What an operator does with a letter: open, replay, dismiss; each on record before and after. Knows remedies and ports, no client."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.console import letter_store as store
from services.console.letter_store import Action, Search
from services.console.letters import Letter
from services.console.remedies import NoRemedyError, PutBack, Remedy, remedy
from shared.engine.fold.batch import Emit
from shared.instants import format_instant
from shared.sealing import Keyring, SealingError

MOST_AT_ONCE = 10_000
"""Letters of one replay by filter."""


class UnknownLetterError(Exception):
    """There is no letter of this id."""


class Refusal(NamedTuple):
    """What ingest says against an event that is sent again."""

    path: str
    reason: str


class UnsentError(Exception):
    """Broker or ingest did not take it; the letter stays open and may be replayed again."""


class Sender(Protocol):
    """Where replays go."""

    async def put(self, record: Emit) -> tuple[int, int]:
        """Write the record; its partition and offset once the broker has it. UnsentError otherwise."""

    async def resend(self, event: dict[str, Any], *, history: bool) -> Refusal | None:
        """Through ingest's intake; None where it was accepted. UnsentError if there was no answer."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What to take in the place of the letter's own bytes and key; empty: those."""

    fixed: bytes | None = None
    customer: str = ""
    again: bool = False
    """Also where it was replayed or dismissed already."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a replay."""

    letter: str
    result: Literal["accepted", "put-back", "asked", "refused", "settled"]
    """settled: it was not open any more, and nothing was sent."""
    detail: str = ""


class Desk:
    """Takes letters one at a time; nobody else takes the same one meanwhile."""

    def __init__(
        self, engine: AsyncEngine, keyring: Keyring | None, sender: Sender, *, now_ms: Callable[[], int]
    ) -> None:
        """Without a keyring nothing can be opened or replayed."""
        self._engine, self._keyring, self._sender, self._now_ms = engine, keyring, sender, now_ms

    async def opened(self, letter_id: str, operator: str) -> tuple[Letter, bytes]:
        """The letter and its bytes; on record before they are shown."""
        async with self._engine.begin() as connection:
            told, _ = await self._letter(connection, letter_id)
            content = self._unsealed(told)
            await self._note(connection, told, "opened", operator, "")
        return told, content

    async def dismiss(self, letter_id: str, operator: str, note: str) -> None:
        """It needs nothing more; `note` says why."""
        async with self._engine.begin() as connection:
            told, _ = await self._letter(connection, letter_id, lock=True)
            await self._note(connection, told, "dismissed", operator, note[:1_000].replace("\0", "\ufffd"))

    async def replay(self, letter_id: str, operator: str, given: Replay) -> Outcome:
        """By its remedy; NoRemedyError says what is missing or why not, and nothing was sent."""
        async with self._engine.begin() as held:
            told, state = await self._letter(held, letter_id, lock=True)
            if state != "open" and not given.again:
                return Outcome(letter=told.id, result="settled", detail=state)
            found = remedy(told, self._unsealed(told), fixed=given.fixed, customer=given.customer)
            what = _described(found, given)
            async with self._engine.begin() as before:  # on record, whatever becomes of it
                await self._note(before, told, "replaying", operator, what)
            outcome = await self._send(told, found)
            action: Action = "refused" if outcome.result == "refused" else "replayed"
            await self._note(held, told, action, operator, outcome.detail)
            return outcome

    async def count(self, wanted: Search) -> int:
        """How many letters a replay by this search would take."""
        async with self._engine.connect() as connection:
            return len(await store.ids(connection, wanted, limit=MOST_AT_ONCE))

    async def replay_all(self, wanted: Search, operator: str) -> dict[str, int]:
        """Each letter found, in the order of their records; how many had which result, `no-remedy` where there is none."""
        async with self._engine.connect() as connection:
            found = await store.ids(connection, wanted, limit=MOST_AT_ONCE)
        results: dict[str, int] = {}
        for letter_id in found:
            try:
                result: str = (await self.replay(letter_id, operator, Replay())).result
            except NoRemedyError:
                result = "no-remedy"
            results[result] = results.get(result, 0) + 1
        return results

    async def _send(self, told: Letter, found: Remedy) -> Outcome:
        if isinstance(found, PutBack):
            partition, offset = await self._sender.put(found.record)
            place = f"{found.record.topic}/{partition}/{offset}"
            return Outcome(letter=told.id, result="asked" if found.asks else "put-back", detail=place)
        event = found.event if found.history else _dated(found.event, told.told_at)
        refusal = await self._sender.resend(event, history=found.history)
        if refusal is None:
            return Outcome(letter=told.id, result="accepted")
        return Outcome(letter=told.id, result="refused", detail=f"{refusal.path}: {refusal.reason}"[:500])

    async def _letter(self, connection: Any, letter_id: str, *, lock: bool = False) -> tuple[Letter, str]:
        whole = await store.whole_id(connection, letter_id)
        found = None if whole is None else await store.one(connection, whole, lock=lock)
        if found is None:
            raise UnknownLetterError(f"no letter has the id {letter_id!r}, or more than one begins so")
        return found

    def _unsealed(self, told: Letter) -> bytes:
        if self._keyring is None:
            raise SealingError("keyring: none was given, so nothing can be opened")
        try:
            sealed = base64.b64decode(told.sealed, validate=True)
        except binascii.Error:
            raise SealingError("sealed value: must be base64") from None
        return self._keyring.open_bytes(*told.seal, sealed)

    async def _note(self, connection: Any, told: Letter, action: Action, operator: str, detail: str) -> None:
        await store.record(connection, told, action, operator=operator, at=self._now_ms(), detail=detail)


def _described(found: Remedy, given: Replay) -> str:
    """For the audit: what is sent, without its content."""
    to = f"{found.record.topic}/{found.record.partition}" if isinstance(found, PutBack) else "ingest"
    mended = "" if given.fixed is None else f", mended (sha256 {hashlib.sha256(given.fixed).hexdigest()[:16]})"
    named = f", customer {given.customer}" if given.customer else ""
    return f"{'asks by ' if isinstance(found, PutBack) and found.asks else ''}{to}{mended}{named}"


def _dated(event: dict[str, Any], told_at: int) -> dict[str, Any]:
    """A message in Segment's shape without an instant happened when it first came, not when it is sent again."""
    if isinstance(event.get("customer"), dict) or event.get("timestamp") or event.get("originalTimestamp"):
        return event
    return event | {"timestamp": format_instant(told_at)}
