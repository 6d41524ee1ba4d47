"""Mail beyond the common contract: what really travelled."""

import asyncio
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import msgspec

from services.notifier.channels.contract import (
    Accepted,
    Address,
    Content,
    Outbound,
    PauseChannel,
    RejectRecipient,
    Retry,
)
from services.notifier.channels.email import EmailChannel, build_message
from shared import clock
from shared.unsubscribing import read_token
from tests.support.channels import email_config, rigged


async def test_a_mail_carries_its_command_one_click_headers_text_and_html(tmp_path: Path) -> None:
    async with rigged("email", tmp_path) as rig:
        outcome = await rig.channel.send(rig.outbound())
        [message] = rig.running.sandbox.log.find("email")

    assert outcome == Accepted("<command-1@mail.shop.example>")
    headers = message.body["headers"]
    assert headers["message-id"] == "<command-1@mail.shop.example>"
    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    link = headers["list-unsubscribe"].strip("<>")
    about = read_token(link.rpartition("/")[2], b"unsubscribe-key")
    assert about == ("g1", "email", "marketing", "command-1")
    assert "好久不见" in message.body["text"]
    assert link in message.body["text"]
    assert "<p>好久不见</p>" in message.body["html"]
    assert link in message.body["html"]


async def test_a_line_break_in_the_subject_makes_no_header(tmp_path: Path) -> None:
    async with rigged("email", tmp_path) as rig:
        content = Content(subject="回头\r\nBcc: other@example.com", text="x", html="<p>x</p>")
        await rig.channel.send(msgspec.structs.replace(rig.outbound(), content=content))
        [message] = rig.running.sandbox.log.find("email")

    assert "bcc" not in message.body["headers"]
    assert message.to == "li.hua@example.com"


async def test_an_unknown_mailbox_is_silenced_and_a_policy_refusal_is_not(tmp_path: Path) -> None:
    async with rigged("email", tmp_path) as rig:
        rig.script("code:550 5.7.1", "code:550 5.1.1", "code:553", "code:421 4.3.2")
        outcomes = [await rig.channel.send(rig.outbound(f"command-{number}")) for number in range(4)]

    assert outcomes[:3] == [
        RejectRecipient("smtp-550", suppress=False),
        RejectRecipient("smtp-550", suppress=True),
        RejectRecipient("smtp-553", suppress=True),
    ]
    assert isinstance(outcomes[3], Retry)


async def test_wrong_credentials_are_named_as_such_every_time(tmp_path: Path) -> None:
    async with rigged("email", tmp_path) as rig:
        assert await rig.send_with_bad_secret() == PauseChannel("smtp-535")


async def test_more_mails_than_connections_all_arrive_once(tmp_path: Path) -> None:
    async with rigged("email", tmp_path) as rig:
        outcomes = await asyncio.gather(*(rig.channel.send(rig.outbound(f"command-{n}")) for n in range(20)))
        count = rig.running.sandbox.log.count()

    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    assert (count["accepted"], count["duplicates"]) == (20, {})


async def test_a_relay_that_offers_no_encryption_is_not_spoken_to_in_clear(tmp_path: Path) -> None:
    async with rigged("email", tmp_path) as rig:
        encrypted = replace(email_config(rig.running.smtp_port), security="starttls")
        channel = EmailChannel(encrypted, clock.now_ms)
        outcome = await channel.send(rig.outbound())
        await channel.close()

        assert outcome == PauseChannel("smtp-feature-missing")
        assert rig.accepted() == 0


def test_parts_travel_as_seven_bits_and_the_link_header_is_never_folded_or_encoded() -> None:
    outbound = Outbound(
        command_id="c",
        channel="email",
        to=Address("a@example.com"),
        content=Content(subject="主题", text="正文", html="<p>正文</p>"),
        send_by_ms=0,
    )
    raw = build_message(outbound, email_config(1), 1_700_000_000_000).as_bytes()

    assert raw.isascii()
    assert b"\r\nList-Unsubscribe: <https://shop.example/preferences/marketing/unsubscribe/.email..c." in raw
    encodings = {part["content-transfer-encoding"] for part in message_from_bytes(raw, policy=default).iter_parts()}
    assert encodings == {"base64"}
