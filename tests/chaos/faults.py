"""Every fault by its name: what it does, how long that takes about, and how many SIGKILLs it counts for."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import msgspec

from tests.chaos import faults_database, faults_events, faults_kafka, faults_processes
from tests.chaos.chaos import Chaos

Action = Callable[[Chaos, random.Random], Awaitable[str]]
"""Does it, and returns in words what it did."""


class Fault(msgspec.Struct, frozen=True):
    """`seconds` as the short form takes them."""

    act: Action
    seconds: float
    kills: int = 0
    nodes: int = 1
    """Brokers that it needs."""


FAULTS: dict[str, Fault] = {
    "kill": Fault(faults_processes.kill, 0.2, kills=1),
    "burst": Fault(faults_processes.burst, 3, kills=5),
    "stop": Fault(faults_processes.stop, 10),
    "throttle": Fault(faults_processes.throttle, 6),
    "rolling": Fault(faults_processes.rolling, 15),
    "scale": Fault(faults_processes.scale, 14),
    "lag": Fault(faults_processes.lag, 12),
    "broker-restart": Fault(faults_kafka.broker_restart, 8),
    "broker-stop": Fault(faults_kafka.broker_stop, 7),
    "three-brokers": Fault(faults_kafka.three_brokers, 30, nodes=3),
    "lost-answer": Fault(faults_kafka.lost_answer, 3),
    "refused": Fault(faults_kafka.refused, 6),
    "database-restart": Fault(faults_database.database_restart, 4),
    "database-down": Fault(faults_database.database_down, 12),
    "oversized": Fault(faults_events.oversized, 2),
    "poison": Fault(faults_events.poison, 2),
    "hot": Fault(faults_events.hot, 5),
    "repeat": Fault(faults_events.repeat, 3),
    "replay": Fault(faults_events.replay, 3),
}
SINGLES = ("kill", "burst")
"""What most of a drawn schedule consists of."""
