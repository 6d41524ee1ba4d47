"""A mail relay that speaks SMTP with login and takes mail for anybody; it delivers to the log."""

import asyncio
import hmac
import warnings
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default as modern
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from deploy.sandbox.context import Sandbox
from deploy.sandbox.faults import Fault
from deploy.sandbox.message_log import Accepted
from deploy.sandbox.spoiled import reset


def create_protocol(sandbox: Sandbox) -> SMTP:
    """The server side of one SMTP connection."""
    with warnings.catch_warnings():
        # Login without TLS is warned of; the relay listens on loopback only.
        warnings.simplefilter("ignore", UserWarning)
        return SMTP(
            _Relay(sandbox),
            hostname="sandbox.invalid",
            ident="sandbox",
            auth_required=True,
            auth_require_tls=False,
            authenticator=_authenticator(sandbox),
            loop=asyncio.get_running_loop(),
        )


class _Relay:
    """The hooks of one connection; which answer to spoil is drawn when the recipient is named."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._fault = Fault("ok")

    # The server finds hooks by command name and passes arguments by place; what is not needed has an underscore.
    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """The answer to one recipient."""
        self._fault = self._sandbox.faults.next("email")
        if self._fault.code:
            return f"{self._fault.code} refused"
        if self._fault.behaviour == "throttle":
            return "451 4.7.1 too many messages, try again later"
        if self._fault.behaviour == "unavailable":
            return "450 4.3.2 not now"
        if address in self._sandbox.faults.script("email").refused:
            return f"550 5.1.1 <{address}> no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the mail and answer, or spoil the answer."""
        sandbox = self._sandbox
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        ref = sandbox.reference("q")
        sandbox.log.append(accepted(content, ref=ref, at_ms=sandbox.now_ms(), to=",".join(envelope.rcpt_tos)))
        match self._fault.behaviour:
            case "accept_hang":
                await asyncio.sleep(sandbox.faults.script("email").hang_ms / 1_000)
            case "accept_reset" if server.transport is not None:
                reset(server.transport)
            case "accept_500" | "accept_garbage":
                # A refusal after DATA would say that nothing was taken, so both become a line that says nothing.
                return "ok, whatever"
        return f"250 2.0.0 queued as {ref}"


def accepted(content: bytes, *, ref: str, at_ms: int, to: str) -> Accepted:
    """The log entry of a mail; the command id is what stands before the @ of its Message-ID."""
    message = message_from_bytes(content, policy=modern)
    headers: dict[str, Any] = {name.lower(): str(value) for name, value in message.items()}
    bodies = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
    return Accepted(
        ref=ref,
        at_ms=at_ms,
        channel="email",
        command_id=headers.get("message-id", "").strip("<>").partition("@")[0],
        to=to,
        sender=headers.get("from", ""),
        body={"headers": headers, "text": bodies.get("text/plain", ""), "html": bodies.get("text/html", "")},
    )


def _authenticator(sandbox: Sandbox) -> Callable[[SMTP, Session, Envelope, str, object], AuthResult]:
    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: object
    ) -> AuthResult:
        settings = sandbox.settings
        known = isinstance(login, LoginPassword) and (
            hmac.compare_digest(login.login, settings.smtp_username.encode())
            and hmac.compare_digest(login.password, settings.smtp_password.get_secret_value().encode())
        )
        # handled=False lets the server itself say 535; with True a refused client would wait for ever.
        return AuthResult(success=known, handled=False)

    return authenticate
