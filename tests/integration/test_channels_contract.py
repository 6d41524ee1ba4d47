"""Every channel keeps the same promises, told against a sandbox that really serves HTTP and SMTP."""

import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.notifier.channels.contract import (
    Accepted,
    AwaitingStaff,
    ChannelName,
    Defer,
    Outcome,
    PauseChannel,
    RejectMessage,
    RejectRecipient,
    Retry,
    Unknown,
)
from tests.support.channels import ADDRESSES, CHANNELS, ON_THE_WIRE, Rig, build, rigged


@pytest.fixture(params=CHANNELS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(request.param, tmp_path) as made:
        yield made


async def test_an_accepted_message_is_in_the_providers_log_under_its_command(rig: Rig) -> None:
    outcome = await rig.channel.send(rig.outbound())

    expected = AwaitingStaff if rig.channel.capabilities.human_confirm else Accepted
    assert isinstance(outcome, expected), outcome
    assert outcome.provider_ref
    [message] = rig.running.sandbox.log.find(rig.name, "command-1")
    assert message.to == ON_THE_WIRE[rig.name]


async def test_many_messages_use_kept_connections(rig: Rig) -> None:
    for number in range(5):
        outcome = await rig.channel.send(rig.outbound(f"command-{number}"))
        assert isinstance(outcome, Accepted | AwaitingStaff), outcome

    assert rig.running.sandbox.log.count()["duplicates"] == {}
    assert len(rig.running.sandbox.log.find(rig.name)) == 5


async def test_a_refused_recipient_is_rejected_and_the_next_message_goes(rig: Rig) -> None:
    rig.script(refused=frozenset({ON_THE_WIRE[rig.name]}))

    outcome = await rig.channel.send(rig.outbound())

    assert isinstance(outcome, RejectRecipient), outcome
    assert outcome.suppress == (rig.name in {"email", "sms"})
    assert rig.accepted() == 0
    rig.script()
    assert isinstance(await rig.channel.send(rig.outbound()), Accepted | AwaitingStaff)


SPOILT: list[tuple[str, ChannelName, type[Outcome], int]] = [
    ("throttle", "email", Retry, 0),
    ("throttle", "sms", Retry, 0),
    ("throttle", "staff_task", Defer, 0),
    ("throttle", "wecom", Defer, 0),
    ("unavailable", "email", Retry, 0),
    ("unavailable", "sms", Retry, 0),
    # A bare 503 is on no list of WeCom's: it proves nothing.
    ("unavailable", "staff_task", Unknown, 0),
    ("unavailable", "wecom", Unknown, 0),
    *(
        (behaviour, channel, Unknown, 1)
        for behaviour in ("accept_500", "accept_hang", "accept_reset", "accept_garbage")
        for channel in CHANNELS
    ),
    ("code:552", "email", RejectRecipient, 0),
    ("code:450", "email", Retry, 0),
    ("code:isv.BUSINESS_LIMIT_CONTROL", "sms", Defer, 0),
    ("code:isv.OUT_OF_SERVICE", "sms", PauseChannel, 0),
    ("code:isv.SMS_TEMPLATE_ILLEGAL", "sms", RejectMessage, 0),
    ("code:isv.SOMETHING_NEW", "sms", RejectMessage, 0),
    ("code:isp.SYSTEM_ERROR", "sms", Retry, 0),
    ("code:-1", "wecom", Retry, 0),
    ("code:45033", "staff_task", Defer, 0),
    ("code:60020", "wecom", PauseChannel, 0),
    ("code:84061", "wecom", RejectRecipient, 0),
    ("code:40058", "staff_task", RejectMessage, 0),
    ("code:99999", "wecom", Unknown, 0),
]


@pytest.mark.parametrize(("behaviour", "channel", "expected", "accepted"), SPOILT)
async def test_a_spoilt_call_is_judged_by_what_it_proves(
    behaviour: str, channel: ChannelName, expected: type[Outcome], accepted: int, tmp_path: Path
) -> None:
    async with rigged(channel, tmp_path) as rig:
        rig.script(behaviour)

        outcome = await rig.channel.send(rig.outbound())

        assert isinstance(outcome, expected), outcome
        assert rig.accepted() == accepted
        # The adapter is as good as new for the next message.
        following = await rig.channel.send(rig.outbound("command-2"))
        assert isinstance(following, Accepted | AwaitingStaff), following


async def test_a_refused_connection_is_provably_not_accepted(rig: Rig) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        channel = build(rig.name, base_url=f"http://127.0.0.1:{port}", smtp_port=port)
        outcome = await channel.send(rig.outbound())
        await channel.close()

    assert isinstance(outcome, Retry), outcome


async def test_wrong_credentials_pause_the_channel(rig: Rig) -> None:
    outcome = await rig.send_with_bad_secret()

    assert isinstance(outcome, PauseChannel), outcome
    assert rig.accepted() == 0


async def test_after_unknown_a_look_up_finds_what_was_accepted(rig: Rig) -> None:
    rig.script("accept_reset")
    outbound = rig.outbound()
    assert isinstance(await rig.channel.send(outbound), Unknown)

    found = await rig.channel.look_up(rig.attempt(outbound))

    assert (found is not None) == rig.channel.capabilities.lookup, found
    assert not isinstance(found, Unknown)


async def test_a_look_up_does_not_find_what_was_never_accepted(rig: Rig) -> None:
    await rig.channel.send(rig.outbound("command-other"))

    assert await rig.channel.look_up(rig.attempt(rig.outbound())) is None


async def test_a_repeat_is_suppressed_only_where_the_capabilities_say_so(rig: Rig) -> None:
    rig.script("accept_reset")
    outbound = rig.outbound()
    assert isinstance(await rig.channel.send(outbound), Unknown)

    await rig.channel.send(outbound)

    assert rig.accepted() == (1 if rig.channel.capabilities.native_dedupe_ms else 2)


async def test_no_address_or_secret_is_ever_shown(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    outbound = rig.outbound()
    shown = [repr(outbound), f"{outbound.to}", repr(rig.attempt(outbound))]
    for behaviour in ("ok", "accept_reset", "accept_garbage", "throttle", "unavailable"):
        rig.script(behaviour)
        shown.append(repr(await rig.channel.send(outbound)))
        shown.append(repr(await rig.channel.look_up(rig.attempt(outbound))))
    rig.script(refused=frozenset({ON_THE_WIRE[rig.name]}))
    shown.append(repr(await rig.channel.send(outbound)))
    # What the sandbox's own mail server writes down is the provider's affair.
    shown += [record.getMessage() for record in caplog.records if not record.name.startswith("mail")]

    everything = "\n".join(shown)
    for secret in (ADDRESSES[rig.name], ON_THE_WIRE[rig.name], "key-secret", "app-secret", "relay-password"):
        assert secret not in everything
