"""What runs, in which order: the processes of the product as data; starts nothing."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the product; its name is also its name in logs, tests and docker-compose.yml."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    port: str | None = None
    """Environment variable that names its HTTP port; it is ready when it answers there."""
    once: bool = False
    """Runs to its end before the next one starts."""
    database: bool = False
    """Needs the database's schema."""
    shared: bool = False
    """Several processes may share its work."""
    metrics: bool = True
    """Answers /healthz, /readyz and /metrics at a port of its own."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Another program for a step: `python -m` MODULE ARGUMENTS runs in the place of the step's own."""

    module: str
    arguments: tuple[str, ...] = ()


MIGRATE = "migrate"
CLOCK = "clock"

PLAN: tuple[Step, ...] = (
    Step(name=MIGRATE, module="deploy.migrate", arguments=("upgrade",), once=True, database=True, metrics=False),
    Step(name="sandbox", module="deploy.sandbox", port="HUITOU_SANDBOX_HTTP_PORT", metrics=False),
    Step(name="profile", module="services.profile", shared=True),
    Step(name="segmenter", module="services.segmenter", shared=True),
    Step(name="cuts", module="services.segmenter", arguments=("cuts",)),
    Step(name="trigger-engine", module="services.trigger_engine", shared=True),
    Step(name="notifier", module="services.notifier", database=True, shared=True),
    Step(name="console", module="services.console", port="HUITOU_CONSOLE_PORT", database=True),
    Step(name="ingest", module="services.ingest", arguments=("http",), port="HUITOU_HTTP_PORT"),
    Step(name="importer", module="services.ingest", arguments=("importer",)),
    # Last: time begins to pass when everybody listens.
    Step(name=CLOCK, module="services.ingest", arguments=("clock",)),
)

ALL: tuple[str, ...] = tuple(step.name for step in PLAN)


class PlanError(ValueError):
    """Somebody asked for a service that does not exist."""


def chosen(names: tuple[str, ...]) -> list[Step]:
    """The steps for these services in start order, with the migration where one of them needs the schema."""
    require_known("services", names)
    steps = [step for step in PLAN if step.name in names]
    needed = any(step.database for step in steps)
    return [step for step in PLAN if step in steps or (step.name == MIGRATE and needed)]


def require_known(kind: str, names: Iterable[str]) -> None:
    """PlanError unless each name is one of the plan; the message begins with `kind`."""
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        raise PlanError(f"{kind}: {', '.join(unknown)} unknown; there are {', '.join(ALL)}")


def another(name: str) -> Step:
    """The step of a service of which one more process may run beside the first."""
    step = next((step for step in PLAN if step.name == name), None)
    if step is None or not step.shared:
        shared = ", ".join(step.name for step in PLAN if step.shared)
        raise PlanError(f"services: {name} runs once; several may be of {shared}")
    return step
