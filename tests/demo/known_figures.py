"""A running stack's answers for the Online Retail file, beside the published figures."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from deploy.demo import retail
from deploy.stack.stack import Stack
from shared.contract.broadcasts import CutsPublished
from shared.contract.codec import decode_front
from shared.contract.public_records import SegmentSnapshot
from shared.contract.topics import CUSTOMER_EVENTS, SEGMENTS
from shared.instants import format_instant
from tests.oracle.known_answers import SHOP, KnownCustomer, known_answers, read_invoices
from tests.oracle.reader import read_topic


async def standings(running: Stack, members: list[str]) -> dict[str, KnownCustomer]:
    """Member → what the public snapshot says of him; customers without orders are left out."""
    names = {customer: member for member, customer in retail.customer_ids(running, members).items()}
    found: dict[str, KnownCustomer] = {}
    for record in await read_topic(running.kafka, SEGMENTS.name):
        if record.value is not None:
            one = msgspec.json.decode(record.value, type=SegmentSnapshot)
            known = KnownCustomer(one.orders, one.total, one.segments.rfm, one.segments.lifecycle)
            found[names.get(one.customer, one.customer)] = known
    return {member: one for member, one in found.items() if one.orders}


async def compare(running: Stack, file: Path, *, returns: bool = False) -> dict[str, Any]:
    """The published figures and every customer, expected and got, at 2011-12-10."""
    known = known_answers(read_invoices(file), returns=returns)
    got = await standings(running, sorted(known.people))
    cuts = (await latest_cuts(running)).cuts
    revenue = Decimal(sum(one.total for one in got.values())).scaleb(-SHOP.exponent)
    figures: dict[str, tuple[Any, Any]] = {
        "customers": (known.customers, len(got)),
        "orders": (known.orders, sum(one.orders for one in got.values())),
        "revenue, net": (str(known.revenue), str(revenue)),
        "cut days": (_days(known.cuts.recency), _days(cuts.recency) if cuts else None),
        "cuts F": (list(known.cuts.frequency), list(cuts.frequency) if cuts else None),
        "cuts M": (list(known.cuts.monetary), list(cuts.monetary) if cuts else None),
    }
    for name, expected in sorted(known.classes.items()):
        figures[name] = (expected, sum(one.rfm == name for one in got.values()))
    for name, expected in sorted(known.stages.items()):
        figures[name] = (expected, sum(one.lifecycle == name for one in got.values()))
    wrong = differences(known.people, got)
    wrong |= {name: pair for name, pair in figures.items() if pair[0] != pair[1]}
    return {"customers": known.customers, "figures": figures, "differences": dict(list(wrong.items())[:20])}


def _days(days: tuple[int, ...]) -> list[str]:
    return [format_instant(day * retail.DAY)[:10] for day in days]


async def latest_cuts(running: Stack) -> CutsPublished:
    """The last cuts of the log."""
    found = [
        decode_front(r.value or b"") for r in await read_topic(running.kafka, CUSTOMER_EVENTS.name) if r.key is None
    ]
    return max((one for one in found if isinstance(one, CutsPublished)), key=lambda cuts: cuts.version)


def differences(expected: Mapping[str, Any], got: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name → (expected, got) where they differ."""
    return {
        name: (expected.get(name), got.get(name))
        for name in sorted({*expected, *got})
        if expected.get(name) != got.get(name)
    }
