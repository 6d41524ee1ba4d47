"""The sandbox starts only where nobody else can reach it."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.sandbox.settings import SandboxSettings
from tests.support.channels import settings


def test_an_address_others_can_reach_is_refused(tmp_path: Path) -> None:
    known = settings(tmp_path).model_dump()

    with pytest.raises(ValidationError, match="loopback"):
        SandboxSettings(**{**known, "host": "192.0.2.1"})


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    shown = repr(settings(tmp_path))

    assert "key-secret" not in shown
    assert "relay-password" not in shown


def test_the_callback_address_is_read_from_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = settings(tmp_path).model_dump(exclude={"callback_url"})
    monkeypatch.setenv("HUITOU_INGEST_CALLBACK", "http://127.0.0.1:9/hook")

    assert SandboxSettings(**known).callback_url == "http://127.0.0.1:9/hook"
