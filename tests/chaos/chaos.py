"""The running product as faults see it: who is up, what is in flight, what was done; chooses nothing."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from deploy.demo.scenario import Scenario
from deploy.stack.stack import Stack
from deploy.stack.supervisor import Supervisor
from shared import clock
from tests.chaos.plan import GROUPS, Plan

LOOKS = 10
LOOK_SECONDS = 0.1
SAMPLE_SECONDS = 0.5
Say = Callable[[str], None]


class Kill(msgspec.Struct, frozen=True):
    """One SIGKILL of a service: when (seconds from the start of the season), whom, and what was in flight."""

    at: float
    service: str
    lag: dict[str, int]

    @property
    def in_flight(self) -> int:
        """Records between commit and end, over the chain's groups."""
        return sum(self.lag.values())


class Act(msgspec.Struct, frozen=True):
    """One fault: from `at` on for `seconds`, what it did, and what was in flight when it struck."""

    at: float
    seconds: float
    fault: str
    what: str
    lag: dict[str, int]


class Sample(msgspec.Struct, frozen=True):
    """The chain at one moment: records of lag over its groups, and whether every service runs."""

    at: float
    lag: int
    up: bool


class Planted(msgspec.Struct, frozen=True):
    """A record that nobody can take, written straight into a topic."""

    topic: str
    partition: int
    offset: int
    value: bytes

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it stands."""
        return self.topic, self.partition, self.offset


class Strike(msgspec.Struct, frozen=True):
    """A fault, so many seconds after the one before has ended."""

    wait: float
    fault: str


class Fault(Protocol):
    """What can be done to the product."""

    @property
    def act(self) -> Callable[[Chaos, random.Random], Awaitable[str]]:
        """Does it, and returns in words what it did."""


class Chaos:
    """Faults act through it, one after the other."""

    def __init__(self, scenario: Scenario, plan: Plan, say: Say, people: list[dict[str, str]]) -> None:
        self.scenario, self.plan, self.say = scenario, plan, say
        self.people = people
        """The `customer` of everybody, the most active first."""
        self.kills: list[Kill] = []
        self.acts: list[Act] = []
        self.samples: list[Sample] = []
        self.planted: list[Planted] = []
        self.broken: list[str] = []
        """Promises that a fault saw broken, in words."""
        self._began = clock.monotonic()

    @property
    def stack(self) -> Stack:
        """Broker, database and services."""
        return self.scenario.stack

    @property
    def supervisor(self) -> Supervisor:
        """Of all processes."""
        return self.stack.supervisor

    def now(self) -> float:
        """Seconds since the season began."""
        return round(clock.monotonic() - self._began, 2)

    def processes(self, service: str) -> list[str]:
        """The processes of a service that are meant to run, such as `profile` and `profile-2`."""
        mine = re.compile(rf"{re.escape(service)}(-\d+)?")
        kept = (name for name in self.supervisor.names if mine.fullmatch(name))
        return [name for name in kept if self.supervisor.status(name) not in {"stopped", "failed"}]

    async def running(self, name: str) -> str:
        """The name, once its process runs: what is down already cannot be struck."""
        while self.supervisor.status(name) != "running" or self.supervisor.pid(name) is None:
            await asyncio.sleep(LOOK_SECONDS)
        return name

    async def target(self, rnd: random.Random, services: tuple[str, ...] = ()) -> str:
        """A running process of the plan's victims, or of these services."""
        return await self.running(rnd.choice(self.processes(rnd.choice(services or self.plan.victims))))

    async def in_flight(self) -> dict[str, int]:
        """Lag by group as soon as there is some, or after a second without: a fault in an idle chain proves little."""
        for _ in range(LOOKS):
            behind = await self.scenario.behind()
            lag = {group: behind.get(group, 0) for group in GROUPS}
            if any(lag.values()):
                break
            await asyncio.sleep(LOOK_SECONDS)
        return lag

    async def kill(self, name: str) -> None:
        """SIGKILL a process once it runs, and remember what was in flight."""
        await self.running(name)
        lag = await self.in_flight()
        self.supervisor.kill(await self.running(name))
        self.kills.append(Kill(self.now(), name, lag))

    async def carry_out(self, strikes: Iterable[Strike], faults: Mapping[str, Fault]) -> None:
        """Strike after strike, each noted."""
        for number, strike in enumerate(strikes, 1):
            await asyncio.sleep(strike.wait)
            at, lag = self.now(), await self.in_flight()
            rnd = random.Random(f"{self.plan.seed}/{number}/{strike.fault}")
            what = await faults[strike.fault].act(self, rnd)
            self.acts.append(Act(at, round(self.now() - at, 2), strike.fault, what, lag))
            self.say(f"{number:4d} at {at:7.2f} s, {sum(lag.values()):6d} in flight: {strike.fault}: {what}")

    async def watch(self) -> None:
        """Look at the lag twice a second, for ever."""
        while True:
            behind = await self.scenario.behind()
            statuses = {self.supervisor.status(name) for name in self.supervisor.names}
            lag = sum(behind.get(group, 0) for group in GROUPS)
            self.samples.append(Sample(self.now(), lag, statuses <= {"running", "stopped"}))
            await asyncio.sleep(SAMPLE_SECONDS)
