"""From a command and a sealed address to what goes on the wire; opens addresses in memory only, knows no store."""

from __future__ import annotations

from services.notifier.channels.contract import Address, Outbound
from services.notifier.channels.templates import RenderError, TemplateBook
from shared.contract.commands import SendMessage
from shared.sealing import Keyring, SealingError


class UnsendableError(Exception):
    """No message can be made of this command; the text is a short reason without personal data."""


class Writer:
    """Opens addresses and renders templates."""

    def __init__(self, keyring: Keyring, templates: TemplateBook) -> None:
        self._keyring = keyring
        self._templates = templates

    def outbound(self, command: SendMessage, sealed: str | None) -> Outbound:
        """The same command and address give the same message; UnsendableError if there is none to give."""
        try:
            content = self._templates.render(command.template, command.channel, command.variables)
        except RenderError as error:
            raise UnsendableError(f"template: {error.reason}") from None
        return Outbound(
            command_id=command.command_id,
            channel=command.channel,
            to=self._address(command, sealed),
            content=content,
            send_by_ms=command.send_by,
            customer=command.customer,
            purpose=command.purpose,
            staff=command.guide or None,
        )

    def _address(self, command: SendMessage, sealed: str | None) -> Address:
        if command.channel == "staff_task":
            return Address(command.guide)
        if sealed is None:
            raise UnsendableError("no-address")
        try:
            return Address(self._keyring.open(command.alias, command.field, sealed).reveal())
        except SealingError as error:
            raise UnsendableError(f"address: {error}") from None
