"""WeCom beyond the common contract: one token for all, two-phase mass messages, identical requests."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx2

from services.notifier.channels.contract import (
    Accepted,
    AwaitingStaff,
    Delivered,
    PauseChannel,
    Undelivered,
    Unknown,
)
from services.notifier.channels.wecom import StaffTaskChannel
from services.notifier.channels.wecom_api import WecomApi
from shared import clock
from tests.support.channels import ADDRESSES, Rig, eventually, rigged, wecom_config


class CountingClock:
    """The machine's clock, moved ahead by hand."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return clock.now_ms() + self.ahead_ms


def token_requests(rig: Rig) -> int:
    """Requests for a token, seen by the path alone."""
    return rig.running.sandbox.calls["gettoken"]


async def test_channels_that_start_together_ask_for_one_token(tmp_path: Path) -> None:
    async with rigged("staff_task", tmp_path) as rig:
        sends = [rig.channel.send(rig.outbound(f"command-{number}")) for number in range(8)]
        outcomes = await asyncio.gather(*sends)

        assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
        assert token_requests(rig) == 1


async def test_channels_that_start_together_share_one_refusal(tmp_path: Path) -> None:
    async with rigged("staff_task", tmp_path) as rig:
        api = WecomApi(replace(wecom_config(rig.running.base_url), secret="wrong"), clock.now_ms)
        channel = StaffTaskChannel(api)
        outcomes = await asyncio.gather(*(channel.send(rig.outbound(f"command-{number}")) for number in range(8)))
        await channel.close()

        assert set(outcomes) == {PauseChannel("wecom-40001")}
        assert token_requests(rig) == 1


async def test_a_token_ended_early_is_renewed_once_and_the_message_goes(tmp_path: Path) -> None:
    async with rigged("staff_task", tmp_path) as rig:
        rig.script("code:42001")

        assert isinstance(await rig.channel.send(rig.outbound()), Accepted)
        assert token_requests(rig) == 2


async def test_a_token_refused_twice_pauses_the_channel_after_two_requests(tmp_path: Path) -> None:
    async with rigged("wecom", tmp_path) as rig:
        rig.script("code:40014", "code:40014")

        assert await rig.channel.send(rig.outbound()) == PauseChannel("wecom-40014")
        assert token_requests(rig) == 2


async def test_a_token_is_renewed_before_it_runs_out(tmp_path: Path) -> None:
    ahead = CountingClock()
    async with rigged("staff_task", tmp_path, ahead.now_ms) as rig:
        channel = StaffTaskChannel(WecomApi(wecom_config(rig.running.base_url), ahead.now_ms))
        await channel.send(rig.outbound("command-1"))
        ahead.ahead_ms = 7_000_000
        outcome = await channel.send(rig.outbound("command-2"))
        await channel.close()

        assert isinstance(outcome, Accepted), outcome
        assert token_requests(rig) == 2


async def test_a_repeat_after_four_hours_is_a_second_message(tmp_path: Path) -> None:
    ahead = CountingClock()
    async with rigged("staff_task", tmp_path, ahead.now_ms) as rig:
        first = await rig.channel.send(rig.outbound())
        again = await rig.channel.send(rig.outbound())
        ahead.ahead_ms = rig.channel.capabilities.native_dedupe_ms + 1_000
        later = await rig.channel.send(rig.outbound())

        assert again == first
        assert later != first
        assert rig.accepted() == 2
        assert rig.running.sandbox.log.count()["suppressed"] == 1


async def test_a_mass_message_waits_for_its_guide_and_then_arrives(tmp_path: Path) -> None:
    async with rigged("wecom", tmp_path) as rig:
        outbound = rig.outbound()
        created = await rig.channel.send(outbound)
        assert isinstance(created, AwaitingStaff)
        attempt = rig.attempt(outbound, created.provider_ref)

        assert await rig.channel.look_up(attempt) == created
        await post(rig, "/wecom/confirm", {"msgid": created.provider_ref})
        assert await rig.channel.look_up(attempt) == Delivered(created.provider_ref)


async def test_a_mass_message_to_a_lost_contact_is_undelivered(tmp_path: Path) -> None:
    async with rigged("wecom", tmp_path) as rig:
        rig.script(undeliverable=frozenset({ADDRESSES["wecom"]}))
        outbound = rig.outbound()
        created = await rig.channel.send(outbound)
        assert isinstance(created, AwaitingStaff)
        await post(rig, "/wecom/confirm", {})

        outcome = await rig.channel.look_up(rig.attempt(outbound, created.provider_ref))

        assert outcome == Undelivered(created.provider_ref, "wecom-not-a-contact")


async def test_guides_confirm_by_themselves_when_the_settings_say_so(tmp_path: Path) -> None:
    async with rigged("wecom", tmp_path, confirm_after_ms=10) as rig:
        outbound = rig.outbound()
        created = await rig.channel.send(outbound)
        assert isinstance(created, AwaitingStaff)
        attempt = rig.attempt(outbound, created.provider_ref)

        outcome = await eventually(lambda: rig.channel.look_up(attempt), lambda told: told != created)

        assert outcome == Delivered(created.provider_ref)


async def test_an_unknown_creation_is_found_among_more_tasks_than_one_page_holds(tmp_path: Path) -> None:
    async with rigged("wecom", tmp_path) as rig:
        for number in range(101):
            await rig.channel.send(rig.outbound(f"other-{number}"))
        rig.script("accept_garbage")
        outbound = rig.outbound()
        assert isinstance(await rig.channel.send(outbound), Unknown)

        found = await rig.channel.look_up(rig.attempt(outbound))

        [message] = rig.running.sandbox.log.find("wecom", "command-1")
        assert found == AwaitingStaff(message.ref)


async def post(rig: Rig, path: str, document: object) -> None:
    async with httpx2.AsyncClient(base_url=rig.running.base_url, trust_env=False) as client:
        answer = await client.post(path, json=document)
        assert answer.status_code == 200, answer.text
