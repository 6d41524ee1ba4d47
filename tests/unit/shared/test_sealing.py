"""Sealed contact data: opened only with the key, the alias and the field it was sealed for."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path

import pytest

from shared.sealing import Keyring, SealingError, Secret

ALIAS, FIELD, PHONE = "e" + "0" * 32, "phone", "+8613800138000"


def keyring(*key_ids: str) -> Keyring:
    """A keyring whose keys follow from their names; the first is active."""
    return Keyring(key_ids[0], {key_id: key_id.encode().ljust(32, b".") for key_id in key_ids})


@pytest.mark.parametrize("value", [PHONE, "", "李雷 😀", "a|b\0c"])
def test_a_sealed_value_opens_to_itself(value: str) -> None:
    assert keyring("k1").open(ALIAS, FIELD, keyring("k1").seal(ALIAS, FIELD, value)).reveal() == value


def test_a_sealed_value_names_version_and_key_and_shows_nothing_of_the_value() -> None:
    version, key_id, nonce, ciphertext = keyring("k1").seal(ALIAS, FIELD, PHONE).split("|")

    assert (version, key_id) == ("v1", "k1")
    assert len(base64.b64decode(nonce)) == 12
    assert PHONE.encode() not in base64.b64decode(ciphertext)


def test_the_same_value_is_never_sealed_alike() -> None:
    ring = keyring("k1")

    assert len({ring.seal(ALIAS, FIELD, PHONE) for _ in range(50)}) == 50


@pytest.mark.parametrize(("alias", "field"), [("x", FIELD), (ALIAS, "email"), (ALIAS + FIELD, ""), ("", ALIAS + FIELD)])
def test_another_alias_or_field_does_not_open_it(alias: str, field: str) -> None:
    ring = keyring("k1")

    with pytest.raises(SealingError, match="another alias or field"):
        ring.open(alias, field, ring.seal(ALIAS, FIELD, PHONE))


def test_no_altered_character_goes_unnoticed() -> None:
    ring = keyring("k1")
    sealed = ring.seal(ALIAS, FIELD, PHONE)

    for at, character in enumerate(sealed):
        altered = sealed[:at] + ("A" if character != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(SealingError) as refusal:
            ring.open(ALIAS, FIELD, altered)
        assert PHONE not in str(refusal.value)


@pytest.mark.parametrize(
    "sealed", ["", "v1", PHONE, "v1|k1||", "v1|k1|AAAA|AAAA", "v1|k1|!|!", "v1|k1|购|购", "v2|k1|AAAA|A"]
)
def test_what_is_not_sealed_is_refused(sealed: str) -> None:
    with pytest.raises(SealingError):
        keyring("k1").open(ALIAS, FIELD, sealed)


def test_after_rotation_old_values_open_and_new_ones_take_the_new_key() -> None:
    old, rotated, forgotten = keyring("k1"), keyring("k2", "k1"), keyring("k2")
    sealed = old.seal(ALIAS, FIELD, PHONE)

    assert rotated.open(ALIAS, FIELD, sealed).reveal() == PHONE
    assert rotated.seal(ALIAS, FIELD, PHONE).startswith("v1|k2|")
    with pytest.raises(SealingError, match="its key is not in the keyring"):
        forgotten.open(ALIAS, FIELD, sealed)


def test_whole_records_are_sealed_as_bytes() -> None:
    ring, record = keyring("k1"), bytes(range(256)) + b"|" * 20

    sealed = ring.seal_bytes(ALIAS, "record", record)

    assert sealed.startswith(b"v1|k1|")
    assert ring.open_bytes(ALIAS, "record", sealed) == record
    for broken in (b"", b"v1|k1", b"v1|k1|short", sealed[:-1], b"v1|\xff|" + sealed[6:], record):
        with pytest.raises(SealingError):
            ring.open_bytes(ALIAS, "record", broken)


def test_alias_and_field_cannot_be_shifted_against_each_other() -> None:
    with pytest.raises(SealingError, match="NUL"):
        keyring("k1").seal("a\0b", "c", PHONE)


def test_a_lone_surrogate_is_refused_and_not_shown() -> None:
    with pytest.raises(SealingError, match="value: holds a lone surrogate"):
        keyring("k1").seal(ALIAS, FIELD, "\ud800")


def test_a_secret_and_a_keyring_print_nothing() -> None:
    secret = Secret(PHONE)

    assert PHONE not in f"{secret} {secret!r} {secret!s:>20} {[secret]}"
    assert repr(keyring("k2", "k1")) == "Keyring(active='k2', keys=['k1', 'k2'])"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_keyring_is_created_privately_loaded_and_rotated(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    sealed = Keyring.create(path).seal(ALIAS, FIELD, PHONE)

    rotated = Keyring.rotate(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert rotated.active == Keyring.load(path).active == "k2"
    assert Keyring.load(path).open(ALIAS, FIELD, sealed).reveal() == PHONE
    with pytest.raises(SealingError, match="exists already"):
        Keyring.create(path)


KEY = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (json.dumps({"active": "k1", "keys": {"k1": KEY}}), 0o644, "mode is 0644, must be 0600"),
        (json.dumps({"active": "k1", "keys": {"k1": KEY}}), 0o660, "mode is 0660, must be 0600"),
        (json.dumps({"active": "k2", "keys": {"k1": KEY}}), 0o600, "active names a key that is not among keys"),
        (json.dumps({"active": "k1", "keys": {"k1": "c2hvcnQ="}}), 0o600, r"keys\.k1 must be 32 bytes"),
        (json.dumps({"active": "k1", "keys": {"k1": "not base64"}}), 0o600, r"keys\.k1 must be 32 bytes"),
        (json.dumps({"active": "k|1", "keys": {"k|1": KEY}}), 0o600, "key id must be"),
        (json.dumps({"active": "k1"}), 0o600, "must be JSON"),
        ("", 0o600, "must be JSON"),
    ],
)
def test_a_faulty_keyring_file_is_refused_without_showing_it(
    tmp_path: Path, content: str, mode: int, reason: str
) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(content)
    path.chmod(mode)

    with pytest.raises(SealingError, match=reason) as refusal:
        Keyring.load(path)
    assert KEY not in str(refusal.value)


def test_a_missing_keyring_or_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(SealingError, match="cannot be read"):
            Keyring.load(path)
