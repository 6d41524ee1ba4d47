"""Who may send: write keys, their sources and scopes. Knows hashes of secrets; not the secrets, HTTP or events."""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, final

import msgspec

from services.ingest.rate import Limit
from shared.private_files import PrivateFileError, create_private, locked, read_private, replace_private

_PREFIX: Final = "hk_"
_SECRET_BYTES: Final = 32
_SHAPE: Final = re.compile(r"(hk_[0-9a-f]{12})\.([A-Za-z0-9_-]{43})", re.ASCII)
_KEY_ID: Final = re.compile(r"hk_[0-9a-f]{12}", re.ASCII)
_SOURCE_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
MOST_ACTIVE: Final = 2
"""Keys of one source and scope that are good at once: the old and the new one while senders change over."""
_NO_SUCH_KEY: Final = "0" * 64
"""What an unknown key is compared with, so that it takes as long to refuse as a known one."""


class WriteKeysError(Exception):
    """The file of write keys cannot be used, or the change asked for makes no sense."""


class Scope(enum.StrEnum):
    """What a key may be used for."""

    LIVE = "live"
    IMPORT = "import"
    ERASE = "erase"
    """Forget persons: given to nobody who only sends events."""
    IDENTITY = "identity"


class Source(msgspec.Struct, frozen=True):
    """The sender that a key stands for."""

    name: str
    scopes: frozenset[Scope]
    key_id: str
    limit: Limit | None = None
    """None: the service's own."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key as it stands in the file."""

    id: str
    source: str
    scopes: list[Scope]
    secret_sha256: str
    revoked: bool = False
    limit: Limit | None = None


class _KeysFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: list[Key] = []


@final
class WriteKeys:
    """The keys of one file, as they stood when last read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)  # taken before reading: a change in between is seen the next time
        self._keys = {key.id: key for key in _read(path).keys}

    @classmethod
    def load(cls, path: Path) -> WriteKeys:
        """Read the file; WriteKeysError unless it is private and whole."""
        return cls(path)

    def check(self, presented: str) -> Source | None:
        """The source of a presented `hk_id.secret`; None for a malformed, unknown, wrong or revoked key."""
        shape = _SHAPE.fullmatch(presented)
        if shape is None:
            return None
        key = self._keys.get(shape[1])
        expected = _NO_SUCH_KEY if key is None else key.secret_sha256
        if not hmac.compare_digest(_hash(shape[2]), expected) or key is None or key.revoked:
            return None
        return Source(name=key.source, scopes=frozenset(key.scopes), key_id=key.id, limit=key.limit)

    def knows(self, key_id: str) -> bool:
        """Whether the file has a key of this id, revoked or not."""
        return key_id in self._keys

    def reload_if_changed(self) -> bool:
        """Read the file again if it was replaced or edited; True if so.

        On WriteKeysError the keys read last stay in force, and the next call tries again.
        """
        if _stamp(self._path) == self._stamp:
            return False
        fresh = WriteKeys(self._path)
        self._stamp, self._keys = fresh._stamp, fresh._keys
        return True

    def __repr__(self) -> str:
        return f"WriteKeys({len(self._keys)} keys)"


def add_key(path: Path, source: str, scopes: Iterable[Scope], limit: Limit | None = None) -> str:
    """Add a key for a source and return it; its secret is kept nowhere and cannot be shown again.

    The file is created if there is none. WriteKeysError if the source has two active keys of a scope already.
    """
    if _SOURCE_NAME.fullmatch(source) is None:
        raise WriteKeysError(
            "source: must be 1 to 64 lower-case letters, digits or hyphens, not starting or ending with -"
        )
    granted = sorted(set(scopes))
    if not granted:
        raise WriteKeysError("scopes: must name at least one of live, import, erase")
    key_id, secret = _PREFIX + secrets.token_hex(6), secrets.token_urlsafe(_SECRET_BYTES)
    key = Key(id=key_id, source=source, scopes=granted, secret_sha256=_hash(secret), limit=limit)

    def added(keys: list[Key]) -> list[Key]:
        for scope in granted:
            active = [one for one in keys if one.source == source and scope in one.scopes and not one.revoked]
            if len(active) >= MOST_ACTIVE:
                raise WriteKeysError(
                    f"source: {source} has {MOST_ACTIVE} active keys of the scope {scope}; revoke one of them first"
                )
        return [*keys, key]

    _change(path, added, create=True)
    return f"{key_id}.{secret}"


def list_keys(path: Path) -> list[Key]:
    """All keys of the file, revoked ones included, in the order in which they were made."""
    return _read(path).keys


def revoke_key(path: Path, key_id: str) -> None:
    """Mark a key as revoked; it stays in the file, so that its id is not forgotten. WriteKeysError if there is none."""

    def revoked(keys: list[Key]) -> list[Key]:
        if all(key.id != key_id for key in keys):
            raise WriteKeysError("key id: no such key in the file")
        return [msgspec.structs.replace(key, revoked=True) if key.id == key_id else key for key in keys]

    _change(path, revoked, create=False)


def _change(path: Path, change: Callable[[list[Key]], list[Key]], *, create: bool) -> None:
    try:
        with locked(path):
            missing = create and not path.exists()
            keys = change([] if missing else _read(path).keys)
            content = msgspec.json.format(msgspec.json.encode(_KeysFile(keys=keys))) + b"\n"
            (create_private if missing else replace_private)(path, content)
    except PrivateFileError as error:
        raise WriteKeysError(f"write keys: {error}") from None
    except OSError as error:
        raise WriteKeysError(f"write keys: {path.name}: cannot be written: {error.strerror}") from None


def _read(path: Path) -> _KeysFile:
    try:
        file = msgspec.json.decode(read_private(path), type=_KeysFile)
    except PrivateFileError as error:
        raise WriteKeysError(f"write keys: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WriteKeysError(f"write keys: {path.name}: {error}") from None
    seen: set[str] = set()
    for index, key in enumerate(file.keys):
        place = f"write keys: {path.name}: keys[{index}]"
        if _KEY_ID.fullmatch(key.id) is None or key.id in seen:
            raise WriteKeysError(f"{place}.id must be unique and look like hk_ with 12 hex digits")
        if _SOURCE_NAME.fullmatch(key.source) is None:
            raise WriteKeysError(f"{place}.source must be a name of lower-case letters, digits and hyphens")
        if _SHA256_HEX.fullmatch(key.secret_sha256) is None:
            raise WriteKeysError(f"{place}.secret_sha256 must be 64 hex digits")
        seen.add(key.id)
    return file


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()
