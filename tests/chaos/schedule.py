"""Which fault strikes when: drawn from a seed, or named in turn; pure."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.chaos.chaos import Strike
from tests.chaos.faults import FAULTS, SINGLES
from tests.chaos.plan import Plan

OTHER_EACH = 12
"""One fault in so many is not a kill."""
BURST_SHARE = 0.06
SHORTEST_WAIT = 0.4


def schedule(plan: Plan) -> list[Strike]:
    """All strikes of a run. ValueError names an unknown fault, or one that needs more brokers."""
    unknown = [name for name in plan.faults if name not in FAULTS]
    if unknown:
        raise ValueError(f"FAULT: {', '.join(unknown)} unknown; there are {', '.join(FAULTS)}")
    rnd = random.Random(f"{plan.seed}/schedule")
    names = _named(plan) if plan.faults else _drawn(plan, rnd)
    return [Strike(round(rnd.uniform(SHORTEST_WAIT, 2 * plan.every - SHORTEST_WAIT), 3), name) for name in names]


def brokers(plan: Plan) -> int:
    """How many the plan's faults need."""
    return max((FAULTS[name].nodes for name in plan.faults if name in FAULTS), default=1)


def length(strikes: list[Strike]) -> float:
    """Seconds that the strikes take about, waits included."""
    return sum(strike.wait + FAULTS[strike.fault].seconds for strike in strikes)


def _named(plan: Plan) -> Iterator[str]:
    """The faults in turn: each once, or until so many kills have happened as the plan wants."""
    each = sum(FAULTS[name].kills for name in plan.faults)
    rounds = -(-plan.kills // each) if each else 1
    for _ in range(max(rounds, 1)):
        yield from plan.faults


def _drawn(plan: Plan, rnd: random.Random) -> Iterator[str]:
    """Mostly kills; all other faults that one broker can bear in a shuffled order, again and again."""
    others = [name for name, fault in FAULTS.items() if fault.nodes == 1 and name not in SINGLES]
    bag: list[str] = []
    kills = number = 0
    while kills < plan.kills:
        number += 1
        if number % OTHER_EACH == 0:
            if not bag:
                bag = rnd.sample(others, len(others))
            yield bag.pop()
            continue
        left = plan.kills - kills
        name = "burst" if left >= FAULTS["burst"].kills and rnd.random() < BURST_SHARE else "kill"
        kills += FAULTS[name].kills
        yield name
