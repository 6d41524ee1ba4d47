"""A notifier process between a real broker, a real database and the provider sandbox, for the tests beside it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import STDOUT, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy.engine import make_url

from deploy.create_topics import create
from deploy.migrate import upgrade
from deploy.sandbox.faults import Script
from deploy.sandbox.server import Running, serving
from deploy.sandbox.settings import SandboxSettings
from shared import clock
from shared.contract.codec import encode
from shared.contract.commands import SendMessage
from shared.contract.contact_points import ContactPoint
from shared.contract.facts import Channel, Purpose
from shared.contract.topics import (
    CONTACT_POINTS,
    CUSTOMER_EVENTS,
    DEAD_LETTERS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    PROVIDER_RECEIPTS,
)
from shared.ids import command_id
from shared.sealing import Keyring

ROOT = Path(__file__).parents[2]
FIELDS: Mapping[Channel, str] = {"sms": "phone", "email": "email", "wecom": "external_userid", "staff_task": ""}
TEMPLATES: Mapping[Channel, str] = {
    "sms": "repurchase-reminder",
    "email": "repurchase-reminder",
    "wecom": "repurchase-reminder",
    "staff_task": "birthday",
}
QUICK = {
    "HUITOU_LEASE_SECONDS": "2",
    "HUITOU_QUIET_SECONDS": "0.4",
    "HUITOU_LONGEST_WAIT_SECONDS": "0.4",
    "HUITOU_STAFF_POLL_SECONDS": "0.3",
    "HUITOU_WORKERS": "1",
    "HUITOU_BATCH": "8",
}
SECRETS = {
    "sms_key_id": "test-key",
    "sms_key_secret": "test-secret",
    "wecom_corp_id": "ww-test",
    "wecom_secret": "test-wecom",
    "smtp_username": "shop",
    "smtp_password": "test-mail",
}


class House:
    """Addresses, files and the means to write commands and to look at what became of them."""

    def __init__(self, *, directory: Path, kafka: str, database_url: str, sandbox: Running) -> None:
        self.directory, self.kafka, self.database_url, self.sandbox = directory, kafka, database_url, sandbox
        self.keyring = Keyring.create(directory / "keyring.json")
        self._write_providers()

    def _write_providers(self) -> None:
        document = {
            "shop": "回头测试店",
            "email": {
                "sender": "shop@shop.example",
                "sender_name": "Shop",
                "message_id_domain": "shop.example",
                "unsubscribe_url": "https://shop.example/u/{token}",
                "unsubscribe_key": "test-unsubscribe",
                "username": SECRETS["smtp_username"],
                "password": SECRETS["smtp_password"],
                "security": "none",
            },
            "sms": {
                "key_id": SECRETS["sms_key_id"],
                "key_secret": SECRETS["sms_key_secret"],
                "sign_name": "回头",
                "codes": {"repurchase-reminder": "SMS_1"},
            },
            "wecom": {
                "corp_id": SECRETS["wecom_corp_id"],
                "agent_id": 7,
                "secret": SECRETS["wecom_secret"],
                "task_url": "https://shop.example/tasks",
                "landing_url": "https://shop.example/m",
            },
        }
        path = self.directory / "providers.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(document), "utf-8")

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HUITOU_")}
        return (
            inherited
            | QUICK
            | {
                "HUITOU_KAFKA": self.kafka,
                "HUITOU_DATABASE_URL": self.database_url,
                "HUITOU_KEYRING": str(self.directory / "keyring.json"),
                "HUITOU_PROVIDERS_FILE": str(self.directory / "providers.json"),
                "HUITOU_SANDBOX_URL": self.sandbox.base_url,
                "HUITOU_SMTP_HOST": "127.0.0.1",
                "HUITOU_SMTP_PORT": str(self.sandbox.smtp_port),
                "HUITOU_INSTANCE": "notifier-0",
                # The broker outlives each test's database, as it outlives a restored backup.
                "HUITOU_RESTORED": "skip",
            }
            | dict(more)
        )

    @asynccontextmanager
    async def notifier(self, more: Mapping[str, str] | None = None, *, off: str = "") -> AsyncIterator[Process]:
        """A running process, without the guards of `off`, ended politely afterwards if it still lives."""
        log = (self.directory / "notifier.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", *(("tests.support.unguarded", "notifier", "--off", off) if off else ("services.notifier",))),
            cwd=ROOT,
            env=self.environment(more or {}),
            stdout=log,
            stderr=STDOUT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(15):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
            log.close()

    def log_text(self) -> str:
        """What the notifier processes have written."""
        return (self.directory / "notifier.log").read_text("utf-8")

    async def write(self, records: Sequence[tuple[str, str, bytes | None]]) -> None:
        """Records (topic, key, value) to the broker, acknowledged."""
        async with AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all") as producer:
            for topic, key, value in records:
                await producer.send(topic, key=key.encode(), value=value)
            await producer.flush()

    async def order(self, commands: Sequence[SendMessage]) -> None:
        """Write each command's address and then the command."""
        contacts = [
            (CONTACT_POINTS.name, f"{each.alias}/{each.field}", encode(self.contact(each)))
            for each in commands
            if each.field
        ]
        orders = [(OUTREACH_COMMANDS.name, each.customer, encode(each)) for each in commands]
        await self.write([*contacts, *orders])

    def contact(self, command: SendMessage) -> ContactPoint:
        number = int.from_bytes(command.customer.encode()[-4:], "big") % 100_000_000
        address = {
            "phone": f"138{number:08d}",
            "email": f"{command.customer}@mail.example",
            "external_userid": f"wm-{command.customer}",
        }[command.field]
        sealed = self.keyring.seal(command.alias, command.field, address)
        return ContactPoint(alias=command.alias, field=command.field, sealed=sealed, at=1)

    async def read(self, topic: str, kind: Any, *, customers: frozenset[str]) -> list[Any]:
        """Every record of the topic whose key is one of these customers, in order of the partitions."""
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.kafka, auto_offset_reset="earliest")
        found = []
        async with consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            waiting = {part: end for part, end in ends.items() if end}
            while waiting:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [
                        msgspec.json.decode(each.value, type=kind)
                        for each in records
                        if (each.key or b"").decode() in customers
                    ]
                waiting = {part: end for part, end in waiting.items() if await consumer.position(part) < end}
        return found

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Rows of the notifier's database."""
        plain = make_url(self.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(plain)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def states(self, commands: Sequence[SendMessage]) -> Counter[str]:
        """How many of the commands are in each state; those not read yet count as missing."""
        rows = await self.fetch(
            "SELECT state, count(*) FROM notifier.outbox WHERE command_id = ANY($1) GROUP BY state",
            [each.command_id for each in commands],
        )
        counts = Counter({row["state"]: row["count"] for row in rows})
        return counts + Counter(missing=len(commands) - counts.total())

    async def until(self, commands: Sequence[SendMessage], gone: frozenset[str], *, seconds: float) -> Counter[str]:
        """Wait until no command is in one of these states (or missing); the counts then."""
        end = clock.monotonic() + seconds
        counts = await self.states(commands)
        while counts["missing"] or any(counts[state] for state in gone):
            if clock.monotonic() > end:
                raise AssertionError(f"still {dict(counts)} after {seconds} s\n{self.log_text()[-3000:]}")
            await asyncio.sleep(0.1)
            counts = await self.states(commands)
        return counts

    async def until_published(self, *, seconds: float = 10) -> None:
        """Wait until nothing waits for the broker any more."""
        end = clock.monotonic() + seconds
        while await self.fetch("SELECT 1 FROM notifier.publication LIMIT 1"):
            assert clock.monotonic() < end, self.log_text()[-3000:]
            await asyncio.sleep(0.05)


OPEN = frozenset({"pending", "sending", "unknown", "awaiting_staff"})
TOPICS = (
    CONTACT_POINTS,
    CUSTOMER_EVENTS,
    DEAD_LETTERS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    PROVIDER_RECEIPTS,
)


@asynccontextmanager
async def open_house(directory: Path, kafka: str, database_url: str) -> AsyncIterator[House]:
    """Topics, schema and sandbox, ready."""
    await create(kafka, list(TOPICS))
    await upgrade(database_url)
    settings = SandboxSettings(
        http_port=0,
        smtp_port=0,
        log_path=directory / "accepted.jsonl",
        confirm_after_ms=200,
        **SECRETS,  # type: ignore[arg-type]
    )
    async with serving(settings, clock.now_ms) as sandbox:
        yield House(directory=directory, kafka=kafka, database_url=database_url, sandbox=sandbox)


def make_command(
    stem: str, number: int, channel: Channel, *, purpose: Purpose = "marketing", send_by: int | None = None
) -> SendMessage:
    """A command to a customer of its own; `stem` keeps tests apart on a shared broker."""
    customer, now = f"{stem}-{channel}-{number:04d}", clock.now_ms()
    return SendMessage(
        command_id=command_id("reminder", customer, f"order-{number}"),
        customer=customer,
        rule="reminder",
        trigger_key=f"order-{number}",
        channel=channel,
        purpose=purpose,
        template=TEMPLATES[channel],
        alias=customer if FIELDS[channel] else "",
        field=FIELDS[channel],
        guide=f"guide-{customer}" if channel in {"wecom", "staff_task"} else "",
        variables={"days": 30, "customer": customer},
        effective_at=now,
        decided_at=now,
        send_by=now + 3_600_000 if send_by is None else send_by,
        policy=1,
    )


def script(seed: int, **mix: float) -> Script:
    """A seeded mix of faults."""
    return Script(seed=seed, mix=mix)  # type: ignore[arg-type]
