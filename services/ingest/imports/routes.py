"""The import API: upload, dry run, confirmation, progress, saved mappings. Knows HTTP and jobs; reads no row.

The work itself is done by the importer process; these routes only write wishes and read answers.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.ingest.answers import answer, error
from services.ingest.bodies import BodyTooSlowError, bearer, read_body
from services.ingest.gate import Gate
from services.ingest.imports import jobs as stored
from services.ingest.imports.jobs import Job, Jobs
from services.ingest.imports.limits import Limits
from services.ingest.imports.mappings import Mapping, Mappings, parsed
from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.table import Reading
from services.ingest.imports.vocabulary import Kind
from services.ingest.write_keys import Scope
from shared.instants import parse_zone

READ_SECONDS: Final = 300.0
MOST_BODY: Final = 64 << 10
"""Of the small JSON bodies."""


class Wishes(BaseModel):
    """The query of an upload."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    name: Annotated[str, Field(max_length=200)] = "upload"
    mapping: str = ""
    """A mapping kept by name; else columns are suggested."""
    zone: str = ""
    encoding: Literal["", "utf-8", "gb18030"] = ""
    delimiter: Literal["", ",", ";", "\t"] = ""
    sheet: Annotated[str, Field(max_length=100)] = ""
    header: bool = True
    channel: Annotated[str, Field(max_length=20)] = "all"
    purpose: Annotated[str, Field(max_length=20)] = "marketing"
    returns: bool = False
    keep_others: bool = False
    operator: Annotated[str, Field(max_length=100)] = ""


class Again(BaseModel):
    """The body of another dry run: the columns as they are to be read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, str]


class Confirmation(BaseModel):
    """The body of a confirmation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    """Of the dry run that was shown."""
    fires: bool = True
    """What falls due after the import's start may fire; false: nothing of it ever does by time."""
    skip_refused: bool = False


def import_routes(folder: Path, gate: Gate, now_ms: Callable[[], int], limits: Limits | None = None) -> APIRouter:
    """Every route under /api/v1/imports and /api/v1/import-mappings."""
    desk = _Desk(folder, gate, now_ms, limits or Limits())
    router = APIRouter()
    for method, path, handler in (
        ("POST", "/api/v1/imports", desk.upload),
        ("GET", "/api/v1/imports", desk.list),
        ("GET", "/api/v1/imports/{job_id}", desk.show),
        ("POST", "/api/v1/imports/{job_id}/dry-run", desk.again),
        ("POST", "/api/v1/imports/{job_id}/confirm", desk.confirm),
        ("DELETE", "/api/v1/imports/{job_id}", desk.remove),
        ("GET", "/api/v1/import-mappings", desk.mappings),
        ("GET", "/api/v1/import-mappings/{name}", desk.mapping),
        ("PUT", "/api/v1/import-mappings/{name}", desk.keep_mapping),
    ):
        router.add_api_route(path, _told(handler), methods=[method])
    return router


Handler = Callable[[Request, str], Awaitable[Response]]


def _told(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Refusals as answers."""

    async def told(request: Request) -> Response:
        try:
            return await handler(request, next(iter(request.path_params.values()), ""))
        except ImportRefusedError as refusal:
            return error(404 if str(refusal).endswith("unknown") else 422, "refused", str(refusal))
        except ValidationError as invalid:
            first = invalid.errors()[0]
            return error(422, "refused", f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")

    return told


class _Desk:
    def __init__(self, folder: Path, gate: Gate, now_ms: Callable[[], int], limits: Limits) -> None:
        self._folder, self._gate, self._now_ms, self._limits = folder, gate, now_ms, limits

    async def upload(self, request: Request, _: str) -> Response:
        """201 with the job; its dry run begins at once."""
        source = self._source(request)
        wishes = Wishes.model_validate(dict(request.query_params))
        self._check(wishes)
        columns = Mappings(self._folder).load(wishes.mapping) if wishes.mapping else None
        if columns is not None and columns.kind is not wishes.kind:
            raise ImportRefusedError(f"mapping {wishes.mapping}: is for {columns.kind}, not for {wishes.kind}")
        job = Jobs(self._folder).create(str(uuid.UUID(bytes=os.urandom(16), version=4)))
        try:
            await self._receive(request, job.upload)
        except (ImportRefusedError, BodyTooSlowError):
            job.remove()
            raise
        job.ask(
            stored.Request(
                id=job.id,
                kind=wishes.kind,
                name=wishes.name,
                source=source,
                operator=wishes.operator or source,
                reading=Reading(
                    encoding=wishes.encoding, delimiter=wishes.delimiter, sheet=wishes.sheet, header=wishes.header
                ),
                columns=columns.columns if columns else None,
                zone=wishes.zone,
                channel=wishes.channel,
                purpose=wishes.purpose,
                returns=wishes.returns,
                keep_others=wishes.keep_others,
                asked_at=self._now_ms(),
            )
        )
        return answer(201, _view(job), {"Location": f"/api/v1/imports/{job.id}"})

    async def list(self, request: Request, _: str) -> Response:
        """The source's jobs, the latest first, without their reports."""
        source = self._source(request)
        mine = [job for job in Jobs(self._folder).all() if job.request().source == source]
        mine.sort(key=lambda job: (job.request().asked_at, job.id), reverse=True)
        return answer(200, {"imports": [_view(job, whole=False) for job in mine]})

    async def show(self, request: Request, job_id: str) -> Response:
        """One job with what was found."""
        return answer(200, _view(self._mine(request, job_id)))

    async def again(self, request: Request, job_id: str) -> Response:
        """202: another dry run with these columns."""
        job = self._mine(request, job_id)
        body = Again.model_validate_json(await read_body(request, MOST_BODY))
        asked = self._open_wish(job)
        job.ask(msgspec.structs.replace(asked, columns=body.columns, number=asked.number + 1))
        return answer(202, _view(job))

    async def confirm(self, request: Request, job_id: str) -> Response:
        """202: the run begins. 409 unless the digest is that of the dry run shown last."""
        job = self._mine(request, job_id)
        body = Confirmation.model_validate_json(await read_body(request, MOST_BODY))
        asked, status, shown = self._open_wish(job), job.status(), job.shown()
        if status.state != "ready" or status.number != asked.number or shown is None:
            return error(409, "not_ready", f"the dry run is {status.state}, not ready")
        if body.digest != status.digest:
            return error(409, "other_forecast", "the digest is not that of the dry run shown last")
        if shown.report.refused and not body.skip_refused:
            return error(422, "refused", f"{shown.report.refused} rows are refused; say skip_refused, or mend the file")
        job.ask(
            msgspec.structs.replace(
                asked, wanted="run", confirmed=body.fires, skip_refused=body.skip_refused, number=asked.number + 1
            )
        )
        return answer(202, _view(job))

    async def remove(self, request: Request, job_id: str) -> Response:
        """204; 409 while it is being sent."""
        job = self._mine(request, job_id)
        if job.status().state == "sending":
            return error(409, "sending", "facts are on their way; they cannot be called back")
        job.remove()
        return Response(status_code=204)

    async def mappings(self, request: Request, _: str) -> Response:
        """Names of the mappings kept."""
        self._source(request)
        return answer(200, {"mappings": Mappings(self._folder).names()})

    async def mapping(self, request: Request, name: str) -> Response:
        """One mapping."""
        self._source(request)
        return answer(200, msgspec.to_builtins(Mappings(self._folder).load(name)))

    async def keep_mapping(self, request: Request, name: str) -> Response:
        """204: kept in place of what was there."""
        self._source(request)
        mapping: Mapping = parsed(await read_body(request, MOST_BODY), name)
        Mappings(self._folder).save(name, mapping)
        return Response(status_code=204)

    def _source(self, request: Request) -> str:
        return self._gate.admit(bearer(request), Scope.IMPORT).name

    def _mine(self, request: Request, job_id: str) -> Job:
        """The job, if the key's source asked for it; to others it is as unknown as any."""
        source = self._source(request)
        job = Jobs(self._folder).open(job_id)
        if job.request().source != source or job.request().file:
            raise ImportRefusedError(f"import {job_id}: unknown")
        return job

    @staticmethod
    def _open_wish(job: Job) -> stored.Request:
        asked = job.request()
        if asked.wanted == "run":
            raise ImportRefusedError("the import was confirmed already")
        return asked

    @staticmethod
    def _check(wishes: Wishes) -> None:
        try:
            if wishes.zone:
                parse_zone(wishes.zone)
        except ValueError as raised:
            raise ImportRefusedError(f"zone: {raised}") from None

    async def _receive(self, request: Request, target: Path) -> None:
        """The body into a private file, at most as large as allowed."""
        most, size = self._limits.upload, 0
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > most:
            raise ImportRefusedError(f"the file is larger than {most} bytes")
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    async for chunk in request.stream():
                        size += len(chunk)
                        if size > most:
                            raise ImportRefusedError(f"the file is larger than {most} bytes")
                        file.write(chunk)
            except (TimeoutError, ClientDisconnect):
                raise BodyTooSlowError from None
            file.flush()
            os.fsync(file.fileno())
        if not size:
            raise ImportRefusedError("the body is empty; send the file as it is")


def _view(job: Job, *, whole: bool = True) -> dict[str, Any]:
    asked, status = job.request(), job.status()
    state = status.state if status.number == asked.number else "waiting"
    view = {
        "id": job.id,
        "kind": asked.kind,
        "name": asked.name,
        "wanted": asked.wanted,
        "state": state,
        "rows_read": status.rows,
        "groups_sent": status.sent,
        "groups": status.total,
        "note": status.note,
        "digest": status.digest if state in {"ready", "sending", "done"} else "",
    }
    shown = job.shown() if whole and state not in {"waiting", "reading"} else None
    return view | (msgspec.to_builtins(shown) if shown is not None else {})
