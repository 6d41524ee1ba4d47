"""Who takes part, and why somebody does not; starts nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from tests.bench.peers.environments import UnavailableError, interpreter

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
FAUST_LOCK = ROOT / "requirements-faust.lock"
JOB = "tests.bench.aggregator"
OURS, FAUST_HOST, QUIX, FAUST, PLAIN = (
    "Huitou",
    "Huitou on Faust",
    "Quix Streams",
    "stock Faust",
    "plain aiokafka loop",
)


class Host(msgspec.Struct, frozen=True):
    """One way to run the job."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    changelog: bool = False
    """Whether its changelog must be there before it starts."""
    rounds: int = 3
    """The slow ones run once: a round of theirs lasts longer than the spread of the fast ones."""

    @property
    def slug(self) -> str:
        """For names of groups and topics."""
        return self.name.lower().replace(" ", "-")


def ours() -> Host:
    """The product's default host."""
    return Host(OURS, (sys.executable, "-m", f"{JOB}.ours"), changelog=True)


async def found(home: Path) -> tuple[list[Host], dict[str, str]]:
    """All who can take part, ours first, and name → reason of those who cannot; environments are made below `home`."""
    plain = Host(PLAIN, (sys.executable, "-m", f"{JOB}.plain"), changelog=True)
    hosts, absent = [ours(), plain], {}
    for name, made in ((QUIX, _quix), (FAUST_HOST, _faust_host), (FAUST, _faust)):
        try:
            hosts.append(await made(home))
        except UnavailableError as error:
            absent[name] = str(error)
    return hosts, absent


async def _quix(home: Path) -> Host:
    python = await interpreter(home / "quix", HERE / "quix.lock")
    return Host(QUIX, (str(python), "-m", f"{JOB}.quix"))


async def _faust(home: Path) -> Host:
    python = await interpreter(home / "faust", FAUST_LOCK)
    return Host(FAUST, (str(python), "-m", f"{JOB}.stock_faust", "worker", "-l", "warn"), rounds=1)


async def _faust_host(home: Path) -> Host:
    python = await interpreter(home / "faust", FAUST_LOCK)
    env = {"HUITOU_HOST": "faust"}
    return Host(FAUST_HOST, (str(python), "-m", f"{JOB}.ours"), env=env, changelog=True, rounds=1)
