"""`python -m services.ingest http|clock|import|importer|hooks|erase|keys`: reads arguments and environment, and starts what they name."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from services.ingest import clock_process, erasing, http_process
from services.ingest.fields import EventRefusedError
from services.ingest.gate import STANDARD
from services.ingest.hooks.commands import add_commands
from services.ingest.hooks.sources import HookSourcesError
from services.ingest.identifiers import IdentifierRefusedError, Kind, PepperError
from services.ingest.imports import command, importer_process
from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.person_sender import erasures_sent
from services.ingest.rate import Limit
from services.ingest.settings import ClockSettings, HooksSettings, HttpSettings, ImportSettings, KeysSettings
from services.ingest.typed import CUSTOMER_KINDS
from services.ingest.typed_shapes import Customer
from services.ingest.unlink import alias_from, alias_of, conflicts, send_unlink
from services.ingest.write_keys import Scope, WriteKeysError, add_key, list_keys, revoke_key
from shared import clock, log
from shared.instants import parse_instant
from shared.sealing import SealingError
from shared.telemetry.process import begin

REFUSED: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 after a sentence that says what is wrong."""
    given = _parser().parse_args(arguments)
    log.setup()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # we say once what it repeats
    if arguments is None and given.run is command.execute:
        os.nice(importer_process.NICE)  # live events go first; a caller's own process is left as it is
    try:
        code: int = given.run(given)
    except ValidationError as error:
        return _refuse("; ".join(f"HUITOU_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()))
    except (
        IdentifierRefusedError,
        PepperError,
        SealingError,
        WriteKeysError,
        HookSourcesError,
        ImportRefusedError,
        msgspec.DecodeError,
        OSError,
    ) as error:
        return _refuse(str(error))
    except EventRefusedError as error:
        return _refuse(f"{error.path}: {error.reason}")
    except KafkaError as error:
        return _refuse(f"the broker failed: {error}")
    return code


def _http(_: argparse.Namespace) -> int:
    http_process.serve(HttpSettings(), begin("ingest"))
    return 0


def _clock(_: argparse.Namespace) -> int:
    uvloop.run(clock_process.serve(ClockSettings(), begin("clock")))
    return 0


def _importer(_: argparse.Namespace) -> int:
    uvloop.run(importer_process.serve(ImportSettings(), begin("importer")))
    return 0


def _erase(given: argparse.Namespace) -> int:
    settings = ImportSettings()
    pepper, source = settings.desk().pepper, given.source
    wishes = [erasing.named(**{name: getattr(given, name) for name in CUSTOMER_KINDS})]
    if given.stdin:
        lines = (line for line in sys.stdin if line.strip())
        wishes = [erasing.identifiers_of(msgspec.json.decode(line, type=Customer)) for line in lines]
    at = clock.now_ms() if given.at is None else given.at
    if given.at is None and settings.scenario:
        raise EventRefusedError("--at", "a scenario stack has no wall time; give the logical time")
    erasures = [erasing.erase(wish, pepper, event_id="", source=source, at=at) for wish in wishes]
    asyncio.run(erasures_sent(settings.kafka, erasures))
    sys.stdout.write(f"erased: {len(erasures)} persons, {sum(len(each.facts) for each in erasures)} ids\n")
    return 0


def _unlink(given: argparse.Namespace) -> int:
    settings = ImportSettings()
    named = [(Kind(kind), value) for kind in Kind if (value := getattr(given, kind.value)) is not None]
    if given.id is not None:
        alias = given.id
    else:
        [(kind, value)] = named
        alias = alias_of(kind, value, settings.desk().pepper)
    uvloop.run(send_unlink(settings.kafka, alias))
    sys.stdout.write(f"{alias} is split off from its person, if it was linked to one 已请求拆分\n")
    return 0


def _id(given: argparse.Namespace) -> int:
    pepper = ImportSettings().desk().pepper
    for name, kind in CUSTOMER_KINDS.items():
        if (value := getattr(given, name)) is not None:
            sys.stdout.write(f"{alias_of(kind, value, pepper)}\n")
    return 0


def _conflicts(_: argparse.Namespace) -> int:
    table = Table("member", "other member", "named with", "times")
    for (one, other, alias), times in sorted(uvloop.run(conflicts(ClockSettings().kafka)).items()):
        table.add_row(one, other, alias, str(times))
    Console().print(table if table.row_count else "no conflict 无冲突")
    return 0


def _add_key(given: argparse.Namespace) -> int:
    key = add_key(KeysSettings().write_keys_file, given.source, given.scope, _limit(given))
    sys.stdout.write(key + "\n")
    sys.stderr.write("this key is shown once and kept nowhere 此密钥只显示一次\n")
    return 0


def _limit(given: argparse.Namespace) -> Limit | None:
    if given.per_second is None:
        if given.burst is not None:
            raise WriteKeysError("--burst: needs --per-second")
        return None
    burst = STANDARD.burst if given.burst is None else given.burst
    try:
        return msgspec.convert({"per_second": given.per_second, "burst": burst}, Limit)
    except msgspec.ValidationError as error:
        raise WriteKeysError(f"--per-second, --burst: {error}") from None


def _list_keys(_: argparse.Namespace) -> int:
    for key in list_keys(KeysSettings().write_keys_file):
        limit = "" if key.limit is None else f"{key.limit.per_second} events/s, burst {key.limit.burst}"
        state = "revoked" if key.revoked else "active"
        sys.stdout.write("\t".join((key.id, key.source, ",".join(key.scopes), state, limit)).rstrip() + "\n")
    return 0


def _revoke_key(given: argparse.Namespace) -> int:
    revoke_key(KeysSettings().write_keys_file, given.key_id)
    return 0


def _hooks_file() -> Path:
    return HooksSettings().hooks_file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="services.ingest", description="The entrance for everything a shop sends.")
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("http", help="serve events over HTTP on 127.0.0.1").set_defaults(run=_http)
    commands.add_parser("clock", help="write time into every partition").set_defaults(run=_clock)
    commands.add_parser("importer", help="do the imports that come over HTTP").set_defaults(run=_importer)
    importing = commands.add_parser(
        "import", help="orders, customers, tags, consents, opt-outs, blacklists from a file"
    )
    command.add_arguments(importing)
    importing.set_defaults(run=command.execute)
    _unlink_parser(commands.add_parser("unlink", help="split an identifier off from its person"))
    commands.add_parser("conflicts", help="member numbers that events would have made one person").set_defaults(
        run=_conflicts
    )
    add_commands(commands.add_parser("hooks", help="systems that may call /hooks/…"), _hooks_file)
    _id_parser(
        commands.add_parser("id", help="the customer id of a member number, a phone, …, as tables and logs show it")
    )
    _erase_parser(commands.add_parser("erase", help="forget a person (docs/privacy.md)"))
    keys = commands.add_parser("keys", help="write keys").add_subparsers(required=True, metavar="action")
    add = keys.add_parser("add", help="a new key, printed once")
    add.add_argument("--source", required=True, help="name of the sender, e.g. shop")
    add.add_argument("--scope", action="append", type=Scope, choices=list(Scope), required=True)
    add.add_argument("--per-second", type=int, metavar="EVENTS", help="lasting rate; default: the service's")
    add.add_argument("--burst", type=int, metavar="EVENTS", help=f"at once after a rest; default {STANDARD.burst}")
    add.set_defaults(run=_add_key)
    keys.add_parser("list", help="ids, sources, scopes, limits; no secrets").set_defaults(run=_list_keys)
    revoke = keys.add_parser("revoke", help="end a key")
    revoke.add_argument("key_id", help="hk_…, the part before the dot")
    revoke.set_defaults(run=_revoke_key)
    return parser


def _erase_parser(parser: argparse.ArgumentParser) -> None:
    for name in CUSTOMER_KINDS:
        parser.add_argument(f"--{name.replace('_', '-')}", help="an identifier of the person; every id found is erased")
    parser.add_argument(
        "--stdin", action="store_true", help='persons as JSON lines, e.g. {"phone": "…"}: in no history'
    )
    parser.add_argument("--source", default="erase", help="who asks, for the log")
    parser.add_argument("--at", type=_instant, help="what happened up to then is forgotten, RFC 3339; default: now")
    parser.set_defaults(run=_erase)


def _id_parser(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    for name in CUSTOMER_KINDS:
        which.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUE")
    parser.set_defaults(run=_id)


def _unlink_parser(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    for kind in Kind:
        which.add_argument(f"--{kind.value.replace('_', '-')}", dest=kind.value, metavar="VALUE")
    which.add_argument("--id", type=_alias, help="the id itself, as in decisions and tables")
    parser.set_defaults(run=_unlink)


def _alias(text: str) -> str:
    try:
        return alias_from(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _instant(text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _refuse(reason: str) -> int:
    sys.stderr.write(f"ingest: {reason}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
