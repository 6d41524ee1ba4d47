"""From what a person typed after `make chaos` to plans; starts nothing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tests.chaos.mutations import MUTATIONS, mutated
from tests.chaos.plan import SPOILED, VICTIMS, Plan, command
from tests.chaos.schedule import brokers, schedule

NAMES = (
    "KILLS",
    "FAULT",
    "MUTATION",
    "HOST",
    "SEED",
    "CUSTOMERS",
    "EVENTS",
    "EVERY",
    "VICTIMS",
    "SPOILED",
    "LONG",
    "MERGES",
)
HOSTS = ("", "kafka", "faust")


def plans(environment: Mapping[str, str]) -> list[Plan]:
    """One plan, or one per mutation; ValueError names what is wrong."""
    wishes = {name: environment.get(name, "").strip() for name in NAMES}
    host = wishes["HOST"]
    if host not in HOSTS:
        raise ValueError(f"HOST: {host!r} is unknown; say kafka or faust")
    names = _list(wishes["MUTATION"])
    every = list(MUTATIONS) if names == ["all"] else names
    found = [_plan(wishes | {"MUTATION": name}, mutated(name)) for name in every] or [_plan(wishes, Plan())]
    told = {"HUITOU_HOST": host} if host else {}
    return [msgspec.structs.replace(plan, env={**plan.env, **told}) for plan in found]


def _plan(wishes: Mapping[str, str], base: Plan) -> Plan:
    """The wishes on top of a base."""
    victims = tuple(_list(wishes["VICTIMS"]))
    unknown = [name for name in victims if name not in VICTIMS]
    if unknown:
        raise ValueError(f"VICTIMS: {', '.join(unknown)} unknown; there are {', '.join(VICTIMS)}")
    try:
        numbers = {
            field: kind(wishes[name])
            for name, field, kind in (
                ("KILLS", "kills", int),
                ("SEED", "seed", int),
                ("CUSTOMERS", "customers", int),
                ("EVENTS", "events", int),
                ("EVERY", "every", float),
            )
            if wishes[name]
        }
    except ValueError as error:
        raise ValueError(f"KILLS, SEED, CUSTOMERS, EVENTS or EVERY: {error}") from None
    plan = msgspec.structs.replace(base, **numbers, reproduce=command(wishes))
    faults = tuple(_list(wishes["FAULT"])) or plan.faults
    if wishes["FAULT"]:
        kills = plan.kills if wishes["KILLS"] else 0
        plan = msgspec.structs.replace(plan, name=base.name if base.mutation else "named", kills=kills)
    plan = msgspec.structs.replace(
        plan,
        faults=faults,
        victims=victims or plan.victims,
        long=bool(wishes["LONG"]) or plan.long,
        merges=bool(wishes["MERGES"]) or plan.merges,
        spoiled=SPOILED if wishes["SPOILED"] else plan.spoiled,
    )
    schedule(plan)
    return msgspec.structs.replace(plan, nodes=brokers(plan))


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
