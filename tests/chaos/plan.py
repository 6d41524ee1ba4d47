"""What a fault run shall do, and the one command that does it again; starts nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import msgspec

VICTIMS = ("ingest", "profile", "segmenter", "cuts", "trigger-engine", "notifier")
SERVICES = ("sandbox", *VICTIMS)
GROUPS = ("profile", "segmenter", "trigger-engine", "notifier")
"""Consumer groups of the chain, in its order; each is named like its service."""
SPOILED: dict[str, float] = {"unavailable": 0.04, "accept_500": 0.03, "accept_reset": 0.02, "accept_garbage": 0.02}
STEPS_PER_SECOND = 20
STEP_MS = 600_000
MOST_STEPS = 90 * 86_400_000 // STEP_MS
"""The made-up shop's season has 90 days."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run: the same plan on the same machine strikes the same targets in the same order."""

    name: str = "mixed"
    """How the run is called in the report: its faults, or its mutation."""
    kills: int = 100
    """SIGKILLs of services that a drawn schedule comes to; with `faults` how often each of them is drawn."""
    faults: tuple[str, ...] = ()
    """Only these, in this order, again and again; empty: drawn from all that one broker can bear."""
    seed: int = 1
    customers: int = 800
    events: int | None = None
    """Events of the workload on top of the season; None: 40 a second."""
    merges: bool = False
    """The workload names people by several ids, which become one while the faults strike."""
    every: float = 2.5
    """Seconds between two faults, on average."""
    victims: tuple[str, ...] = VICTIMS
    nodes: int = 1
    """Brokers."""
    long: bool = False
    """Stops of up to 90 s and an outage of the database of 60 s, instead of 15 s and 8 s."""
    spoiled: Mapping[str, float] = {}
    """Behaviour of the providers' sandbox on every channel → share of calls (deploy/sandbox/faults.py)."""
    hang_ms: int = 20_000
    """How long a provider hangs that does."""
    mutation: bool = False
    """A guard is taken out: the run must turn red."""
    off: tuple[str, ...] = ()
    """What is taken out of the services (tests/support/unguarded.py)."""
    env: Mapping[str, str] = {}
    """Reaches every service: the host goes there."""
    rest_within: float = 240.0
    """Seconds in which the chain must come to rest after the season."""
    reproduce: str = ""
    """The command that runs this again."""


def command(wishes: Mapping[str, str]) -> str:
    """`make chaos …` with what was asked for, empty wishes left out."""
    return " ".join(["make chaos", *(f"{name}={shlex.quote(value)}" for name, value in wishes.items() if value)])
