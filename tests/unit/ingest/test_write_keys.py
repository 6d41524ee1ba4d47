"""Write keys: who may send, known by the hash of a secret alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.ingest.rate import Limit
from services.ingest.write_keys import Scope, Source, WriteKeys, WriteKeysError, add_key, list_keys, revoke_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "write-keys.json"


def test_a_new_key_opens_its_source_with_its_scopes(path: Path) -> None:
    presented = add_key(path, "web-shop", [Scope.LIVE])

    assert WriteKeys.load(path).check(presented) == Source("web-shop", frozenset({Scope.LIVE}), presented.split(".")[0])


def test_several_keys_of_a_source_are_good_at_once_and_sources_stay_apart(path: Path) -> None:
    old, new = (add_key(path, "pos", [Scope.LIVE, Scope.IMPORT]) for _ in range(2))
    other = add_key(path, "erp", [Scope.IMPORT])

    sources = [WriteKeys.load(path).check(key) for key in (old, new, other)]

    assert [source.name for source in sources if source] == ["pos", "pos", "erp"]
    assert len({old, new, other}) == 3


def test_a_key_s_own_limit_comes_with_its_source(path: Path) -> None:
    limit = Limit(per_second=5, burst=7)
    presented = add_key(path, "pos", [Scope.LIVE], limit)

    source = WriteKeys.load(path).check(presented)

    assert source is not None
    assert source.limit == limit


def test_a_third_active_key_of_a_source_and_scope_is_refused_until_one_is_revoked(path: Path) -> None:
    first, _ = (add_key(path, "pos", [Scope.LIVE]) for _ in range(2))

    with pytest.raises(WriteKeysError, match="pos has 2 active keys of the scope live; revoke one of them first"):
        add_key(path, "pos", [Scope.LIVE, Scope.IMPORT])
    add_key(path, "pos", [Scope.IMPORT])
    add_key(path, "erp", [Scope.LIVE])
    revoke_key(path, first.split(".")[0])
    add_key(path, "pos", [Scope.LIVE])

    assert [(key.source, *key.scopes, key.revoked) for key in list_keys(path)] == [
        ("pos", "live", True),
        ("pos", "live", False),
        ("pos", "import", False),
        ("erp", "live", False),
        ("pos", "live", False),
    ]


def test_the_file_is_private_and_holds_no_secret(path: Path) -> None:
    key_id, secret = add_key(path, "pos", [Scope.LIVE]).split(".")

    assert path.stat().st_mode & 0o777 == 0o600
    assert key_id in path.read_text()
    assert secret not in path.read_text()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_wrong_altered_or_swapped_key_opens_nothing(path: Path) -> None:
    first, second = (add_key(path, "pos", [Scope.LIVE]) for _ in range(2))
    swapped = f"{first.split('.')[0]}.{second.split('.')[1]}"
    altered = first[:-1] + ("A" if first[-1] != "A" else "B")
    unknown = f"hk_{'0' * 12}.{first.split('.')[1]}"

    keys = WriteKeys.load(path)

    for presented in (swapped, altered, unknown, first.split(".")[0], first + " ", first + "\n", "", ".", "购", "\0"):
        assert keys.check(presented) is None, presented


def test_the_hash_in_the_file_is_not_a_key(path: Path) -> None:
    key_id = add_key(path, "pos", [Scope.LIVE]).split(".")[0]
    stored = json.loads(path.read_text())["keys"][0]["secret_sha256"]

    assert WriteKeys.load(path).check(f"{key_id}.{stored}") is None
    assert WriteKeys.load(path).check(f"{key_id}.{stored[:43]}") is None


def test_a_revoked_key_is_closed_after_a_reload_and_its_sibling_is_not(path: Path) -> None:
    first, second = (add_key(path, "pos", [Scope.LIVE]) for _ in range(2))
    keys = WriteKeys.load(path)
    revoke_key(path, first.split(".")[0])

    assert keys.check(first) is not None
    assert keys.reload_if_changed() is True
    assert keys.check(first) is None
    assert keys.check(second) is not None
    assert keys.reload_if_changed() is False


def test_a_file_broken_while_running_leaves_the_old_keys_and_is_tried_again(path: Path) -> None:
    presented = add_key(path, "pos", [Scope.LIVE])
    keys = WriteKeys.load(path)
    whole = path.read_bytes()
    path.write_bytes(b'{"keys": [')

    for _ in range(2):
        with pytest.raises(WriteKeysError, match=r"write-keys\.json: Input data was truncated"):
            keys.reload_if_changed()
    assert keys.check(presented) is not None

    path.write_bytes(whole)
    assert keys.reload_if_changed() is True
    assert keys.check(presented) is not None


def test_a_file_that_vanishes_is_an_error_and_not_an_open_door(path: Path) -> None:
    add_key(path, "pos", [Scope.LIVE])
    keys = WriteKeys.load(path)
    path.unlink()

    with pytest.raises(WriteKeysError, match="cannot be read"):
        keys.reload_if_changed()


KEY = {"id": "hk_0123456789ab", "source": "pos", "scopes": ["live"], "secret_sha256": "0" * 64}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"keys": [{**KEY, "id": "1"}]}, r"keys\[0\]\.id"),
        ({"keys": [KEY, KEY]}, r"keys\[1\]\.id must be unique"),
        ({"keys": [{**KEY, "source": "My Shop"}]}, r"keys\[0\]\.source"),
        ({"keys": [{**KEY, "scopes": ["all"]}]}, r"scopes"),
        ({"keys": [{**KEY, "secret_sha256": "x"}]}, r"keys\[0\]\.secret_sha256"),
        ({"keys": [{**KEY, "revokd": True}]}, "revokd"),
        ({"keys": [{**KEY, "revoked": "yes"}]}, "revoked"),
        ({"keys": [{**KEY, "limit": {"per_second": 0, "burst": 1}}]}, "per_second"),
        ({"keys": [{**KEY, "limit": {"per_second": 1}}]}, "burst"),
    ],
)
def test_a_faulty_file_is_refused_with_the_place(path: Path, content: object, reason: str) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))

    with pytest.raises(WriteKeysError, match=reason):
        WriteKeys.load(path)


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    add_key(path, "pos", [Scope.LIVE])
    path.chmod(0o640)

    with pytest.raises(WriteKeysError, match="mode is 0640, must be 0600"):
        WriteKeys.load(path)


def test_senseless_changes_are_refused(path: Path) -> None:
    with pytest.raises(WriteKeysError, match="source"):
        add_key(path, "My Shop", [Scope.LIVE])
    with pytest.raises(WriteKeysError, match="scopes"):
        add_key(path, "pos", [])
    with pytest.raises(WriteKeysError, match="cannot be"):
        revoke_key(path, "hk_0123456789ab")
    add_key(path, "pos", [Scope.LIVE])
    with pytest.raises(WriteKeysError, match="no such key"):
        revoke_key(path, "hk_0123456789ab")
    with pytest.raises(WriteKeysError, match="cannot be written"):
        add_key(path.parent / "missing" / "keys.json", "pos", [Scope.LIVE])
