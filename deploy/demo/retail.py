"""A real shop's year (Online Retail) through the running chain: imported at once, or partly imported and then lived."""

from __future__ import annotations

import asyncio
import csv
import gzip
import sys
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from deploy.demo.people import event, introduction, person
from deploy.demo.scenario import Event, Scenario
from deploy.stack.plan import Entry
from deploy.stack.stack import CACHE, Stack
from services.ingest.identifiers import Identifier, Kind, Pepper, identify
from services.ingest.imports.jobs import Jobs
from shared.instants import format_instant, parse_instant
from shared.shop import Shop

DAY = 86_400_000
SEED = 352
LONDON = ZoneInfo("Europe/London")
SHOP = Shop(zone="Europe/London", currency="GBP", exponent=3, window_days=400)
AS_OF = parse_instant("2011-12-10T00:00:00Z")
LIVE_FROM = parse_instant("2011-11-10T00:00:00Z")
QUICK = {
    "HUITOU_LEASE_SECONDS": "12",
    "HUITOU_QUIET_SECONDS": "2.5",
    "HUITOU_LONGEST_WAIT_SECONDS": "5",
    "HUITOU_STAFF_POLL_SECONDS": "1",
    "HUITOU_SANDBOX_CONFIRM_AFTER_MS": "1500",
}
"""Waits of the notifier and of the sandbox's staff, fit for a season in minutes."""
SERVICES = ("sandbox", "profile", "segmenter", "cuts", "trigger-engine", "notifier", "ingest")


class Sale(msgspec.Struct, frozen=True):
    """One order of the file."""

    at: int
    invoice: str
    member: str
    amount: Decimal


def sales(file: Path) -> list[Sale]:
    """Orders of the usual cleaning, one per invoice, by instant; read by code of its own, not the importer's."""
    lines: dict[tuple[str, str], list[tuple[str, Decimal]]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            quantity, price = int(row["Quantity"]), Decimal(row["UnitPrice"])
            if row["CustomerID"] and not row["InvoiceNo"].startswith("C") and quantity > 0 and price > 0:
                lines[row["InvoiceNo"], row["CustomerID"]].append((row["InvoiceDate"], quantity * price))
    found = []
    for (invoice, member), parts in lines.items():
        local = datetime.fromisoformat(min(written for written, _ in parts)).replace(tzinfo=LONDON)
        found.append(
            Sale(int(local.timestamp()) * 1000, invoice, member, sum((amount for _, amount in parts), Decimal(0)))
        )
    return sorted(found, key=lambda sale: (sale.at, sale.invoice))


def shop_document(directory: Path) -> Path:
    """The shop's facts for this file: London, pounds with three digits, 400 days."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "online-retail-shop.json"
    file.write_bytes(msgspec.json.encode(SHOP))
    return file


def environment(directory: Path) -> dict[str, str]:
    """What services are told beside their stack's own: this shop, an epoch a day, short waits in the notifier."""
    return {"HUITOU_SHOP_FILE": str(shop_document(directory)), "HUITOU_EPOCH_MS": str(DAY), **QUICK}


def stack(
    directory: Path,
    *,
    services: tuple[str, ...] = SERVICES,
    cache: Path = CACHE,
    brief: bool = False,
    entry: Mapping[str, Entry] | None = None,
) -> Stack:
    """A fresh stack on the scenario clock; `entry` as for Stack."""
    return Stack(
        directory=directory,
        services=services,
        scenario=True,
        durable=False,
        brief=brief,
        cache=cache,
        env=environment(directory),
        entry=entry,
    )


async def introduce(scenario: Scenario, members: list[str], at: int) -> None:
    """The members are made known."""
    await scenario.post(introductions(members, at))


def introductions(members: list[str], at: int) -> list[Event]:
    """Contacts, consents and birthdays of all members, as the shop's member system would tell them."""
    return [one for number, member in enumerate(members) for one in introduction(person(SEED, number, member), at)]


async def import_file(running: Stack, file: Path, *options: str, zone: str = "Europe/London", kills: int = 0) -> str:
    """The importer as a user runs it; what it said. RuntimeError if it failed.

    With `kills` it is killed that often, evenly over what it sends, and run again each time with the same words.
    """
    for kill in range(1, kills + 1):
        process = await _importer(running, file, *options, zone=zone)
        reached = await asyncio.wait_for(_sent(running, process, kill / (kills + 1)), 300)
        if not reached:
            said = await process.stdout.read() if process.stdout else b""
            raise RuntimeError(f"the import ended by itself before kill {kill}: {said.decode()[-2000:]}")
        process.kill()
        await process.communicate()
    process = await _importer(running, file, *options, zone=zone)
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}: {said.decode()[-2000:]}")
    return said.decode()


async def _importer(running: Stack, file: Path, *options: str, zone: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.ingest", "import", str(file), "--zone", zone, *options),
        env=running.environment() | {"PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )


async def _sent(running: Stack, process: asyncio.subprocess.Process, share: float) -> bool:
    """True once this share is acknowledged and the process still lives."""
    jobs = Jobs(Path(running.environment()["HUITOU_IMPORTS"]))
    while process.returncode is None:
        for job in jobs.all():
            status = job.status()
            if status.state == "sending" and status.sent >= max(1, int(status.total * share)):
                return True
        await asyncio.sleep(0.02)
    return False


async def publish(running: Stack, policy: Path) -> None:
    """The policy goes into force, as a user would publish it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.trigger_engine", "publish", str(policy)),
        env=running.environment() | {"PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
    )
    if await process.wait():
        raise RuntimeError(f"publishing {policy.name} ended with {process.returncode}")


def customer_ids(running: Stack, members: list[str]) -> dict[str, str]:
    """Member number → customer id on this stack."""
    pepper = Pepper.load(running.secrets.pepper)
    return {member: identify([Identifier(Kind.MEMBER, member)], pepper).customer_id for member in members}


def lived(bought: list[Sale], members: list[str]) -> list[tuple[int, Event]]:
    """The last month as it happens: each sale, and seeded long looks that mostly end without one."""
    found: list[tuple[int, Event]] = []
    for sale in bought:
        if sale.at >= LIVE_FROM:
            body = {"order_id": sale.invoice, "amount": str(sale.amount), "currency": "GBP"}
            found.append(
                (sale.at, event("order.placed", f"live-{sale.invoice}", sale.at, {"member": sale.member}, **body))
            )
    for number, member in enumerate(members):
        if number % 9 == 0:
            begin = LIVE_FROM + (number * 7_919_000) % (27 * DAY)
            for beat in range(9):
                at = begin + beat * 45_000
                found.append(
                    (
                        at,
                        event(
                            "product.viewed",
                            f"look-{member}-{beat}",
                            at,
                            {"member": member},
                            product=f"{20_000 + number}",
                        ),
                    )
                )
    return sorted(found, key=lambda pair: (pair[0], str(pair[1]["id"])))


def local_text(at: int) -> str:
    """The instant as the importer's `--until` wants it."""
    return format_instant(at)[:19]
