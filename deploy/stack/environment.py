"""What services are told at their start, as environment variables; knows names and files, starts nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deploy.stack.keys import Secrets
from deploy.stack.ports import HOST
from deploy.stack.supervisor import StartError
from shared.shop import Shop

ROOT = Path(__file__).parents[2]
FAUST_PYTHON = ROOT / ".venv-faust" / "bin" / "python"
"""Faust has an environment of its own: it cannot live with the versions of requirements.lock."""
PORTS = ("http", "console", "sandbox", "smtp")
"""What listens beside broker and database."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are."""

    kafka: str
    database_url: str
    ports: Mapping[str, int]
    """A port for each name of PORTS."""


def environment(directory: Path, *, addresses: Addresses, secrets: Secrets, scenario: bool) -> dict[str, str]:
    """The variables that all services of an installation share."""
    http, console, sandbox, smtp = (str(addresses.ports[name]) for name in PORTS)
    return {
        "HUITOU_KAFKA": addresses.kafka,
        "HUITOU_DATABASE_URL": addresses.database_url,
        "HUITOU_KEYRING": str(secrets.keyring),
        "HUITOU_PEPPER_FILE": str(secrets.pepper),
        "HUITOU_WRITE_KEYS_FILE": str(secrets.write_keys),
        "HUITOU_HOOKS_FILE": str(secrets.hooks),
        "HUITOU_PROVIDERS_FILE": str(secrets.providers),
        "HUITOU_SHOP_FILE": str(shop_file(directory)),
        "HUITOU_IMPORTS": str(directory / "imports"),
        "HUITOU_SNAPSHOTS": str(directory / "snapshots"),
        "HUITOU_SCENARIO": str(int(scenario)),
        "HUITOU_EPOCH_MS": "60000",
        "HUITOU_HTTP_PORT": http,
        "HUITOU_CONSOLE_PORT": console,
        "HUITOU_CONSOLE_URL": f"http://{HOST}:{console}",
        "HUITOU_SANDBOX_URL": f"http://{HOST}:{sandbox}",
        "HUITOU_SANDBOX_HTTP_PORT": sandbox,
        "HUITOU_SANDBOX_SMTP_PORT": smtp,
        "HUITOU_SANDBOX_LOG_PATH": str(directory / "sandbox.log"),
        "HUITOU_SANDBOX_SECRETS_FILE": str(secrets.sandbox),
        "HUITOU_SMTP_HOST": HOST,
        "HUITOU_SMTP_PORT": smtp,
        "HUITOU_INGEST_URL": f"http://{HOST}:{http}",
        "HUITOU_UNSUBSCRIBE_KEY_FILE": str(secrets.unsubscribe_key),
        "HUITOU_UNSUBSCRIBE_URL": f"http://{HOST}:{http}/u/{{token}}",
        "HUITOU_INGEST_KEY_FILE": str(secrets.write_key),
        "HUITOU_OPERATORS_FILE": str(secrets.operators),
        "HUITOU_INGEST_CALLBACK": f"http://{HOST}:{http}",
    }


def interpreter(told: Mapping[str, str]) -> str:
    """The Python that runs what is told this: where Faust is the host, that of the environment which holds it."""
    if told.get("HUITOU_HOST") != "faust":
        return sys.executable
    if not FAUST_PYTHON.exists():
        raise StartError("HUITOU_HOST=faust: Faust is not installed; `make .venv-faust/.runtime` does it")
    return str(FAUST_PYTHON)


def shop_file(directory: Path) -> Path:
    """The shop's facts: those of the installation, at first the defaults."""
    file = directory / "shop.json"
    if not file.exists():
        file.write_bytes(msgspec.json.format(msgspec.json.encode(Shop())) + b"\n")
    return file
