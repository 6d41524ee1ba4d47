"""Secrets are made once, for their owner alone, and never replaced."""

from __future__ import annotations

from pathlib import Path

import msgspec

from deploy.sandbox.settings import SandboxSettings
from deploy.stack.keys import SandboxAccounts, ensure
from services.ingest.write_keys import Scope, WriteKeys
from services.notifier.providers import read_providers


def test_every_secret_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    ensure(tmp_path / "secrets")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}

    assert modes == dict.fromkeys(
        [
            "hooks.json",
            "keyring.json",
            "operators.json",
            "pepper",
            "providers.json",
            "sandbox.json",
            "unsubscribe-key",
            "write-key",
            "write-keys.json",
        ],
        0o600,
    )
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_notifier_and_ingest_have_one_key_for_the_links_in_mails(tmp_path: Path) -> None:
    files = ensure(tmp_path / "secrets")
    email = read_providers(files.providers).email
    assert email is not None
    assert files.unsubscribe_key.read_text() == email.unsubscribe_key
    files.unsubscribe_key.unlink()  # an installation from before
    ensure(tmp_path / "secrets")
    assert files.unsubscribe_key.read_text() == email.unsubscribe_key


def test_a_second_start_changes_no_secret(tmp_path: Path) -> None:
    ensure(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ensure(tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    one, other = ensure(tmp_path / "one"), ensure(tmp_path / "other")

    assert one.read_write_key() != other.read_write_key()
    assert one.pepper.read_bytes() != other.pepper.read_bytes()
    assert one.keyring.read_bytes() != other.keyring.read_bytes()
    kept, others = (msgspec.json.decode(each.sandbox.read_bytes(), type=SandboxAccounts) for each in (one, other))
    assert set(msgspec.structs.astuple(kept)).isdisjoint(msgspec.structs.astuple(others))


def test_the_generated_write_key_opens_ingest_for_live_events_and_imports(tmp_path: Path) -> None:
    files = ensure(tmp_path)
    source = WriteKeys.load(files.write_keys).check(files.read_write_key())

    assert source is not None
    assert (source.name, source.scopes) == ("shop", frozenset({Scope.LIVE, Scope.IMPORT}))


def test_the_notifier_holds_the_accounts_that_the_sandbox_lets_in(tmp_path: Path) -> None:
    files = ensure(tmp_path)
    providers = read_providers(files.providers)
    known = msgspec.json.decode(files.sandbox.read_bytes(), type=dict[str, str])
    sandbox = SandboxSettings(**known, http_port=0, smtp_port=0, log_path=tmp_path / "log")  # type: ignore[arg-type]

    assert providers.sms is not None
    assert providers.wecom is not None
    assert providers.email is not None
    assert (providers.sms.key_id, providers.sms.key_secret) == (
        sandbox.sms_key_id,
        sandbox.sms_key_secret.get_secret_value(),
    )
    assert (providers.wecom.corp_id, providers.wecom.secret) == (
        sandbox.wecom_corp_id,
        sandbox.wecom_secret.get_secret_value(),
    )
    assert (providers.email.username, providers.email.password) == (
        sandbox.smtp_username,
        sandbox.smtp_password.get_secret_value(),
    )
