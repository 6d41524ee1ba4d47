"""Builds on this machine: the base commit in a worktree with an environment of its own, twice, and the one to judge.

All of it lies below .local/versus and is kept for the next run. The base is there twice because processes that run
from the same files share memory: three builds with files of their own are weighed alike.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from tests.bench.versus import slowed
from tests.bench.versus.readings import Arm

ROOT = Path(__file__).parents[3]
HOME = ROOT / ".local" / "versus"
PYTHON = Path(sys.executable).resolve()
"""The one that this environment was made of makes the other one, too."""
STAMP = "whole"
"""File beside a build: it is there when the build is whole."""
OURS_ALONE = (".git", ".local")
"""Not copied with a build."""

Say = Callable[[str], None]


class BuildError(RuntimeError):
    """A commit is unknown, or its environment cannot be made; the message ends with what the command said."""


class Build(msgspec.Struct, frozen=True):
    """A tree with its environment."""

    arm: Arm
    commit: str
    root: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.root / ".venv" / "bin" / "python"


async def made(base: str, say: Say, *, slower_by: float | None = None) -> dict[Arm, Build]:
    """All three; what is missing is built. With `slower_by` (per cent) the judged one is the base, slowed."""
    found = await _said("git", "rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}")
    commit = found.strip()
    short = commit[:12]
    first = await _once(f"base-{short}", lambda place: _worktree(place, commit), say)
    again = await _once(f"again-{short}", lambda place: _copy(first, place), say)
    if slower_by is None:
        this, name = ROOT, (await _said("git", "describe", "--always", "--dirty", "--abbrev=12")).strip()
        await _compile(this)
    else:
        this, name = HOME / f"slowed-{short}", f"{short} slowed by {slower_by:g} %"
        shutil.rmtree(this, ignore_errors=True)
        await _copy(first, this)
        slowed.slow(this, slower_by / 100)
    return {
        "base": Build("base", short, first),
        "again": Build("again", short, again),
        "this": Build("this", name, this),
    }


def environment() -> dict[str, str]:
    """What a command of a build inherits: nothing that speaks of this build, of make or of a bench."""
    ours = ("HUITOU_", "MAKE", "MFLAGS", "PYTHON", "VIRTUAL_ENV", "BENCH")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    # The same order of sets in all three, and no line of a log lost in a buffer.
    return kept | {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}


async def _once(name: str, make: Callable[[Path], Awaitable[None]], say: Say) -> Path:
    place, stamp = HOME / name, HOME / f"{name}.{STAMP}"
    if not stamp.exists():
        say(f"versus: {name} is built; the next run finds it in {HOME.relative_to(ROOT)}")
        shutil.rmtree(place, ignore_errors=True)
        HOME.mkdir(parents=True, exist_ok=True)
        await make(place)
        stamp.touch()
    return place


async def _worktree(place: Path, commit: str) -> None:
    await _said("git", "worktree", "prune")
    await _said("git", "worktree", "add", "--force", "--detach", str(place), commit)
    await _said("make", "-C", str(place), ".venv/.dev", f"PYTHON={PYTHON}", env=environment())
    await _compile(place)


async def _copy(build: Path, place: Path) -> None:
    ignore = shutil.ignore_patterns(*OURS_ALONE)
    await asyncio.to_thread(shutil.copytree, build, place, symlinks=True, ignore=ignore)


async def _compile(root: Path) -> None:
    """Byte code for everything: a process that compiles at its start keeps more memory."""
    python, folders = root / ".venv" / "bin" / "python", (".venv", "shared", "services", "deploy", "tests")
    process = await asyncio.create_subprocess_exec(
        *(str(python), "-m", "compileall", "-q", "-j", "0", *folders),
        cwd=root,
        env=environment(),
        stdin=DEVNULL,
        stdout=DEVNULL,  # some packages bring templates that are no Python
        stderr=DEVNULL,
    )
    await process.wait()


async def _said(*command: str, env: Mapping[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    said, complained = (each.decode(errors="replace") for each in await process.communicate())
    if process.returncode:
        lines = (complained or said).strip().splitlines()[-10:]
        raise BuildError("\n".join((f"{' '.join(command)} ended with {process.returncode}", *lines)))
    return said
