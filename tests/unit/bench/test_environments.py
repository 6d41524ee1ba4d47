"""An environment is made once per lock; without one there is a reason to tell."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.bench.peers import environments
from tests.bench.peers.environments import STAMP, UnavailableError, interpreter


async def test_no_lock_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"peer\.lock is not there"):
        await interpreter(tmp_path / "peer", tmp_path / "peer.lock")


async def test_an_environment_is_made_when_the_lock_changes_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, home, commands = tmp_path / "peer.lock", tmp_path / "peer", list[str]()
    lock.write_text("one==1\n")

    async def run(*command: str) -> None:
        home.mkdir(exist_ok=True)
        commands.append(command[2])

    monkeypatch.setattr(environments, "_run", run)

    for content in ("one==1\n", "one==1\n", "one==2\n"):
        lock.write_text(content)
        assert await interpreter(home, lock) == home / "bin" / "python"

    assert commands == ["venv", "pip"] * 2
    assert (home / STAMP).read_text() == hashlib.sha256(b"one==2\n").hexdigest()


async def test_what_a_command_said_last_is_the_reason() -> None:
    with pytest.raises(UnavailableError, match=r"^no such package$"):
        await environments._run("sh", "-c", "echo trying >&2; echo no such package >&2; exit 1")
