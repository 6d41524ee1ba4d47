"""Who may open and replay letters over HTTP: names and hashes of secrets in a private file; knows no letter and no request."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from shared.private_files import PrivateFileError, create_private, locked, read_private, replace_private

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_SECRET_BYTES: Final = 32
_NOBODY: Final = "0" * 64
"""What an unknown name's secret is compared with, so that it takes as long to refuse."""


class OperatorsError(Exception):
    """The file of operators cannot be used, or the change asked for makes no sense."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operators: dict[str, str] = {}
    """Name → SHA-256 of the secret, hex."""


def check(path: Path | None, presented: str) -> str | None:
    """The name behind a presented `name.secret`; None where there is no file, and for anything wrong.

    The file is read each time: who was taken out is out. OperatorsError if it is open to others or damaged.
    """
    if path is None or not path.exists():
        return None
    held = _read(path).operators
    name, _, secret = presented.partition(".")
    expected = held.get(name, _NOBODY)
    same = hmac.compare_digest(_hash(secret), expected)
    return name if same and name in held else None


def add(path: Path, name: str) -> str:
    """Add an operator, or give him a new secret, and return `name.secret`: it is kept nowhere and cannot be shown again."""
    if _NAME.fullmatch(name) is None:
        raise OperatorsError("name: must be 1 to 32 lower-case letters, digits or hyphens")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    _change(path, lambda held: held | {name: _hash(secret)})
    return f"{name}.{secret}"


def remove(path: Path, name: str) -> None:
    """Take an operator out; OperatorsError if there is none of this name."""

    def without(held: dict[str, str]) -> dict[str, str]:
        if name not in held:
            raise OperatorsError("name: no such operator")
        return {other: digest for other, digest in held.items() if other != name}

    _change(path, without)


def _change(path: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    try:
        with locked(path):
            missing = not path.exists()
            held = _File() if missing else _read(path)
            content = msgspec.json.encode(_File(operators=change(held.operators)))
            (create_private if missing else replace_private)(path, content)
    except (PrivateFileError, OSError) as error:
        raise OperatorsError(f"operators: {error}") from None


def _read(path: Path) -> _File:
    try:
        return msgspec.json.decode(read_private(path), type=_File)
    except PrivateFileError as error:
        raise OperatorsError(f"operators: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OperatorsError(f'operators: {path.name}: must be JSON {{"operators": {{name: sha256}}}}') from None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
