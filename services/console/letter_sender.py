"""Replays on their way: a record to the broker, an event to ingest over HTTP; knows clients and keys, no letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
from aiokafka.errors import KafkaError

from services.console.letter_desk import Refusal, UnsentError
from shared.engine.fold.batch import Emit
from shared.kafka.clients import producer
from shared.private_files import PrivateFileError, read_private

SECONDS: Final = 10.0


class _Told(msgspec.Struct, frozen=True):
    path: str = ""
    reason: str = ""


class _Result(msgspec.Struct, frozen=True):
    status: str
    error: _Told | None = None


class _Results(msgspec.Struct, frozen=True):
    results: list[_Result]


class ReplaySender:
    """Satisfies `letter_desk.Sender`; clients are opened for each replay, for replays are rare."""

    def __init__(self, kafka: str, ingest_url: str, key_file: Path | None) -> None:
        """`key_file`: a write key of ingest, in a private file; its source is the one that the events are from."""
        self._kafka, self._ingest_url, self._key_file = kafka, ingest_url, key_file

    async def put(self, record: Emit) -> tuple[int, int]:
        """As `Sender.put`."""
        try:
            async with producer(self._kafka) as client:
                written = await client.send_and_wait(
                    record.topic, record.value, record.key, record.partition, headers=list(record.headers)
                )
        except KafkaError as error:
            raise UnsentError(f"the broker did not take it: {type(error).__name__}") from None
        return written.partition, written.offset

    async def resend(self, event: dict[str, Any], *, history: bool) -> Refusal | None:
        """As `Sender.resend`."""
        if self._key_file is None or not self._ingest_url:
            raise UnsentError("HUITOU_INGEST_URL, HUITOU_INGEST_KEY_FILE: both are needed to send an event again")
        try:
            key = read_private(self._key_file).decode("ascii").strip()
            async with httpx2.AsyncClient(base_url=self._ingest_url, timeout=SECONDS, trust_env=False) as client:
                answer = await posted(client, key, event, history=history)
        except (PrivateFileError, UnicodeDecodeError) as error:
            raise UnsentError(f"HUITOU_INGEST_KEY_FILE: {error}") from None
        except httpx2.HTTPError as error:
            raise UnsentError(f"ingest did not answer: {type(error).__name__}") from None
        return refusal_of(answer)


async def posted(
    client: httpx2.AsyncClient, key: str, event: dict[str, Any], *, history: bool = False
) -> httpx2.Response:
    """By the door of its shape: webhooks' events have the typed API's and name a `customer`, all others are Segment's.

    Strictly: what is refused once more is told, and makes no second letter.
    """
    if isinstance(event.get("customer"), dict):
        content, bearer = msgspec.json.encode(event), {"authorization": f"Bearer {key}"}
        return await client.post("/api/v1/events", content=content, headers=bearer)
    return await client.post(
        "/v1/import" if history else "/v1/batch",
        content=msgspec.json.encode({"batch": [event]}),
        auth=(key, ""),
        headers={"content-type": "application/json", "prefer": "return=representation, handling=strict"},
    )


def _unread(answer: httpx2.Response) -> _Told:
    try:
        return msgspec.json.decode(answer.content, type=_Told)
    except (msgspec.DecodeError, ValueError):
        return _Told("$", f"ingest answered {answer.status_code}")


def refusal_of(answer: httpx2.Response) -> Refusal | None:
    """What ingest says against the event; None where it was taken. UnsentError if it says neither."""
    if answer.status_code in {400, 413}:  # not even to be read as an event: that is about the letter, not about ingest
        told = _unread(answer)
        return Refusal(told.path, told.reason)
    if answer.status_code not in {200, 207, 409, 422}:
        raise UnsentError(f"ingest answered {answer.status_code}")
    try:
        (result,) = msgspec.json.decode(answer.content, type=_Results).results
    except (msgspec.DecodeError, ValueError):
        raise UnsentError("ingest does not say what became of the event: is it of an older version?") from None
    if result.status in {"accepted", "duplicate"}:
        return None
    told = result.error or _Told()
    return Refusal(told.path, told.reason)
