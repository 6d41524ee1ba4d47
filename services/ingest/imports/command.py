"""The import command: arguments to a job, run here and now. Knows arguments and words; not rows or Kafka."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from services.ingest.imports import telling
from services.ingest.imports.jobs import Job, Jobs, Request
from services.ingest.imports.limits import COMMAND
from services.ingest.imports.mappings import Mapping, Mappings, parsed
from services.ingest.imports.pace import ON_THEIR_WAY
from services.ingest.imports.prepare import Wish, mapped
from services.ingest.imports.progress import ImportProgress
from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.table import Reading
from services.ingest.imports.values import instant
from services.ingest.imports.vocabulary import FIELDS, Kind
from services.ingest.imports.work import Means, dry_run, run, terms
from services.ingest.settings import ImportSettings
from shared.ids import derived_id
from shared.instants import parse_instant, parse_zone
from shared.sealing import Keyring

OLD_NAMES: Final = {
    "invoice": "order", "product": "product", "quantity": "quantity", "at": "at", "price": "price", "customer": "member",
}  # fmt: skip
"""Options such as --column-invoice NAME, short for --column order=NAME."""
_DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t"}


def execute(given: argparse.Namespace) -> int:
    """Do what the arguments ask; ImportRefusedError says why not."""
    settings = ImportSettings()
    means = Means(
        desk=settings.desk(),
        keyring=Keyring.load(settings.keyring),
        kafka=settings.kafka,
        scenario=settings.scenario,
        forecaster="" if given.no_forecast else settings.forecaster,
        most=given.max_lag,
    )
    job = _job(given, settings, means)
    with job.held():
        return _dry(job, means) if given.dry_run else _run(given, job, means)


def _dry(job: Job, means: Means) -> int:
    found = asyncio.run(dry_run(job, means))
    _say(telling.shown(found, job.status().digest, means.desk.shop))
    return 0


def _run(given: argparse.Namespace, job: Job, means: Means) -> int:
    status = job.status()
    if given.yes is not None and given.yes != status.digest:
        raise ImportRefusedError("--yes: no dry run of this file with these options has shown that digest")
    if status.state == "sending":
        _say([f"going on where the last run stopped: {status.sent} of {status.total}"])
    with ImportProgress(Console()) as progress:
        report = asyncio.run(run(job, means, progress))
    _say(telling.summary(report, means.desk.shop))
    return 0


def _job(given: argparse.Namespace, settings: ImportSettings, means: Means) -> Job:
    """The job of this file and these options: asked for again, it is the same one, and goes on."""
    file: Path = given.file
    if not file.is_file():
        raise ImportRefusedError(f"{file.name}: no such file")
    mappings = Mappings(Jobs(settings.imports).folder)
    request = _request(given, file, means)
    columns = _columns(given, file, request, means, mappings)
    request = msgspec.structs.replace(request, columns=columns)
    if given.save_mapping:
        mappings.save(given.save_mapping, Mapping(kind=request.kind, columns=columns))
    stat = file.stat()
    wish = msgspec.structs.replace(request, confirmed=False, skip_refused=False, operator="")
    job_id = derived_id("import", stat.st_size, stat.st_mtime_ns, msgspec.json.encode(wish).decode())
    job = Jobs(settings.imports).create(job_id)
    job.ask(msgspec.structs.replace(request, id=job_id, wanted="dry-run" if given.dry_run else "run"))
    return job


def _request(given: argparse.Namespace, file: Path, means: Means) -> Request:
    try:
        zone = parse_zone(given.zone or means.desk.shop.zone)
    except ValueError as error:
        raise ImportRefusedError(f"--zone: {error}") from None
    edges: dict[str, int | None] = {}
    for option, text in (("from", given.since), ("until", given.until)):
        try:
            edges[option] = None if text is None else instant(text.replace("T", " "), zone)
        except ValueError as error:
            raise ImportRefusedError(f"--{option}: {error}") from None
    return Request(
        id="",
        kind=Kind(given.kind),
        name=file.name,
        source=given.source,
        file=str(file.resolve()),
        operator=given.operator,
        reading=Reading(
            encoding=given.encoding,
            delimiter=_DELIMITERS.get(given.delimiter, given.delimiter),
            sheet=given.sheet,
            header=not given.no_header,
        ),
        zone=given.zone or "",
        channel=given.channel,
        purpose=given.purpose,
        returns=given.returns,
        keep_others=given.keep_others,
        since=edges["from"],
        until=edges["until"],
        mode=given.mode,
        baseline=given.baseline,
        large=True,
        confirmed=given.confirm_forecast or given.yes is not None,
        skip_refused=given.skip_refused,
    )


def _columns(
    given: argparse.Namespace, file: Path, request: Request, means: Means, mappings: Mappings
) -> dict[str, str]:
    """Named one by one, else by a mapping; fields that neither names are suggested where nothing was given at all."""
    named = {OLD_NAMES[old]: column for old in OLD_NAMES if (column := getattr(given, f"column_{old}"))}
    for pair in given.column:
        field, equals, column = pair.partition("=")
        if not equals:
            raise ImportRefusedError(f"--column {pair}: must be FIELD=NAME")
        named[field] = column
    base: dict[str, str] | None = None
    if given.mapping:
        path = Path(given.mapping)
        mapping = parsed(path.read_bytes(), path.name) if path.is_file() else mappings.load(given.mapping)
        if mapping.kind is not request.kind:
            raise ImportRefusedError(f"--mapping {given.mapping}: is for {mapping.kind}, not for {request.kind}")
        base = mapping.columns
    wish = Wish(file, file.name, terms(request, means.desk, 0, confirmed=False), request.reading)
    if base is None:
        known = {field.name for field in FIELDS[request.kind]}
        if unknown := sorted(set(named) - known):
            raise ImportRefusedError(f"--column {unknown[0]}: {request.kind} knows no such field")
        base = {} if _enough(request.kind, named) else mapped(wish, COMMAND, named)
    return mapped(wish._replace(columns=base | named), COMMAND)


def _enough(kind: Kind, named: dict[str, str]) -> bool:
    """Whether what was named needs no suggestions: all of the old options."""
    return kind is Kind.ORDERS and set(OLD_NAMES.values()) <= set(named)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that the command takes."""
    parser.add_argument("file", type=Path, help="CSV (UTF-8, GB18030; gzipped or not) or XLSX")
    parser.add_argument("--kind", choices=list(Kind), default=Kind.ORDERS, help="what its rows say; default orders")
    parser.add_argument("--dry-run", action="store_true", help="say what would come of it; nothing is sent")
    parser.add_argument("--yes", metavar="DIGEST", help="the dry run's forecast is confirmed: later instants may fire")
    parser.add_argument("--confirm-forecast", action="store_true", help="the same unseen, for scripts")
    parser.add_argument("--no-forecast", action="store_true", help="a dry run without forecast")
    parser.add_argument("--skip-refused", action="store_true", help="import the rest though rows are refused")
    _add_columns(parser)
    _add_reading(parser)
    parser.add_argument("--source", default="import", help="name of the source; with the order it makes the event id")
    parser.add_argument("--operator", default=_user(), help="who imports, for proofs of consent; default: you")
    parser.add_argument("--channel", default="all", help="of consents and opt-outs where the file names none")
    parser.add_argument("--purpose", default="marketing", help="of consents where the file names none")
    parser.add_argument("--keep-others", action="store_true", help="columns that are not mapped become traits")
    parser.add_argument("--baseline", type=_instant, help="logical time at the start, RFC 3339; default: now")
    parser.add_argument("--from", dest="since", metavar="LOCAL", help="orders from this local time on")
    parser.add_argument("--until", metavar="LOCAL", help="orders before this local time")
    parser.add_argument("--returns", action="store_true", help="invoices that start with C become refunds")
    parser.add_argument(
        "--max-lag",
        type=int,
        default=ON_THEIR_WAY,
        help="records that may be on their way at most; default %(default)s",
    )
    parser.add_argument(
        "--mode", choices=("import", "live"), default="import",
        help="live takes the history for fresh events: only to prove that the other gates hold",
    )  # fmt: skip


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--column", action="append", default=[], metavar="FIELD=NAME", help="which column holds a field; else suggested"
    )
    for old, field in OLD_NAMES.items():
        parser.add_argument(f"--column-{old}", metavar="NAME", help=f"short for --column {field}=NAME")
    parser.add_argument("--mapping", metavar="NAME", help="a mapping kept by name, or a JSON file")
    parser.add_argument("--save-mapping", metavar="NAME", help="keep the columns of this import by name")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--zone", help="zone of the file's local times; default: the shop's")
    parser.add_argument("--encoding", default="", choices=("", "utf-8", "gb18030"), help="default: found out")
    parser.add_argument("--delimiter", default="", choices=("", *_DELIMITERS), help="default: found out")
    parser.add_argument("--sheet", default="", help="of an Excel file; default: the first")
    parser.add_argument("--no-header", action="store_true", help="no row of names; columns are A, B, C, …")


def _say(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _instant(text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
