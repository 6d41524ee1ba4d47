"""Nothing unverified reaches the broker's class path."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deploy.stack.jars import COORDINATES, JarError, jars, locked

GENUINE = b"the jar as it was locked"


class Repository:
    """Hands out the same bytes for every coordinate and counts how often it was asked."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked = 0

    def __call__(self, directory: Path, coordinate: str) -> Path:
        assert coordinate == "group:artifact:1.0"
        self.asked += 1
        path = directory / "fetched.jar"
        path.write_bytes(self.content)
        return path


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "jars.sha256"
    file.write_text(f"{hashlib.sha256(GENUINE).hexdigest()}  group:artifact:1.0\n", encoding="ascii")
    return file


def test_a_jar_that_is_not_the_locked_one_is_refused_by_name_and_leaves_nothing_behind(
    tmp_path: Path, lock: Path
) -> None:
    repository = Repository(b"something else")

    with pytest.raises(JarError, match=r"group:artifact:1\.0 could not be fetched: its SHA-256 is [0-9a-f]{64}"):
        jars(tmp_path, lock=lock, fetch=repository)

    assert list((tmp_path / "jars").iterdir()) == []


def test_a_verified_jar_is_fetched_once(tmp_path: Path, lock: Path) -> None:
    repository = Repository(GENUINE)
    first = jars(tmp_path, lock=lock, fetch=repository)
    second = jars(tmp_path, lock=lock, fetch=repository)

    assert first == second == [tmp_path / "jars" / "artifact-1.0.jar"]
    assert repository.asked == 1


def test_a_jar_damaged_in_the_cache_is_fetched_again(tmp_path: Path, lock: Path) -> None:
    repository = Repository(GENUINE)
    [path] = jars(tmp_path, lock=lock, fetch=repository)
    path.write_bytes(GENUINE[:-1])
    jars(tmp_path, lock=lock, fetch=repository)

    assert path.read_bytes() == GENUINE


def test_an_unreachable_repository_is_reported_with_its_reason(tmp_path: Path, lock: Path) -> None:
    def unreachable(_directory: Path, _coordinate: str) -> Path:
        raise OSError("no route to host")

    with pytest.raises(JarError, match="no route to host"):
        jars(tmp_path, lock=lock, fetch=unreachable)


def test_the_committed_lock_names_each_jar_once_and_holds_what_was_asked_for() -> None:
    coordinates = [coordinate for _, coordinate in locked()]

    assert len(coordinates) == len(set(coordinates))
    assert set(COORDINATES) <= set(coordinates)
