"""One adapter per channel, wired to a sandbox that really serves, and what the suite needs to drive both."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pydantic import SecretStr

from deploy.sandbox.faults import Script
from deploy.sandbox.server import Running, serving
from deploy.sandbox.settings import SandboxSettings
from services.notifier.channels.contract import Address, Attempt, Channel, ChannelName, Content, Outbound, Outcome
from services.notifier.channels.email import EmailChannel, EmailConfig
from services.notifier.channels.sms import SmsChannel, SmsConfig
from services.notifier.channels.wecom import MassMessageChannel, StaffTaskChannel
from services.notifier.channels.wecom_api import WecomApi, WecomConfig
from services.notifier.channels.wire import HttpLimits
from shared import clock

CHANNELS: tuple[ChannelName, ...] = ("email", "sms", "staff_task", "wecom")
ADDRESSES: dict[ChannelName, str] = {
    "email": "li.hua@example.com",
    "sms": "+8613912345678",
    "staff_task": "guide-zhang-long-id",
    "wecom": "wmExternalCustomer00001",
}
ON_THE_WIRE = {**ADDRESSES, "sms": "13912345678"}
LIMITS = HttpLimits(connect_s=1.0, total_s=2.0, connections=4)


def settings(folder: Path, **changes: object) -> SandboxSettings:
    return SandboxSettings(
        http_port=0,
        smtp_port=0,
        log_path=folder / "log.jsonl",
        sms_key_id="key-id",
        sms_key_secret=SecretStr("key-secret"),
        wecom_corp_id="corp",
        wecom_secret=SecretStr("app-secret"),
        smtp_username="relay-user",
        smtp_password=SecretStr("relay-password"),
        receipt_delay_ms=20,
    ).model_copy(update=changes)


def sms_config(base_url: str) -> SmsConfig:
    return SmsConfig(base_url=base_url, key_id="key-id", key_secret="key-secret", sign_name="回头小店", limits=LIMITS)


def wecom_config(base_url: str) -> WecomConfig:
    return WecomConfig(
        base_url=base_url,
        corp_id="corp",
        agent_id=1000002,
        secret="app-secret",
        task_url="https://shop.example/tasks",
        landing_url="https://shop.example/hello?from=wecom",
        limits=LIMITS,
    )


def email_config(port: int) -> EmailConfig:
    return EmailConfig(
        host="127.0.0.1",
        port=port,
        sender="hello@shop.example",
        sender_name="回头小店",
        message_id_domain="mail.shop.example",
        unsubscribe_url="https://shop.example/preferences/marketing/unsubscribe/{token}",
        unsubscribe_key=b"unsubscribe-key",
        username="relay-user",
        password="relay-password",
        security="none",
        step_s=2.0,
        total_s=4.0,
    )


Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Rig:
    name: ChannelName
    channel: Channel
    running: Running

    def outbound(self, command_id: str = "command-1") -> Outbound:
        return Outbound(
            command_id=command_id,
            customer="g1",
            purpose="marketing",
            channel=self.name,
            to=Address(ADDRESSES[self.name]),
            content=Content(
                subject="看看新品",
                text="好久不见",
                html="<p>好久不见</p>",
                template_code="SMS_1",
                params={"days": "30"},
            ),
            send_by_ms=clock.now_ms() + 60_000,
            staff="guide-zhang" if self.name == "wecom" else None,
        )

    def attempt(self, outbound: Outbound, provider_ref: str | None = None) -> Attempt:
        return Attempt(outbound=outbound, started_at_ms=clock.now_ms() - 2_000, provider_ref=provider_ref)

    async def send_with_bad_secret(self) -> Outcome:
        """Two sends of the same message through a channel that knows a wrong secret; the second outcome."""
        channel = build(self.name, base_url=self.running.base_url, smtp_port=self.running.smtp_port, bad_secret=True)
        await channel.send(self.outbound())
        outcome = await channel.send(self.outbound())
        await channel.close()
        return outcome

    def script(self, *sequence: str, **more: Any) -> None:
        script = Script(sequence=sequence, hang_ms=5_000)
        self.running.sandbox.faults.load(self.name, msgspec.structs.replace(script, **more))

    def accepted(self, command_id: str = "command-1") -> int:
        return len(self.running.sandbox.log.find(self.name, command_id))


def build(name: ChannelName, *, base_url: str, smtp_port: int, bad_secret: bool = False) -> Channel:
    match name:
        case "email":
            mail = email_config(smtp_port)
            return EmailChannel(replace(mail, password="wrong") if bad_secret else mail, clock.now_ms)
        case "sms":
            account = sms_config(base_url)
            return SmsChannel(replace(account, key_secret="wrong") if bad_secret else account, clock.now_ms)
        case _:
            app = wecom_config(base_url)
            api = WecomApi(replace(app, secret="wrong") if bad_secret else app, clock.now_ms)
            return StaffTaskChannel(api) if name == "staff_task" else MassMessageChannel(api, clock.now_ms)


async def eventually(ask: Callable[[], Awaitable[Answer]], wanted: Callable[[Answer], bool]) -> Answer:
    """Ask until the answer is the wanted one, for five seconds at most."""
    async with asyncio.timeout(5):
        while True:
            told = await ask()
            if wanted(told):
                return told
            await asyncio.sleep(0.02)


@asynccontextmanager
async def rigged(
    name: ChannelName, folder: Path, now_ms: Callable[[], int] = clock.now_ms, **changes: object
) -> AsyncIterator[Rig]:
    async with serving(settings(folder, **changes), now_ms) as running:
        good = build(name, base_url=running.base_url, smtp_port=running.smtp_port)
        try:
            yield Rig(name, good, running)
        finally:
            await good.close()
