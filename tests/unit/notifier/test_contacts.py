"""From command and sealed address to the message on the wire."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from services.notifier.channels.contract import Address
from services.notifier.channels.templates import TemplateBook, TemplateConfig, TemplateText
from services.notifier.contacts import UnsendableError, Writer
from shared.contract.commands import SendMessage
from shared.sealing import Keyring

COMMAND = SendMessage(
    command_id="c1",
    customer="u1",
    rule="r1",
    trigger_key="k1",
    channel="sms",
    purpose="marketing",
    template="hello",
    alias="u0",
    field="phone",
    guide="g1",
    variables={"name": "Li"},
    effective_at=1,
    decided_at=2,
    send_by=3,
    policy=1,
)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "keyring.json")


@pytest.fixture
def writer(keyring: Keyring) -> Writer:
    texts = TemplateText(text="hello {{ name }}", params=("name",))
    config = TemplateConfig(shop="s", sms_signature="s", sms_codes={"hello": "SMS_1"})
    return Writer(keyring, TemplateBook({"hello": {"sms": texts, "staff_task": texts}}, config))


def test_the_address_is_opened_under_the_id_it_was_sealed_for(writer: Writer, keyring: Keyring) -> None:
    outbound = writer.outbound(COMMAND, keyring.seal("u0", "phone", "13800138000"))

    assert (outbound.to, outbound.command_id, outbound.staff) == (Address("13800138000"), "c1", "g1")
    assert outbound.content.params == {"name": "Li"}
    assert "13800138000" not in repr(outbound)


def test_the_same_command_gives_the_same_message(writer: Writer, keyring: Keyring) -> None:
    sealed = keyring.seal("u0", "phone", "13800138000")

    assert writer.outbound(COMMAND, sealed) == writer.outbound(COMMAND, sealed)


def test_a_staff_task_goes_to_the_guide_and_needs_no_address(writer: Writer) -> None:
    task = msgspec.structs.replace(COMMAND, channel="staff_task")

    assert writer.outbound(task, None).to == Address("g1")


@pytest.mark.parametrize(
    ("change", "sealed_for", "reason"),
    [
        ({"template": "none"}, "u0", "template"),
        ({"variables": {}}, "u0", "name"),
        ({}, "u9", "another alias"),
        ({}, None, "no-address"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_reason(
    writer: Writer, keyring: Keyring, change: dict[str, object], sealed_for: str | None, reason: str
) -> None:
    sealed = None if sealed_for is None else keyring.seal(sealed_for, "phone", "13800138000")

    with pytest.raises(UnsendableError, match=reason) as caught:
        writer.outbound(msgspec.structs.replace(COMMAND, **change), sealed)
    assert "138" not in str(caught.value)
