"""Contact data under lock: seals and opens values with a keyring. Knows keys and bytes; not customers or channels."""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path
from typing import Final, final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.private_files import PrivateFileError, create_private, locked, read_private, replace_private

_VERSION: Final = "v1"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class SealingError(Exception):
    """A value cannot be sealed or opened, or the keyring cannot be used; the message never shows data."""


@final
class Secret:
    """A text that shows itself only through `reveal`: printed, logged or formatted it is masked."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(****)"

    def __str__(self) -> str:
        return "****"

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not written anywhere")


class _KeyringFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    active: str
    keys: dict[str, str]


@final
class Keyring:
    """Several keys open, the active one seals: AES-256-GCM, bound to the alias and the field it was sealed for.

    Nonces are random; rotate before a key has sealed 2**32 values.
    """

    def __init__(self, active: str, keys: dict[str, bytes]) -> None:
        if active not in keys:
            raise SealingError("keyring: active names a key that is not among keys")
        for key_id, key in keys.items():
            if _KEY_ID.fullmatch(key_id) is None:
                raise SealingError("keyring: a key id must be 1 to 32 letters, digits, - or _")
            if len(key) != _KEY_BYTES:
                raise SealingError(f"keyring: keys.{key_id} must be {_KEY_BYTES} bytes in base64")
        self.active: Final = active
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    @classmethod
    def load(cls, path: Path) -> Keyring:
        """Read `{"active": "k1", "keys": {"k1": base64 of 32 bytes}}`; SealingError unless private and whole."""
        held = _read(path)
        return cls(held.active, {key_id: _key(key_id, text) for key_id, text in held.keys.items()})

    @classmethod
    def create(cls, path: Path) -> Keyring:
        """Write a keyring with one fresh key; SealingError if the file exists."""
        try:
            create_private(path, msgspec.json.encode(_KeyringFile(active="k1", keys={"k1": _fresh_key()})))
        except PrivateFileError as error:
            raise SealingError(f"keyring: {error}") from None
        return cls.load(path)

    @classmethod
    def rotate(cls, path: Path) -> Keyring:
        """Add a fresh key and make it the active one; the older keys go on opening what they sealed."""
        with locked(path):
            held = _read(path)
            number = len(held.keys) + 1
            while f"k{number}" in held.keys:
                number += 1
            keys = {**held.keys, f"k{number}": _fresh_key()}
            replace_private(path, msgspec.json.encode(_KeyringFile(active=f"k{number}", keys=keys)))
        return cls.load(path)

    def seal(self, alias: str, field: str, value: str) -> str:
        """`v1|key id|nonce|ciphertext`, the last two in base64; only the same alias and field open it."""
        nonce, sealed = self._encrypt(alias, field, _encoded("value", value))
        return "|".join((_VERSION, self.active, _base64(nonce), _base64(sealed)))

    def open(self, alias: str, field: str, sealed: str) -> Secret:
        """The value that `seal` was given; SealingError for another alias or field, a lost key or altered text."""
        parts = sealed.split("|")
        if len(parts) != 4:
            raise SealingError("sealed value: must have four parts: version, key id, nonce, ciphertext")
        version, key_id, nonce, ciphertext = parts
        plain = self._decrypt(version, key_id, (_unbase64(nonce), _unbase64(ciphertext)), _context(alias, field))
        return Secret(plain.decode())

    def seal_bytes(self, alias: str, field: str, value: bytes) -> bytes:
        """As `seal`, for whole records: `v1|key id|` in ASCII, then nonce and ciphertext as they are."""
        nonce, sealed = self._encrypt(alias, field, value)
        return f"{_VERSION}|{self.active}|".encode() + nonce + sealed

    def open_bytes(self, alias: str, field: str, sealed: bytes) -> bytes:
        """What `seal_bytes` was given; SealingError as for `open`."""
        parts = sealed.split(b"|", 2)
        if len(parts) != 3:
            raise SealingError("sealed value: must have three parts: version, key id, ciphertext")
        version, key_id = (part.decode("ascii", "replace") for part in parts[:2])
        body = (parts[2][:_NONCE_BYTES], parts[2][_NONCE_BYTES:])
        return self._decrypt(version, key_id, body, _context(alias, field))

    def __repr__(self) -> str:
        return f"Keyring(active={self.active!r}, keys={sorted(self._ciphers)})"

    def _encrypt(self, alias: str, field: str, plain: bytes) -> tuple[bytes, bytes]:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce, self._ciphers[self.active].encrypt(nonce, plain, _context(alias, field))

    def _decrypt(self, version: str, key_id: str, body: tuple[bytes, bytes], context: bytes) -> bytes:
        nonce, ciphertext = body
        if version != _VERSION:
            raise SealingError(f"sealed value: version must be {_VERSION}")
        if len(nonce) != _NONCE_BYTES or len(ciphertext) < _TAG_BYTES:
            raise SealingError("sealed value: nonce or ciphertext is cut short")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealingError("sealed value: its key is not in the keyring")
        try:
            return cipher.decrypt(nonce, ciphertext, context)
        except InvalidTag:
            raise SealingError("sealed value: altered, or sealed for another alias or field") from None


def _read(path: Path) -> _KeyringFile:
    try:
        return msgspec.json.decode(read_private(path), type=_KeyringFile)
    except PrivateFileError as error:
        raise SealingError(f"keyring: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):  # their texts may quote the file
        raise SealingError(f'keyring: {path.name}: must be JSON {{"active": id, "keys": {{id: base64}}}}') from None


def _fresh_key() -> str:
    return _base64(os.urandom(_KEY_BYTES))


def _key(key_id: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise SealingError(f"keyring: keys.{key_id} must be {_KEY_BYTES} bytes in base64") from None


def _context(alias: str, field: str) -> bytes:
    """The bytes a seal is bound to; NUL parts them, so neither may hold one."""
    if "\0" in alias or "\0" in field:
        raise SealingError("alias and field must not hold NUL characters")
    return _encoded("alias", alias) + b"\0" + _encoded("field", field)


def _encoded(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise SealingError(f"{what}: holds a lone surrogate") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SealingError("sealed value: nonce and ciphertext must be base64") from None
