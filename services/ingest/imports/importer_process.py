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
from services.ingest.imports.work import Means, dry_run, run
from services.ingest.settings import ImportSettings
from shared import clock
from shared.log import Log
from shared.sealing import Keyring

LOOK_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 2.0
TIDY_SECONDS: Final = 600.0
NICE: Final = 10
"""Live events go first where processors are short."""


async def serve(settings: ImportSettings) -> None:
    """Work until SIGTERM or SIGINT; what is under way goes on at the next start."""
    os.nice(NICE)
    means = Means(
        desk=settings.desk(),
        keyring=Keyring.load(settings.keyring),
        kafka=settings.kafka,
        scenario=settings.scenario,
        forecaster=settings.forecaster,
    )
    work = asyncio.create_task(_work(Jobs(settings.imports), means), name="do the imports")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _work(jobs: Jobs, means: Means) -> None:
    log, tidy_at = Log("importer"), 0.0
    while True:
        job = next_job(jobs)
        if job is None:
            if clock.monotonic() > tidy_at:
                tidy_at = clock.monotonic() + TIDY_SECONDS
                jobs.tidy(clock.now_ms())
            await asyncio.sleep(LOOK_SECONDS)
        elif not await do(job, means, log):
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


async def do(job: Job, means: Means, log: Log) -> bool:
    """Answer the job's wish; False if the broker is away and it must be tried again."""
    request = job.request()
    log.info("import-begins", job=job.id, wanted=request.wanted, kind=request.kind)
    try:
        with job.held():
            if request.wanted == "run":
                report = await run(job, means, Quiet())
                log.info("import-done", job=job.id, rows=report.rows, facts=sum(report.facts.values()))
            else:
                await dry_run(job, means)
    except ImportRefusedError:
        log.warning("import-refused", job=job.id)
    except (KafkaError, OSError) as error:
        if not job.folder.exists():  # removed by its owner meanwhile
            return True
        job.tell(msgspec.structs.replace(job.status(), note=f"waiting: {type(error).__name__}"))
        log.warning("import-waits", job=job.id, error=type(error).__name__)
        return False
    return True


@final
class Quiet:
    """Satisfies sending.Progress: how far it is stands in the status."""

    def start(self, total: int) -> None:
        """Nothing."""

    def advance(self, sent: int, note: str) -> None:
        """Nothing."""
