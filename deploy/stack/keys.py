"""The secrets of one installation, made on its first start: knows files and who fills them; prints none of them."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from services.ingest.hooks.sources import change_sources
from services.ingest.identifiers import Pepper
from services.ingest.rate import Limit
from services.ingest.write_keys import Scope, add_key
from services.notifier.channels.templates import builtin_sources
from services.notifier.providers import EmailAccount, Providers, SmsAccount, WecomAccount
from shared.private_files import create_private, read_private
from shared.sealing import Keyring

SHOP = "回头小店"
DOMAIN = "shop.example"
SOURCE = "shop"
"""The source that the generated write key stands for."""
LIMIT = Limit(per_second=1_000_000, burst=10_000_000)
"""This machine's own key: bench, demo and faults send as fast as they can."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of files with mode 0600."""

    keyring: Path
    pepper: Path
    write_keys: Path
    """What ingest checks: hashes only."""
    write_key: Path
    """The key itself, for whoever sends from this machine."""
    hooks: Path
    """Systems that may call ingest's webhooks; at first none."""
    providers: Path
    """The notifier's accounts; at first those at the sandbox."""
    sandbox: Path
    """The same accounts as the sandbox checks them."""
    operators: Path
    """Who may open letters over HTTP: nobody, until somebody is added (`services.console operators`)."""
    unsubscribe_key: Path
    """Of the links in mails: the notifier makes them, ingest answers them."""

    def read_write_key(self) -> str:
        """`hk_….…`, the user name of HTTP basic authentication at ingest."""
        return read_private(self.write_key).decode("ascii").strip()


class SandboxAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the sandbox lets in."""

    sms_key_id: str
    sms_key_secret: str
    wecom_corp_id: str
    wecom_secret: str
    smtp_username: str
    smtp_password: str


def ensure(directory: Path) -> Secrets:
    """All secrets of the installation; made where missing, never replaced: no other key opens what is sealed."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    files = Secrets(
        keyring=directory / "keyring.json",
        pepper=directory / "pepper",
        write_keys=directory / "write-keys.json",
        write_key=directory / "write-key",
        hooks=directory / "hooks.json",
        providers=directory / "providers.json",
        sandbox=directory / "sandbox.json",
        operators=directory / "operators.json",
        unsubscribe_key=directory / "unsubscribe-key",
    )
    if not files.keyring.exists():
        Keyring.create(files.keyring)
    if not files.pepper.exists():
        Pepper.create(files.pepper)
    if not files.write_key.exists():
        key = add_key(files.write_keys, SOURCE, [Scope.LIVE, Scope.IMPORT], LIMIT)
        create_private(files.write_key, key.encode("ascii"))
    if not files.operators.exists():
        create_private(files.operators, b'{"operators":{}}')
    if not files.hooks.exists():
        change_sources(files.hooks, list)
    if not files.sandbox.exists():
        create_private(files.sandbox, msgspec.json.encode(_accounts()))
    if not files.providers.exists():
        accounts = msgspec.json.decode(read_private(files.sandbox), type=SandboxAccounts)
        create_private(files.providers, msgspec.json.encode(_providers(accounts)))
    if not files.unsubscribe_key.exists():
        email = msgspec.json.decode(read_private(files.providers), type=Providers).email
        create_private(files.unsubscribe_key, (email.unsubscribe_key if email else secrets.token_urlsafe(32)).encode())
    return files


def _accounts() -> SandboxAccounts:
    return SandboxAccounts(
        sms_key_id=f"sandbox-{secrets.token_hex(4)}",
        sms_key_secret=secrets.token_urlsafe(24),
        wecom_corp_id=f"ww{secrets.token_hex(8)}",
        wecom_secret=secrets.token_urlsafe(24),
        smtp_username=f"sandbox-{secrets.token_hex(4)}",
        smtp_password=secrets.token_urlsafe(24),
    )


def _providers(accounts: SandboxAccounts) -> Providers:
    """The notifier's side of the sandbox accounts; a shop puts its own in their place."""
    return Providers(
        shop=SHOP,
        email=EmailAccount(
            sender=f"hello@{DOMAIN}",
            sender_name=SHOP,
            message_id_domain=DOMAIN,
            unsubscribe_url=f"https://{DOMAIN}/unsubscribe/{{token}}",
            unsubscribe_key=secrets.token_urlsafe(32),
            username=accounts.smtp_username,
            password=accounts.smtp_password,
            security="none",  # the sandbox listens on loopback and speaks no TLS
        ),
        sms=SmsAccount(
            key_id=accounts.sms_key_id,
            key_secret=accounts.sms_key_secret,
            sign_name=SHOP,
            codes={name: f"SMS_{number}" for number, name in enumerate(sorted(builtin_sources()), start=1)},
        ),
        wecom=WecomAccount(
            corp_id=accounts.wecom_corp_id,
            agent_id=1000001,
            secret=accounts.wecom_secret,
            task_url=f"https://{DOMAIN}/task",
            landing_url=f"https://{DOMAIN}/welcome",
        ),
    )
