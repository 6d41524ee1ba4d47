"""The parts of `make proof` as data: commands with their environment, and what each of them needs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

PYTEST: Final = ("pytest", "-q", "-n0", "-p", "no:cacheprovider")
Need = Literal["data"]
"""`data`: the shared data set (HUITOU_DATA)."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One command of the proof; it proves its part by ending with 0."""

    name: str
    proves: str
    module: tuple[str, ...]
    """Of Python, with its arguments."""
    env: Mapping[str, str] = {}
    """Added to the environment; what stands there already has the last word."""
    needs: tuple[Need, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """As it is started."""
        return (sys.executable, "-m", *self.module)


PARTS: Final = (
    Part(
        name="kills",
        proves="100 SIGKILLs and every other fault, then the oracle",
        module=("tests.chaos",),
        env={"KILLS": "100"},
    ),
    Part(
        name="mutations",
        proves="each guard of the product taken out turns a run red",
        module=("tests.chaos",),
        env={"MUTATION": "all"},
    ),
    Part(
        name="crash-points",
        proves="a crash at every effect of engine and notifier, and pairs of them",
        module=("tests.chaos.crash_points",),
    ),
    Part(
        name="histories",
        proves="2,000 random histories of hosts on a simulated broker, 1,000 of people whose ids meet",
        module=(*PYTEST, "tests/property"),
        env={"HISTORIES": "2000", "HUITOU_HISTORIES": "1000"},
    ),
    Part(
        name="upgrade",
        proves="a data directory that version 0.1.0's own processes wrote: half a season there, half here, then the oracle",
        module=("tests.upgrade",),
    ),
    Part(
        name="retail",
        proves="the whole of Online Retail: read in four formats alike, imported with the published figures",
        module=(*PYTEST, "tests/e2e/test_online_retail.py", "tests/unit/ingest/imports/test_formats.py"),
        env={"HUITOU_IMPORT_WHOLE": "1"},
        needs=("data",),
    ),
    Part(
        name="sdks",
        proves="four public SDKs, each call and each kind of retry",
        module=(*PYTEST, "tests/sdks"),
        env={"HUITOU_SDKS": "required"},
    ),
    Part(
        name="prometheus",
        proves="Prometheus scrapes a running stack and finds every documented series; a waiting process lives",
        module=(*PYTEST, "tests/prometheus", "tests/integration/test_health.py"),
        env={"HUITOU_PROMETHEUS": "required"},
    ),
    Part(
        name="hostile",
        proves="the hostile corpus with clients that send a byte a second",
        module=("tests.hostile",),
    ),
)


def chosen(names: str) -> tuple[Part, ...]:
    """The parts of this list by comma, all for an empty one; ValueError names what is unknown."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = sorted(set(wanted) - {part.name for part in PARTS})
    if unknown:
        raise ValueError(f"{', '.join(unknown)} unknown; there are {', '.join(part.name for part in PARTS)}")
    return tuple(part for part in PARTS if part.name in wanted or not wanted)
