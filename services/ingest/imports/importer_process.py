"""The importer: one process beside the HTTP service that does the jobs in its folder, one at a time and politely."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Final, final

import msgspec
from aiokafka.errors import KafkaError

from services.ingest.imports.jobs import Job, Jobs
from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.report import Report
from services.ingest.imports.work import Means, dry_run, run
from services.ingest.settings import ImportSettings
from shared import clock
from shared.log import Log
from shared.sealing import Keyring
from shared.telemetry.meters import UNSEEN, Meters
from shared.telemetry.telemetry import Telemetry

LOOK_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 2.0
TIDY_SECONDS: Final = 600.0
NICE: Final = 10
"""Live events go first where processors are short."""
FILE_SECONDS: Final = 600.0
"""A file is read in one go, and nothing else meanwhile: longer than the largest that is taken needs."""
BROKER: Final = "broker"


async def serve(settings: ImportSettings, telemetry: Telemetry) -> None:
    """Work until SIGTERM or SIGINT; what is under way goes on at the next start."""
    os.nice(NICE)
    means = Means(
        desk=settings.desk(),
        keyring=Keyring.load(settings.keyring),
        kafka=settings.kafka,
        scenario=settings.scenario,
        forecaster=settings.forecaster,
    )
    telemetry.health.watch_loop(within=FILE_SECONDS)
    work = asyncio.create_task(_work(Jobs(settings.imports), means, telemetry), name="do the imports")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _work(jobs: Jobs, means: Means, telemetry: Telemetry) -> None:
    log, tidy_at, health = Log("importer"), 0.0, telemetry.health
    counts = Counts(telemetry.meters)
    while True:
        job = next_job(jobs)
        if job is None:
            if clock.monotonic() > tidy_at:
                tidy_at = clock.monotonic() + TIDY_SECONDS
                jobs.tidy(clock.now_ms())
            health.there(BROKER)
            await asyncio.sleep(LOOK_SECONDS)
        elif await do(job, means, log, counts):
            health.there(BROKER)
        else:
            health.waits(BROKER, "does not take the import under way")
            await asyncio.sleep(RETRY_SECONDS)


def next_job(jobs: Jobs) -> Job | None:
    """The one asked for first among those that are not answered yet; what is being sent goes before all others."""
    open_jobs = [(job, request, job.status()) for job in jobs.all() if not (request := job.request()).file]
    waiting = [
        (status.state != "sending", request.asked_at, job.id, job)
        for job, request, status in open_jobs
        if status.number != request.number or status.state not in {"ready", "done", "failed"}
    ]
    return min(waiting, default=(True, 0, "", None), key=lambda one: one[:3])[3]


async def do(job: Job, means: Means, log: Log, counts: Counts | None = None) -> bool:
    """Answer the job's wish; False if the broker is away and it must be tried again."""
    counts = counts or Counts()
    request = job.request()
    log.info("import-begins", job=job.id, wanted=request.wanted, kind=request.kind)
    try:
        with job.held():
            if request.wanted == "run":
                report = await run(job, means, counts)
                counts.done(report)
                log.info("import-done", job=job.id, rows=report.rows, facts=sum(report.facts.values()))
            else:
                await dry_run(job, means)
                counts.ended("done")
    except ImportRefusedError:
        counts.ended("refused")
        log.warning("import-refused", job=job.id)
    except (KafkaError, OSError) as error:
        if not job.folder.exists():  # removed by its owner meanwhile
            return True
        counts.ended("waiting")
        job.tell(msgspec.structs.replace(job.status(), note=f"waiting: {type(error).__name__}"))
        log.warning("import-waits", job=job.id, error=type(error).__name__)
        return False
    return True


@final
class Counts:
    """What the importer has done since its start. Satisfies sending.Progress: how far a job is stands in its status."""

    def __init__(self, meters: Meters = UNSEEN) -> None:
        self._rows = meters.counter("huitou_import_rows_total")
        self._groups = meters.counter("huitou_import_groups_total")
        self._jobs = meters.counter("huitou_import_jobs_total")
        self._resumed = False
        for result in ("used", "skipped", "refused"):
            self._rows.labels(result)
        for outcome in ("done", "refused", "waiting"):
            self._jobs.labels(outcome)

    def start(self, total: int) -> None:
        """A job begins or goes on; what an earlier try sent is told next, and counts no more."""
        self._resumed = True

    def advance(self, sent: int, note: str) -> None:
        """`sent` more groups are in the log."""
        if not self._resumed:
            self._groups.inc(sent)
        self._resumed = False

    def done(self, report: Report) -> None:
        """All of a file is in the log."""
        self._rows.labels("used").inc(report.used)
        self._rows.labels("skipped").inc(sum(report.skipped.values()))
        self._rows.labels("refused").inc(report.refused)
        self.ended("done")

    def ended(self, outcome: str) -> None:
        """A wish is answered, or waits for the broker."""
        self._jobs.labels(outcome).inc()
