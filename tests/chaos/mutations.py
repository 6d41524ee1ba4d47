"""Guards of the product that can be taken out, each with the shortest run that notices it; starts nothing.

Some guards stand behind others and are harmless to lose alone; a mutation takes out what must turn something red.
"""

from __future__ import annotations

import msgspec

from shared.engine.fold.rules import Rule
from tests.chaos.plan import Plan
from tests.chaos.run import Run

REST_SECONDS = 45.0
HANGING: dict[str, float] = {"accept_hang": 0.5}
DOUBTFUL: dict[str, float] = {"accept_500": 0.3, "accept_reset": 0.2}
ENGINE = ("profile", "segmenter")


class Mutation(msgspec.Struct, frozen=True):
    """What is taken out of the services, what must be seen of it, and the plan that shows it."""

    off: tuple[str, ...]
    """Words of tests/support/unguarded.py."""
    shows: tuple[str, ...]
    """Beginnings of what turns red; anything else red proves nothing about this guard."""
    plan: Plan


def _short(**more: object) -> Plan:
    return msgspec.structs.replace(Plan(kills=0, customers=250, rest_within=REST_SECONDS, mutation=True), **more)


MUTATIONS: dict[str, Mutation] = {
    "fence": Mutation(
        ("FENCE",),
        ("S ", "C "),
        _short(faults=("lost-answer", "repeat") * 2, events=2_000, victims=ENGINE),
    ),
    "order": Mutation(
        ("EMIT_FIRST",),
        ("D ",),
        _short(faults=("lost-answer",) * 4, events=2_000, victims=ENGINE),
    ),
    "position": Mutation(
        ("COMMIT_LAST", "CHANGELOG_POSITION"),
        ("D ",),
        _short(faults=("lost-answer",) * 4, events=2_000, victims=ENGINE),
    ),
    "ledger": Mutation(("LEDGER",), ("P ",), _short(faults=("lag", "replay"), victims=("segmenter",))),
    "lease": Mutation(
        ("LEASE",), ("P ",), _short(faults=("lag",), victims=("segmenter",), spoiled=HANGING, hang_ms=1_500)
    ),
    "age": Mutation(("import", "age", "expired", "EXPIRY"), ("C ",), _short(faults=("kill",), kills=2)),
    "dead-letters": Mutation(("POISON",), ("no rest",), _short(faults=("poison",), rest_within=15.0)),
    "naive-send": Mutation(
        ("DOUBT",), ("P ",), _short(faults=("lag",), victims=("segmenter",), spoiled=DOUBTFUL)
    ),
}  # fmt: skip


def mutated(name: str) -> Plan:
    """The run for a mutation, or for rules of the engine by their own names (`FENCE,MARKS`)."""
    if name in MUTATIONS:
        mutation = MUTATIONS[name]
        return msgspec.structs.replace(mutation.plan, name=f"without {name}", off=mutation.off)
    unknown = [rule for rule in name.split("+") if rule not in Rule.__members__]
    if unknown:
        known = ", ".join([*MUTATIONS, *Rule.__members__])
        raise ValueError(f"MUTATION: {', '.join(unknown)} unknown; there are {known}")
    plan = MUTATIONS["fence"].plan
    return msgspec.structs.replace(plan, name=f"without {name}", off=tuple(name.split("+")))


def survived(plan: Plan, run: Run) -> bool:
    """Whether nobody noticed what had to be noticed; of single rules, whether nothing turned red."""
    name = plan.name.removeprefix("without ")
    shows = MUTATIONS[name].shows if name in MUTATIONS else ("",)
    return plan.mutation and not any(what.startswith(shows) for what in run.red)
