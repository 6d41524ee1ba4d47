"""Upstream and the segmenter's definitions, written another way: naive, from all facts at once."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from services.segmenter.rfm import grid
from shared.contract.broadcasts import Cuts, CutsPublished
from shared.contract.bundles import Happened, Profile, ProfileStep, Segments
from shared.instants import parse_zone
from shared.shop import DAY, Bounds, Shop
from tests.unit.segmenter.rig import Shard

START = 19_000 * DAY
WINDOW = 100
EPOCH = 7 * DAY
SHOPS = (
    Shop(zone="Europe/London", window_days=WINDOW),
    Shop(window_days=WINDOW, high=3, bounds=Bounds(new=10, silent=20, warning_until=45, churned=40, loyal=15)),
)


class Fact(msgspec.Struct, frozen=True, order=True):
    """A purchase, or with a negative amount a refund that names no order."""

    at: int
    amount: int


# --- what upstream says, naively


def profile_at(known: list[Fact], at: int) -> Profile:
    bought = sorted(fact.at for fact in known if fact.amount > 0)
    inside = [fact for fact in known if fact.at > at - WINDOW * DAY]
    return Profile(
        orders=len(bought),
        total=sum(fact.amount for fact in known),
        first_order_at=bought[0] if bought else None,
        last_order_at=bought[-1] if bought else None,
        window_orders=sum(fact.amount > 0 for fact in inside),
        window_amount=sum(fact.amount for fact in inside),
    )


def timeline(history: list[Fact], horizon: int) -> list[ProfileStep]:
    """Facts and departures from the window, in the order of their instants; a departure stands after a fact."""
    steps: list[ProfileStep] = []
    known: list[Fact] = []

    def departures(above: int, until: int) -> None:
        leaving = sorted({fact.at + WINDOW * DAY for fact in known})
        steps.extend(
            ProfileStep(at=at, cause="time", profile=profile_at(known, at)) for at in leaving if above < at <= until
        )

    now = 0
    for number, fact in enumerate(fact for fact in history if fact.at <= horizon):
        departures(now, fact.at - 1)
        known.append(fact)
        cause: Any = "event" if fact.amount > 0 else "correction"
        event = Happened(what="order.placed" if fact.amount > 0 else "order.refunded", id=f"e{number}", at=fact.at)
        steps.append(ProfileStep(at=fact.at, cause=cause, profile=profile_at(known, fact.at), happened=(event,)))
        departures(max(now, fact.at - 1), fact.at)
        now = fact.at
    departures(now, horizon)
    return steps


def live(shop: Shop, history: list[Fact], ticks: list[int], published: list[CutsPublished]) -> Shard:
    """One customer, lived: facts as they happen, ticks and cuts behind them; the last tick is the end."""
    host, waiting = Shard(shop, epoch_ms=EPOCH), timeline(history, max(ticks))
    broadcasts = {cuts.epoch: cuts for cuts in published}
    for tick in sorted({*ticks, *broadcasts}):
        while waiting and any(step.cause != "time" and step.at <= tick for step in waiting):
            first = next(n for n, step in enumerate(waiting) if step.cause != "time")
            host.feed("c", *waiting[: first + 1], as_of=waiting[first].at)
            waiting = waiting[first + 1 :]
        left = [step for step in waiting if step.at <= tick]
        if left:
            host.feed("c", *left, as_of=tick)
            waiting = waiting[len(left) :]
        host.tick(tick)
        if tick in broadcasts:
            host.cuts(broadcasts[tick])
    return host


# --- where a customer stands, naively


def standing(shop: Shop, profile: Profile, at: int, cuts: Cuts | None) -> tuple[str, bool, tuple[int, int, int], str]:
    first, last, bounds = profile.first_order_at, profile.last_order_at, shop.bounds
    if first is None or last is None:
        return "none", False, (0, 0, 0), "none"
    held = {
        "churned": at > last + bounds.churned * DAY,
        "silent": at > last + bounds.silent * DAY,
        "new": at <= first + bounds.new * DAY,
        "loyal": at >= first + bounds.loyal * DAY,
        "active": True,
    }
    stage = next(name for name, holds in held.items() if holds)
    warned = last + bounds.silent * DAY < at <= last + bounds.warning_until * DAY
    scores, name = rated(shop, profile, last, cuts)
    return stage, warned, scores, name


def rated(shop: Shop, profile: Profile, last: int, cuts: Cuts | None) -> tuple[tuple[int, int, int], str]:
    if cuts is None:
        return (0, 0, 0), "none"
    if profile.window_orders == 0:
        return (0, 0, 0), "unclassified"
    day = np.datetime64(last, "ms").astype(object).replace(tzinfo=parse_zone("UTC")).astimezone(parse_zone(shop.zone))
    today = day.toordinal() - 719_163
    r = 5 - sum(cut > today for cut in cuts.recency)
    f = 1 + sum(cut < profile.window_orders for cut in cuts.frequency)
    m = 1 + sum(cut < grid(profile.window_amount) for cut in cuts.monetary)
    kinds = {(True, True): "value", (True, False): "develop", (False, True): "keep", (False, False): "winback"}
    worth = "important" if m >= shop.high else "general"
    return (r, f, m), f"{worth}_{kinds[r >= shop.high, f >= shop.high]}"


def seen(segments: Segments) -> tuple[str, bool, tuple[int, int, int], str]:
    return segments.lifecycle, segments.sleep_warning, (segments.r, segments.f, segments.m), segments.rfm
