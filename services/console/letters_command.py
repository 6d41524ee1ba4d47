"""`python -m services.console letters`: search, show, replay and dismiss by hand; knows arguments and how answers are shown."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from services.console import letter_store as store
from services.console import shown, texts
from services.console.letter_desk import Desk, Outcome, Replay, UnknownLetterError, UnsentError
from services.console.letter_sender import ReplaySender
from services.console.letter_store import CursorError, Page, Search
from services.console.letters import STATES
from services.console.remedies import NoRemedyError
from services.console.settings import LettersSettings
from services.console.store import connect
from services.console.texts import LANGUAGES, Language
from shared import clock
from shared.instants import parse_instant, parse_zone
from shared.sealing import SealingError

REFUSED: Final = 1
COLUMNS: Final = ("told", "state", "where", "about", "path", "reason", "id")


async def run(arguments: Sequence[str], out: Console | None = None) -> int:
    """The exit code: 0, or 1 after a sentence that says what is wrong."""
    given = parser().parse_args(arguments)
    try:
        code: int = await _run(given, out or Console())
    except ValidationError as error:
        return _refuse("; ".join(f"HUITOU_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()))
    except (NoRemedyError, UnknownLetterError, UnsentError, SealingError, CursorError, OSError) as error:
        return _refuse(str(error))
    except DBAPIError as error:
        return _refuse(f"the database does not answer: {type(error).__name__}")
    return code


async def _run(given: argparse.Namespace, out: Console) -> int:
    settings = LettersSettings()
    engine = connect(settings.database_url, connections=3)
    sender = ReplaySender(settings.kafka, settings.ingest_url, settings.ingest_key_file)
    desk = Desk(engine, settings.opener(), sender, now_ms=clock.now_ms)
    act: Callable[[Work], Awaitable[int]] = given.act
    try:
        return await act(Work(given, out, desk, engine, settings.zone()))
    finally:
        await engine.dispose()


class Work:
    """What one call of the command works with."""

    def __init__(self, given: argparse.Namespace, out: Console, desk: Desk, engine: Any, zone: str) -> None:
        self.given, self.out, self.desk, self.engine, self.zone = given, out, desk, engine, parse_zone(zone)
        self.language: Language = given.lang

    def t(self, key: str) -> str:
        """A text in the language asked for."""
        return texts.text(self.language, key)

    def at(self, ms: int) -> str:
        """An instant on the shop's clock."""
        return shown.day_and_second(ms, self.zone)

    def say(self, line: str) -> None:
        """One line; whatever it quotes cannot command the terminal."""
        self.out.print(Text(shown.printable(line)), soft_wrap=True)


async def _search(work: Work) -> int:
    given = work.given
    async with work.engine.connect() as connection:
        page = await store.search(connection, _wanted(given), limit=given.limit, after=given.after)
    if given.json:
        sys.stdout.buffer.write(msgspec.json.encode(page) + b"\n")
        return 0
    work.out.print(_table(work, page))
    work.out.print(_reasons(work, page))
    if page.after:
        work.say(f"--after {page.after}")
    return 0


def _table(work: Work, page: Page) -> Table:
    table = Table(title=Text(f"{work.t('letters.tagline')} · {page.total:,}"))
    for name in COLUMNS:
        table.add_column(work.t(f"letters.{name}"), overflow="fold", no_wrap=name in {"told", "state", "id"})
    for each in page.letters:
        row = (
            work.at(each.told_at),
            work.t(f"letter.{each.state}"),
            f"{each.topic} {each.partition}/{each.offset}",
            each.source or each.customer,
            each.path,
            each.reason,
            each.id[:8],
        )
        table.add_row(*(Text(shown.printable(cell)) for cell in row))
    return table


def _reasons(work: Work, page: Page) -> Table:
    table = Table(title=Text(work.t("letters.reasons")))
    table.add_column(work.t("letters.reason"), overflow="fold")
    table.add_column(work.t("letters.total"), justify="right")
    for reason, number in page.reasons:
        table.add_row(Text(shown.printable(reason)), f"{number:,}")
    return table


async def _show(work: Work) -> int:
    told, content = await work.desk.opened(work.given.id, work.given.operator)
    async with work.engine.connect() as connection:
        done = await store.history(connection, told.id)
    if work.given.raw:
        sys.stdout.buffer.write(content)
        return 0
    for name in ("id", "topic", "partition", "offset", "service", "source", "customer", "path", "reason"):
        work.say(f"{name}: {getattr(told, name)}")
    work.say(f"arrived: {work.at(told.arrived)}")
    for each in done:
        work.say(f"{work.at(each.at)} {each.action} {each.operator} {each.detail}")
    for line in _pretty(content).splitlines():
        work.say(line)
    return 0


def _pretty(content: bytes) -> str:
    try:
        return msgspec.json.format(content, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode(errors="backslashreplace")


async def _replay(work: Work) -> int:
    given = work.given
    if given.all == bool(given.id):
        return _refuse("replay: give one ID, or --all with a filter")
    if given.all:
        return await _replay_all(work)
    fixed = given.fixed.read_bytes() if given.fixed else None
    wish = Replay(fixed=fixed, customer=given.customer, again=given.again)
    outcome = await work.desk.replay(given.id, given.operator, wish)
    work.say(_said(work, outcome))
    return REFUSED if outcome.result == "refused" else 0


async def _replay_all(work: Work) -> int:
    wanted = msgspec.structs.replace(_wanted(work.given), state="open")
    if not work.given.yes:
        work.say(work.t("replay.dry").format(letters=await work.desk.count(wanted)))
        return 0
    results = await work.desk.replay_all(wanted, work.given.operator)
    for result, number in sorted(results.items()):
        work.say(f"{number:>8,} {work.t(f'replay.{result}')}")
    return REFUSED if results.keys() & {"refused", "no-remedy"} else 0


def _said(work: Work, outcome: Outcome) -> str:
    detail = f" {outcome.detail}" if outcome.detail else ""
    return f"{outcome.letter} {work.t(f'replay.{outcome.result}')}{detail}"


async def _dismiss(work: Work) -> int:
    await work.desk.dismiss(work.given.id, work.given.operator, work.given.note)
    work.say(f"{work.given.id} {work.t('letter.dismissed')}")
    return 0


def _wanted(given: argparse.Namespace) -> Search:
    return Search(
        topic=given.topic,
        service=given.service,
        reason=given.reason,
        source=given.source,
        state=getattr(given, "state", "open"),
        since=given.since,
    )


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="services.console letters", description="Records and events that were not taken."
    )
    commands = made.add_subparsers(required=True, metavar="action")
    found = commands.add_parser("search", help="list and count")
    _filter(found)
    found.add_argument("--state", choices=(*STATES, "all"), default="open")
    found.add_argument("--limit", type=int, choices=range(1, store.MOST + 1), default=50, metavar="N")
    found.add_argument("--after", default="", help="where an earlier page ended")
    found.add_argument("--json", action="store_true")
    show = commands.add_parser("show", help="open one with the keyring; on record")
    show.add_argument("id", help="the id, or its first characters")
    show.add_argument("--raw", action="store_true", help="its bytes alone, to be mended in a file")
    replay = commands.add_parser("replay", help="once more, as it was or mended; on record")
    replay.add_argument("id", nargs="?", default="")
    replay.add_argument("--with", dest="fixed", type=Path, metavar="FILE", help="what to take in its place, JSON")
    replay.add_argument("--customer", default="", help="the customer id, where the record names none")
    replay.add_argument("--again", action="store_true", help="also if it was replayed or dismissed already")
    replay.add_argument(
        "--all", action="store_true", help="all open letters of the filter; counted only, without --yes"
    )
    replay.add_argument("--yes", action="store_true")
    _filter(replay)
    dismiss = commands.add_parser("dismiss", help="nothing is to be done about it")
    dismiss.add_argument("id")
    dismiss.add_argument("--note", required=True, help="why")
    for command, act in ((found, _search), (show, _show), (replay, _replay), (dismiss, _dismiss)):
        command.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0])
        command.add_argument("--operator", default=getpass.getuser(), help="who does it; default: the login name")
        command.set_defaults(act=act)
    return made


def _filter(command: argparse.ArgumentParser) -> None:
    command.add_argument("--topic", default="")
    command.add_argument("--service", default="")
    command.add_argument("--reason", default="", help="a part of the reason")
    command.add_argument("--source", default="", help="sender of rejected events")
    command.add_argument("--since", type=_instant, default=0, metavar="INSTANT", help="RFC 3339")


def _instant(text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _refuse(reason: str) -> int:
    sys.stderr.write(f"letters: {shown.printable(reason)}\n")
    return REFUSED
