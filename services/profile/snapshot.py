"""The customer's profile at an instant, and when the window will change it next; knows the state, not the facts."""

from __future__ import annotations

import msgspec

from services.profile import orders
from services.profile.consents import in_force
from services.profile.state import State
from shared.contract.bundles import Profile, ProfileStep
from shared.contract.origin import NEVER


def profile_at(state: State, instant: int, window: int, *, key: str) -> Profile:
    """The absolute profile of the customer `key` at this instant; `window` in ms."""
    count, total = _inside(state, orders.EVER)
    first, last = orders.first(state.orders), orders.last(state.orders)
    window_orders, window_amount = _inside(state, instant - window)
    return Profile(
        orders=count,
        total=total,
        first_order_at=first.at if first else None,
        last_order_at=last.at if last else None,
        first_order_id=first.id if first else "",
        last_order_id=last.id if last else "",
        window_orders=window_orders,
        window_amount=window_amount,
        consents=in_force(state) if state.refused else state.consents,
        contacts={field: contact.alias for field, contact in state.contacts.items()},
        messages=state.messages,
        ids=tuple(sorted(alias for alias in state.aliases if alias != key)),
        erased=state.erased,
        tags=tuple(sorted(name for name, tag in state.tags.items() if tag.on)),
        **{name: trait.value for name, trait in state.traits.items()},
    )


def next_exit(state: State, after: int, window: int) -> int:
    """The first instant above `after` at which something leaves the window; NEVER if nothing is inside."""
    order = orders.earliest(state.orders, after - window)
    refund = orders.earliest(state.returns, after - window)
    if refund is not None and (order is None or refund < order):
        return refund + window
    return NEVER if order is None else order + window


def exits(state: State, until: int, window: int, *, key: str) -> list[ProfileStep]:
    """A step for each instant above `state.now` and not above `until` at which something leaves the window."""
    due = next_exit(state, state.now, window)
    if due > until:
        return []
    steps, profile = [], profile_at(state, due, window, key=key)
    while due <= until:
        count, amount = _inside(state, due - window)
        profile = msgspec.structs.replace(profile, window_orders=count, window_amount=amount)
        steps.append(ProfileStep(at=due, cause="time", profile=profile))
        due = next_exit(state, due, window)
    return steps


def _inside(state: State, after: int) -> tuple[int, int]:
    """Orders above the instant `after`, and the amount above it."""
    count, amount = orders.inside(state.orders, after)
    return count, amount + orders.inside(state.returns, after)[1]
