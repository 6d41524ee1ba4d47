"""Does what a job asks: dry run, run, or going on after a kill. Knows the order of things; not HTTP or arguments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from services.ingest.cutting import NOTHING, holds_contact
from services.ingest.imports import values
from services.ingest.imports.forecasting import forecast
from services.ingest.imports.jobs import Job, Request, Shown, Status
from services.ingest.imports.limits import COMMAND, Limits
from services.ingest.imports.pace import ON_THEIR_WAY
from services.ingest.imports.prepare import Tools, Wish, prepare
from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.report import Report, digest
from services.ingest.imports.sending import Progress, send
from services.ingest.imports.terms import Terms
from services.ingest.people import Desk
from services.ingest.seal_memory import SealMemory
from shared import clock
from shared.instants import parse_zone
from shared.sealing import Keyring

MOST_TRIES: Final = 3


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What the work needs."""

    desk: Desk
    keyring: Keyring
    kafka: str
    scenario: bool
    forecaster: str
    most: int = ON_THEIR_WAY
    """Records on their way at once."""


async def dry_run(job: Job, means: Means) -> Shown:
    """Read the file and tell what would come of it; nothing is sent. ImportRefusedError if it cannot be read."""
    with _refusals_kept(job):
        return await _dry_run(job, means)


async def _dry_run(job: Job, means: Means) -> Shown:
    request = job.request()
    baseline = _baseline(request, means)
    tries = _tries(request, job.status())
    status = Status(state="reading", number=request.number, baseline=baseline, tries=tries)
    job.tell(status)
    try:
        report = _read(job, request, means, status, confirmed=True)
        job.tell(msgspec.structs.replace(status, state="forecasting", rows=report.rows))
        expected, note = await forecast(means.forecaster, job.records, baseline)
    finally:
        job.records.unlink(missing_ok=True)
    shown = Shown(report=report, forecast=expected, forecast_note=note)
    job.show(shown)
    named = digest(report, expected)
    job.tell(msgspec.structs.replace(status, state="ready", rows=report.rows, digest=named))
    return shown


async def run(job: Job, means: Means, progress: Progress) -> Report:
    """Import the file, or go on with what a kill left; ImportRefusedError, before anything is sent, if it cannot be."""
    request, status = job.request(), job.status()
    if not (status.state == "sending" and status.number == request.number and job.records.exists()):
        with _refusals_kept(job):
            status = _prepared(job, request, status, means)
    status = await send(means.kafka, job, progress, most=means.most)
    job.tell(msgspec.structs.replace(status, state="done"))
    job.clear()
    shown = job.shown()
    assert shown is not None, "it was written before the first record was sent"
    return shown.report


@contextmanager
def _refusals_kept(job: Job) -> Iterator[None]:
    """A refusal is the job's end, on disk before anybody hears of it."""
    try:
        yield
    except ImportRefusedError as refusal:
        failed = {"state": "failed", "number": job.request().number, "note": str(refusal)}
        job.tell(msgspec.structs.replace(job.status(), **failed))
        raise


def _prepared(job: Job, request: Request, before: Status, means: Means) -> Status:
    baseline = _baseline(request, means)
    status = Status(
        state="reading",
        number=request.number,
        baseline=baseline,
        confirmed=request.confirmed,
        digest=before.digest,
        tries=_tries(request, before),
    )
    job.tell(status)
    report = _read(job, request, means, status, confirmed=request.confirmed)
    shown = job.shown()
    kept = msgspec.structs.replace(shown, report=report) if shown is not None else Shown(report=report)
    job.show(kept)
    if report.refused and not request.skip_refused:
        job.records.unlink()
        first = report.errors[0]
        where = f"{first.column}: " if first.column else ""
        raise ImportRefusedError(
            f"{report.refused} of {report.rows} rows are refused, nothing was sent; the first: row {first.row}: "
            f"{where}{first.reason} ({first.value or 'empty'}); --skip-refused (HTTP: skip_refused) sends the others"
        )
    status = msgspec.structs.replace(status, state="sending", rows=report.rows, total=report.groups)
    job.tell(status)
    return status


def _tries(request: Request, before: Status) -> int:
    tries = before.tries + 1 if before.number == request.number and before.state in {"reading", "forecasting"} else 1
    if tries > MOST_TRIES and not request.large:  # whoever runs the command sees what happens
        raise ImportRefusedError(f"the process ended {MOST_TRIES} times over this file; it is given up")
    return tries


def _read(job: Job, request: Request, means: Means, status: Status, *, confirmed: bool) -> Report:
    assert status.baseline is not None
    wish = Wish(
        job.file(), request.name, terms(request, means.desk, status.baseline, confirmed=confirmed), request.reading,
        request.columns,
    )  # fmt: skip
    tools = Tools(
        keyring=means.keyring,
        memory=SealMemory(clock.monotonic, capacity=0),  # records are sorted later: each seals what it says
        limits=COMMAND if request.large else Limits(),
        now_ms=clock.now_ms(),
        say=lambda rows: job.tell(msgspec.structs.replace(status, rows=rows)),
    )
    return prepare(wish, job.records, tools)


def terms(request: Request, desk: Desk, baseline: int, *, confirmed: bool) -> Terms:
    """The terms that a request asks for; ImportRefusedError names the option that makes no sense."""
    try:
        zone = parse_zone(request.zone or desk.shop.zone)
        channel, purpose = values.channel(request.channel), values.purpose(request.purpose)
    except ValueError as error:
        raise ImportRefusedError(f"zone, channel or purpose: {error}") from None
    for option, text in (("name", request.name), ("operator", request.operator), ("source", request.source)):
        if holds_contact(text, NOTHING):  # they stand in every proof or fact
            raise ImportRefusedError(f"{option}: holds what looks like an address or a phone number")
    return Terms(
        shop=desk.shop,
        zone=zone,
        pepper=desk.pepper,
        kind=request.kind,
        source=request.source,
        mode=request.mode,
        baseline=baseline,
        confirmed=confirmed,
        since=request.since,
        until=request.until,
        returns=request.returns,
        keep_others=request.keep_others,
        channel=channel,
        purpose=purpose,
        file=request.name,
        operator=request.operator,
    )


def _baseline(request: Request, means: Means) -> int:
    """The logical time at the import's start: the wall's, or the scenario's, which only the caller knows."""
    if request.baseline is not None:
        return request.baseline
    if means.scenario:
        raise ImportRefusedError("baseline: a scenario stack has no wall time; give the logical time at the start")
    return clock.now_ms()
