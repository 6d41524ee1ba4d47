"""A full log is put aside and goes on in the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.stack.rotation import Rotation, rotate

SMALL = Rotation(limit=100, files=3)


def test_a_log_that_is_not_full_stays(tmp_path: Path) -> None:
    log = tmp_path / "profile.log"
    log.write_bytes(b"x" * 99)

    assert not rotate(log, SMALL)
    assert not rotate(tmp_path / "other.log", SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["profile.log"]


def test_a_full_log_begins_anew_and_older_ones_move_up_until_they_fall_out(tmp_path: Path) -> None:
    log = tmp_path / "profile.log"
    for letter in (b"a", b"b", b"c", b"d"):
        with log.open("ab") as file:
            file.write(letter * 100)
        assert rotate(log, SMALL)

    assert {path.name: path.read_bytes()[:1] for path in tmp_path.iterdir()} == {
        "profile.log": b"",
        "profile.log.1": b"d",
        "profile.log.2": b"c",
    }


def test_whoever_writes_goes_on_at_the_beginning(tmp_path: Path) -> None:
    log = tmp_path / "profile.log"
    with log.open("ab", buffering=0) as file:
        file.write(b"a" * 150)
        rotate(log, SMALL)
        file.write(b"b")

    assert log.read_bytes() == b"b"
    assert (tmp_path / "profile.log.1").read_bytes() == b"a" * 150


def test_with_two_files_the_older_one_is_replaced(tmp_path: Path) -> None:
    log, two = tmp_path / "profile.log", Rotation(limit=100, files=2)
    for letter in (b"a", b"b"):
        log.write_bytes(letter * 100)
        rotate(log, two)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["profile.log", "profile.log.1"]
    assert (tmp_path / "profile.log.1").read_bytes() == b"b" * 100


def test_a_disk_that_refuses_costs_no_older_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "profile.log"
    for letter in (b"a", b"b"):
        log.write_bytes(letter * 100)
        rotate(log, SMALL)
    log.write_bytes(b"c" * 100)

    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deploy.stack.rotation.shutil.copyfileobj", refused)
    with pytest.raises(OSError, match="No space"):
        rotate(log, SMALL)

    assert {path.name: path.read_bytes()[:1] for path in tmp_path.iterdir()} == {
        "profile.log": b"c",
        "profile.log.1": b"b",
        "profile.log.2": b"a",
    }
