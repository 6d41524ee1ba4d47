"""Imports on disk: what was asked, how far it is, what was found, each in a private folder. Knows files; runs nothing.

There is no database: `request.json` is written by whoever asks, `status.json` and `report.json` by whoever does the work.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, final

import msgspec

from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.report import Report
from services.ingest.imports.table import Reading
from services.ingest.imports.vocabulary import Kind
from shared.contract.facts import Mode
from shared.private_files import PrivateFileError, read_private, replace_private

State = Literal["waiting", "reading", "forecasting", "ready", "sending", "done", "failed"]
MOST_JOBS: Final = 200
"""Jobs that may lie in one folder; older finished ones make room."""
KEPT_MS: Final = 7 * 86_400_000
"""An upload holds personal data: unconfirmed it is kept so long."""
BROKEN_OFF_MS: Final = 3_600_000
_ID: Final = re.compile(r"[0-9a-f-]{36}", re.ASCII)


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wanted of a file. Instants in ms; `file` empty: the one that was uploaded into the folder."""

    id: str
    kind: Kind
    name: str
    """The file's name."""
    source: str
    file: str = ""
    operator: str = ""
    reading: Reading = Reading()
    columns: dict[str, str] | None = None
    """None: as suggested."""
    zone: str = ""
    """Empty: the shop's."""
    channel: str = "all"
    purpose: str = "marketing"
    returns: bool = False
    keep_others: bool = False
    since: int | None = None
    until: int | None = None
    mode: Mode = "import"
    baseline: int | None = None
    """None: the wall time at which the run starts."""
    large: bool = False
    """Under the command's limits."""
    asked_at: int = 0
    wanted: Literal["dry-run", "run"] = "dry-run"
    number: int = 1
    """Rises with each wish; the status tells which one it answers."""
    confirmed: bool = False
    """The forecast was shown and confirmed: what falls due after the baseline may fire."""
    skip_refused: bool = False
    """Run although rows are refused."""


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far it is."""

    state: State = "waiting"
    number: int = 0
    """Of the wish that this answers."""
    rows: int = 0
    """Read so far."""
    sent: int = 0
    """Groups of facts acknowledged by the broker."""
    total: int = 0
    position: int = 0
    """Byte of the record file behind what was acknowledged: where a new process goes on."""
    baseline: int | None = None
    confirmed: bool = False
    note: str = ""
    """Why it waits or failed."""
    digest: str = ""
    """Of the dry run that was shown."""
    tries: int = 0
    """How often reading was begun for this wish: a file that ends the process again and again is given up."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """report.json: what was found, and what would fall due."""

    report: Report
    forecast: dict[str, Any] | None = None
    forecast_note: str = ""
    """Why there is none."""


@final
class Job:
    """One folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        self.upload, self.records = folder / "upload", folder / "records"

    def request(self) -> Request:
        """What was asked; ImportRefusedError if there is no such job."""
        try:
            return msgspec.json.decode(read_private(self.folder / "request.json"), type=Request)
        except (PrivateFileError, msgspec.DecodeError):
            raise ImportRefusedError(f"import {self.id}: unknown") from None

    def status(self) -> Status:
        """How far it is; waiting while nobody began."""
        try:
            return msgspec.json.decode(read_private(self.folder / "status.json"), type=Status)
        except PrivateFileError:
            return Status()

    def shown(self) -> Shown | None:
        """What the last reading found; None before the first."""
        try:
            return msgspec.json.decode(read_private(self.folder / "report.json"), type=Shown)
        except PrivateFileError:
            return None

    def ask(self, request: Request) -> None:
        """Write the wish, on disk when this returns."""
        replace_private(self.folder / "request.json", msgspec.json.encode(request))

    def tell(self, status: Status) -> None:
        """Write how far it is, on disk when this returns."""
        replace_private(self.folder / "status.json", msgspec.json.encode(status))

    def show(self, shown: Shown) -> None:
        """Write what was found."""
        replace_private(self.folder / "report.json", msgspec.json.encode(shown))

    def file(self) -> Path:
        """The file to read."""
        given = self.request().file
        return Path(given) if given else self.upload

    def clear(self) -> None:
        """Remove what may hold personal data: the uploaded file and the records; the report stays."""
        self.records.unlink(missing_ok=True)
        self.upload.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Against a second process on the same job; ImportRefusedError while there is one."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise ImportRefusedError(f"import {self.id}: another process is at it") from None
        finally:
            os.close(handle)


@final
class Jobs:
    """All jobs of one private folder, made when first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)

    def open(self, job_id: str) -> Job:
        """A job by its id; ImportRefusedError if there is none."""
        if _ID.fullmatch(job_id) is None or not (self.folder / job_id / "request.json").is_file():
            raise ImportRefusedError(f"import {job_id[:40]}: unknown")
        return Job(self.folder / job_id)

    def create(self, job_id: str) -> Job:
        """A folder for a new job, or that of the same job before."""
        self._make_room()
        folder = self.folder / job_id
        folder.mkdir(mode=0o700, exist_ok=True)
        return Job(folder)

    def all(self) -> list[Job]:
        """Every job that was asked for, in the order of their ids."""
        return [Job(path.parent) for path in sorted(self.folder.glob("*/request.json"))]

    def tidy(self, now_ms: int) -> int:
        """Remove uploads that were broken off, and jobs that nobody confirmed for a week; how many."""
        removed = 0
        for folder in self.folder.iterdir():
            if _ID.fullmatch(folder.name) is None:
                continue
            asked = folder / "request.json"
            begun = int((asked if asked.is_file() else folder).stat().st_mtime * 1000)
            if asked.is_file() and Job(folder).status().state == "done":
                Job(folder).clear()  # once more: the process may have died before
                continue
            waits = not asked.is_file() or Job(folder).status().state in {"ready", "failed"}
            if waits and now_ms - begun > (KEPT_MS if asked.is_file() else BROKEN_OFF_MS):
                Job(folder).remove()
                removed += 1
        return removed

    def _make_room(self) -> None:
        jobs = self.all()
        if len(jobs) < MOST_JOBS:
            return
        finished = [job for job in jobs if job.status().state in {"done", "failed"}]
        if not finished:
            raise ImportRefusedError(f"{len(jobs)} imports wait already; remove some first")
        min(finished, key=lambda job: job.request().asked_at).remove()
