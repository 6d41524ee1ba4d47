"""Mail over SMTP; it knows envelopes, headers and reply codes, and that an answer lost after DATA proves nothing."""

import asyncio
import html
import re
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Final, Literal
from urllib.parse import quote

import aiosmtplib
from typing_extensions import override

from services.notifier.channels.contract import (
    Accepted,
    Attempt,
    Capabilities,
    Channel,
    NowMs,
    Outbound,
    Outcome,
    PauseChannel,
    RejectMessage,
    RejectRecipient,
    Retry,
    Unknown,
)
from shared.unsubscribing import Refusable, token_of

RETRY_MS: Final = 5_000
GREYLISTED_MS: Final = 60_000
"""Servers that greylist want at least a minute."""
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_MAILBOX: Final = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_LONGEST_MAILBOX: Final = 254
_LINK_HEADER: Final = "List-Unsubscribe"
_NO_MAILBOX: Final = frozenset({550, 551, 553})


class _MailPolicy(EmailPolicy):
    """Writes the unsubscription link as it is: the standard folding hides a long one in an encoded word."""

    @override
    def fold(self, name: str, value: str) -> str:
        return f"{name}: {value}\r\n" if name == _LINK_HEADER else super().fold(name, value)

    @override
    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii") if name == _LINK_HEADER else super().fold_binary(name, value)


POLICY: Final = _MailPolicy(cte_type="7bit", linesep="\r\n")
"""8bit parts may be re-encoded on the way, which breaks the relay's DKIM signature."""


@dataclass(frozen=True, slots=True)
class EmailConfig:
    """The relay, our identity and the unsubscription link (`unsubscribe_url` holds `{token}`)."""

    host: str
    port: int
    sender: str
    sender_name: str
    message_id_domain: str
    unsubscribe_url: str
    unsubscribe_key: bytes = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    security: Literal["starttls", "tls", "none"] = "starttls"
    connections: int = 4
    step_s: float = 10.0
    """Seconds one SMTP step (connect, DATA, …) may take; a send has about five."""
    total_s: float = 25.0


class EmailChannel(Channel):
    """Sends one mail per call over a few kept connections. SMTP has no look-up: Unknown stays unknown."""

    def __init__(self, config: EmailConfig, now_ms: NowMs) -> None:
        self._config = config
        self._now_ms = now_ms
        self._idle: list[aiosmtplib.SMTP] = []
        self._slots = asyncio.Semaphore(config.connections)

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(
            lookup=False, lookup_complete=False, native_dedupe_ms=0, human_confirm=False, receipts="none"
        )

    @override
    async def send(self, outbound: Outbound) -> Outcome:
        if not is_mailbox(outbound.to.value):
            return RejectRecipient("not-a-mail-address", suppress=False)
        message = build_message(outbound, self._config, self._now_ms())
        async with self._slots:
            transaction = _Transaction(self._idle.pop() if self._idle else _connection(self._config), self._config)
            try:
                outcome = await transaction.run(
                    outbound.to.value, message.as_bytes(), f"<{_message_id(outbound, self._config)}>"
                )
            finally:
                if transaction.reusable:
                    self._idle.append(transaction.smtp)
                else:
                    transaction.smtp.close()
        return outcome

    @override
    async def look_up(self, attempt: Attempt) -> Outcome | None:
        return None

    @override
    async def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class _Transaction:
    """One mail on one connection; remembers how far it came, because that decides what a failure means."""

    def __init__(self, smtp: aiosmtplib.SMTP, config: EmailConfig) -> None:
        self.smtp = smtp
        self.reusable = False
        self._config = config
        self._open_and_known = smtp.is_connected
        self._data_begun = False

    async def run(self, to: str, message: bytes, ref: str) -> Outcome:
        try:
            async with asyncio.timeout(self._config.total_s):
                return await self._steps(to, message, ref)
        except aiosmtplib.SMTPResponseException as refused:
            # A connection whose login was refused would answer the next mail with a misleading 530.
            self.reusable = self._open_and_known and await self._reset()
            return self._after_data(refused) if self._data_begun else refusal(refused)
        except aiosmtplib.SMTPNotSupported:
            return PauseChannel("smtp-feature-missing")
        except (aiosmtplib.SMTPException, ConnectionError, TimeoutError, ssl.SSLError):
            return Unknown("after-data") if self._data_begun else Retry(RETRY_MS, "smtp-connection")

    async def _steps(self, to: str, message: bytes, ref: str) -> Outcome:
        if not self.smtp.is_connected:
            self._open_and_known = False
            await self._open()
            self._open_and_known = True
        size = [f"size={len(message)}"] if self.smtp.supports_extension("size") else []
        await self.smtp.mail(self._config.sender, options=size)
        await self.smtp.rcpt(to)
        self._data_begun = True
        await self.smtp.data(message)
        self.reusable = True
        return Accepted(ref)

    async def _open(self) -> None:
        await self.smtp.connect()
        await self.smtp.ehlo()
        if self._config.security == "starttls":
            if not self.smtp.supports_extension("starttls"):
                raise aiosmtplib.SMTPNotSupported("the relay offers no STARTTLS")
            await self.smtp.starttls()
            await self.smtp.ehlo()
        if self._config.username:
            await self.smtp.login(self._config.username, self._config.password)

    def _after_data(self, refused: aiosmtplib.SMTPResponseException) -> Outcome:
        if 400 <= refused.code < 500:
            return Retry(GREYLISTED_MS, f"smtp-{refused.code}")
        return RejectMessage(f"smtp-{refused.code}") if 500 <= refused.code < 600 else Unknown("after-data")

    async def _reset(self) -> bool:
        """Whether the connection took a RSET and may serve the next mail."""
        try:
            await self.smtp.rset()
        except (aiosmtplib.SMTPException, ConnectionError, TimeoutError):
            return False
        return True


def refusal(refused: aiosmtplib.SMTPResponseException) -> Outcome:
    """What a reply code before DATA means; nothing was accepted, whatever it is."""
    reason = f"smtp-{refused.code}"
    permanent = 500 <= refused.code < 600
    if not permanent:
        return Retry(GREYLISTED_MS, reason)
    if refused.code == 552 and isinstance(refused, aiosmtplib.SMTPSenderRefused):
        return RejectMessage(reason)
    if not isinstance(refused, aiosmtplib.SMTPRecipientRefused):
        return PauseChannel(reason)
    enhanced = refused.message.split(" ", 1)[0]
    gone = enhanced.startswith("5.1.") if enhanced.startswith("5.") else refused.code in _NO_MAILBOX
    return RejectRecipient(reason, suppress=gone)


def is_mailbox(address: str) -> bool:
    """Whether this is one plain ASCII mailbox: no display name, list, quotes or line break."""
    return len(address) <= _LONGEST_MAILBOX and _MAILBOX.fullmatch(address) is not None


def build_message(outbound: Outbound, config: EmailConfig, now_ms: int) -> EmailMessage:
    """Text and HTML with an unsubscription link in header and body; the address must have passed is_mailbox."""
    about = Refusable(outbound.customer, outbound.channel, outbound.purpose, outbound.command_id)
    link = config.unsubscribe_url.replace("{token}", quote(token_of(about, config.unsubscribe_key)))
    message = EmailMessage(policy=POLICY)
    message["From"] = MailAddress(config.sender_name, addr_spec=config.sender)
    message["To"] = MailAddress(addr_spec=outbound.to.value)
    message["Subject"] = " ".join(outbound.content.subject.split())
    message["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1_000, UTC))
    message["Message-ID"] = f"<{_message_id(outbound, config)}>"
    message[_LINK_HEADER] = f"<{link}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(f"{outbound.content.text}\n\n退订 Unsubscribe: {link}\n", cte="base64")
    message.add_alternative(_page(outbound, link), subtype="html", cte="base64")
    return message


def _page(outbound: Outbound, link: str) -> str:
    body = outbound.content.html or f"<p>{html.escape(outbound.content.text)}</p>"
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"></head><body>'
        f'{body}<p><a href="{html.escape(link)}">退订 Unsubscribe</a></p></body></html>'
    )


def _message_id(outbound: Outbound, config: EmailConfig) -> str:
    return f"{outbound.command_id}@{config.message_id_domain}"


def _connection(config: EmailConfig) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=config.host,
        port=config.port,
        use_tls=config.security == "tls",
        # Done by hand: with True a relay without STARTTLS cannot be told from a broken connection.
        start_tls=False,
        timeout=config.step_s,
        local_hostname=config.message_id_domain,
    )
