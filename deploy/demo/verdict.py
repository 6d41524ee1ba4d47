"""The end of a run: everything at rest, its counts, and the form of a verdict, which a judge gives; compares nothing itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx2
import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.demo.scenario import Scenario
from shared import clock
from shared.shop import Shop

IN_FLIGHT = ("pending", "sending", "unknown", "awaiting_staff")
"""The sandbox's staff confirm by themselves after a while (HUITOU_SANDBOX_CONFIRM_AFTER_MS)."""


class Verdict(msgspec.Struct, frozen=True):
    """The figures of a run."""

    ok: bool
    events: int
    """Events accepted over HTTP."""
    customers: int
    orders: int
    commands: dict[str, int]
    """Rule → messages commanded."""
    decisions: dict[str, dict[str, int]]
    """Rule → reason → decisions."""
    classes: dict[str, int]
    stages: dict[str, int]
    outbox: dict[str, int]
    """State → commands."""
    accepted: int
    """Messages that the sandbox took."""
    duplicates: int
    """Messages that the sandbox took more than once."""
    checks: dict[str, dict[str, Any]]


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict, and where real orders were lived their known figures."""

    verdict: Verdict
    known: Mapping[str, Any] = {}
    """`figures` (name → expected, got), `differences` (name → expected, got), number of `customers`; empty without a file."""

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return self.verdict.ok and not self.known.get("differences")


class Judge(Protocol):
    """Compares a stack with what its log must have led to."""

    async def __call__(self, scenario: Scenario, shop: Shop, *, epoch_ms: int, file: Path | None) -> Findings:
        """The findings about a scenario whose stack is at rest.

        `epoch_ms`: logical time between two cuts; `file`: online_retail.csv.gz, if its orders were lived.
        """


async def outbox_states(database_url: str) -> dict[str, int]:
    """State → commands in the notifier's outbox."""
    engine = create_async_engine(database_url)
    try:
        async with engine.connect() as connection:
            rows = await connection.execute(sa.text("SELECT state, count(*) FROM notifier.outbox GROUP BY state"))
            return {str(state): int(count) for state, count in rows}
    finally:
        await engine.dispose()


async def at_rest(scenario: Scenario, *, within: float = 180.0) -> None:
    """Returns when the chain has no lag and the outbox nothing in flight; TimeoutError otherwise."""
    deadline = clock.monotonic() + within
    while True:
        await scenario.settled(within=deadline - clock.monotonic())
        states = await outbox_states(scenario.stack.database_url)
        if not any(states.get(state) for state in IN_FLIGHT):
            await scenario.settled(within=deadline - clock.monotonic())
            return
        if clock.monotonic() > deadline:
            raise TimeoutError(f"the outbox did not come to rest within {within:.0f} s: {states}")
        await asyncio.sleep(0.5)


async def accepted_by_command(sandbox_url: str) -> dict[str, int]:
    """Command id → messages that the sandbox accepted."""
    async with httpx2.AsyncClient(base_url=sandbox_url, timeout=60.0, trust_env=False) as client:
        channels = (await client.get("/log/count")).json()["commands"]
    counts: Counter[str] = Counter()
    for commands in channels.values():
        counts.update(commands)
    return dict(counts)


def write(result: object, name: str, root: Path) -> Path:
    """The result as `.local/results/NAME.json` of the checkout."""
    file = root / ".local" / "results" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    return file
