"""What the notifier accepts as settings and as accounts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.notifier.guards import Guard
from services.notifier.providers import ProvidersError, Reach, open_channels, read_providers
from services.notifier.settings import NotifierSettings
from services.notifier.state import Limits

SMS = {"key_id": "k", "key_secret": "hidden-secret", "sign_name": "s"}
NEEDED = {
    "kafka": "127.0.0.1:1",
    "database_url": "postgresql+asyncpg://x",
    "keyring": Path("k"),
    "providers_file": Path("p"),
}


def _settings(**more: object) -> NotifierSettings:
    return NotifierSettings(**NEEDED | more)  # type: ignore[arg-type]


def test_the_durations_reach_the_state_machine_in_milliseconds() -> None:
    limits = _settings(lease_seconds=1.5, quiet_seconds=2).limits()

    assert limits == Limits(lease=1_500, quiet=2_000)


def test_a_guard_that_is_taken_out_reaches_the_state_machine() -> None:
    assert _settings().limits(frozenset({Guard.DOUBT})).naive
    assert not _settings().limits(frozenset({Guard.EXPIRY})).expiry


def test_a_send_ends_well_before_its_lease_and_has_a_connection_of_its_own() -> None:
    settings = _settings(lease_seconds=30, workers=3, batch=5)

    assert settings.send_seconds < settings.lease_seconds
    assert settings.reach().connections == 15


@pytest.mark.parametrize("wrong", [{"lease_seconds": 0}, {"workers": 0}, {"restored": "maybe"}, {"quiet_seconds": -1}])
def test_settings_that_would_not_be_safe_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(reversed(wrong)))):
        _settings(**wrong)


def _file(path: Path, document: object, *, mode: int = 0o600) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    path.chmod(mode)
    return path


async def test_only_the_channels_with_an_account_are_opened(tmp_path: Path) -> None:
    providers = read_providers(_file(tmp_path / "p.json", {"shop": "s", "sms": SMS}))

    channels = open_channels(providers, Reach())

    assert list(channels) == ["sms"]
    assert "hidden-secret" not in repr(providers)
    for channel in channels.values():
        await channel.close()


@pytest.mark.parametrize(
    ("document", "mode", "reason"),
    [
        ({"shop": "s", "sms": SMS}, 0o644, "mode is 0644"),
        ({"sms": SMS}, 0o600, "shop"),
        ({"shop": "s", "sms": SMS | {"sign_name": 1}}, 0o600, "sms.sign_name"),
        ({"shop": "s", "fax": {}}, 0o600, "fax"),
        ("hidden-secret", 0o600, "not JSON"),
    ],
)
def test_a_file_that_is_open_wrong_or_incomplete_is_refused_without_showing_it(
    tmp_path: Path, document: object, mode: int, reason: str
) -> None:
    path = _file(tmp_path / "p.json", document, mode=mode)

    with pytest.raises(ProvidersError, match=reason) as caught:
        read_providers(path)
    assert "hidden-secret" not in str(caught.value)


def test_mail_without_a_relay_is_refused(tmp_path: Path) -> None:
    email = {
        "sender": "a@b.example",
        "sender_name": "a",
        "message_id_domain": "b.example",
        "unsubscribe_url": "https://b.example/{token}",
        "unsubscribe_key": "k",
    }
    providers = read_providers(_file(tmp_path / "p.json", {"shop": "s", "email": email}))

    with pytest.raises(ProvidersError, match=r"email\.host"):
        open_channels(providers, Reach())
