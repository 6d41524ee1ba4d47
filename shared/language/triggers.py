"""Trigger kinds: what raises a candidate, and the places of a customer that a trigger may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta

from shared.contract.bundles import Cause
from shared.language.values import Days, Hours, LocalTime, Positive, Strict

_MOVES: Final = ("value", "develop", "keep", "winback")
_CLASSES: Final = frozenset(f"{worth}_{move}" for worth in ("important", "general") for move in _MOVES)
PLACES: Final[Mapping[str, frozenset[str]]] = {
    "lifecycle": frozenset({"none", "new", "active", "silent", "churned", "loyal"}),
    "sleep_warning": frozenset({"yes", "no"}),
    "rfm": _CLASSES | {"unclassified", "none"},
}
"""Dimension → the places that a customer may enter."""
CAUSES: Final = tuple(cause for cause in get_args(Cause) if cause != "resync")
"""The causes that an `enters` trigger may listen to."""
_WITHOUT_PURCHASE: Final = frozenset({("lifecycle", "silent"), ("lifecycle", "churned"), ("sleep_warning", "yes")})


class SinceLastOrder(Strict, frozen=True, tag_field="on", tag="since_last_order"):
    """More than `days` × 24 h have passed since the latest purchase."""

    days: Days


class Enters(Strict, frozen=True, tag_field="on", tag="enters"):
    """The customer's `dimension` becomes `to`, for one of `causes`."""

    dimension: Literal["lifecycle", "sleep_warning", "rfm"]
    to: str
    causes: tuple[str, ...] = ("event", "time", "correction")


class Birthday(Strict, frozen=True, tag_field="on", tag="birthday"):
    """The customer's birthday at `at` local time, `days_before` days earlier."""

    at: LocalTime = "09:30"
    days_before: Annotated[int, Meta(ge=0, le=60)] = 0


class Browsed(Strict, frozen=True, tag_field="on", tag="browsed"):
    """A product was visible for more than `minutes` within 24 h, and no order followed within `wait_hours`."""

    minutes: Positive = 5
    wait_hours: Hours = 24


class Ordered(Strict, frozen=True, tag_field="on", tag="ordered"):
    """An order was placed; with `nth`, only the customer's n-th order of all time."""

    nth: Positive | None = None


When = SinceLastOrder | Enters | Birthday | Browsed | Ordered


def means_not_bought(when: When) -> bool:
    """True if the trigger stands for "the customer has not bought": its rule may wait for sources that report late."""
    if isinstance(when, Enters):
        return (when.dimension, when.to) in _WITHOUT_PURCHASE
    return isinstance(when, SinceLastOrder | Browsed)
