"""What is known when a fact is taken, and what comes of it: shared by the rules of every behaviour."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from services.profile import orders
from services.profile.state import State
from shared.contract.bundles import Cause, Happened
from shared.contract.facts import Fact

MOST: Final = 10**14
"""Largest amount either way, minor units: so the sums of a whole state stay within 64 bits."""
LATEST: Final = 2**53
"""Above every instant, as told or clamped, and every version."""
PASSED_ON: Final = ("birthday", "guide", "zone", "level")
"""Traits that later hops see."""

_json = msgspec.json.Encoder(order="sorted").encode


class Where(NamedTuple):
    """The circumstances of a fact."""

    alias: str
    """Customer id under which it came."""
    at: int
    """Its own time, clamped."""
    open_limit: int = orders.OPEN_LIMIT
    now: int = 0
    """Logical now of the customer before the fact."""
    tolerance: int = 0
    """Milliseconds that a source's clock may run ahead."""
    forwarded: str = ""
    """The id under which it came, where that is not the customer's own."""
    behaviour: int = 1
    """By which it is decided (rule 14)."""


class Taken(NamedTuple):
    """A fact that was no duplicate."""

    state: State
    happened: Happened | None = None
    """None: nothing is sent on."""
    cause: Cause = "event"


def happened(fact: Fact, where: Where, **more: Any) -> Happened:
    """What later hops hear of it."""
    return Happened(
        what=str(fact.__struct_config__.tag),
        id=fact.id,
        at=where.at,
        silent=fact.mode == "import",
        baseline=fact.baseline,
        confirmed=fact.confirmed,
        alias=where.forwarded,
        **more,
    )


def trait_text(name: str, value: Any) -> str:
    """As it is kept: what is passed on as the text that it is, else empty; all others as JSON."""
    if name in PASSED_ON:
        return value if isinstance(value, str) else ""
    return _json(value).decode()  # msgpack has no room for every number that JSON can write


def placed(names: tuple[str, ...], name: str) -> tuple[tuple[str, ...], int]:
    """The names with this one, and its place among them."""
    if name in names:
        return names, names.index(name)
    return (*names, name), len(names)


def bounded(most: int, **fields: int) -> None:
    """ValueError names a field beyond ±`most`."""
    for name, value in fields.items():
        if not -most <= value <= most:
            raise ValueError(f"{name}: {value} is beyond what can be kept, ±{most}")
