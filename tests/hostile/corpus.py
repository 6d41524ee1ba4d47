"""The hostile corpus: requests with what must become of them. Knows paths, bodies and expectations; sends nothing."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.hostile.bodies import BODIES, BOMBS, ENVELOPES
from tests.hostile.values import FIELDS, GOOD, NO_EVENTS, Parts, segment, typed

TYPED: Final = "/api/v1/events"
BATCH: Final = "/v1/batch"
TRACK: Final = "/v1/track"


class Case(NamedTuple):
    """One request and the events that it offers."""

    name: str
    path: str
    body: bytes
    stored: tuple[str, ...] = ()
    """Ids of the events that must be stored."""
    kept_out: int = 1
    """How many other events it offers; a body that cannot be read offers one. None of them may be stored."""
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = False
    """Sent without its length."""
    currency: str = "CNY"
    """Of the shop that it is sent to."""


EXPONENTS: Final = {"CNY": 2, "KWD": 3, "JPY": 0}
"""The shops that the corpus needs, by currency."""
_MONEY: Final[dict[str, tuple[dict[str, bool], ...]]] = {
    "KWD": ({"1.234": True, '"0.001"': True, "1.2345": False, '"0.0001"': False, "-0.001": False, "1e-4": False},),
    "JPY": ({"100": True, '"0"': True, "1e2": True, "100.5": False, '"0.1"': False, "-1": False},),
}


@functools.cache
def corpus() -> tuple[Case, ...]:
    """Every case. Ids begin with `good` where the event must be stored, with `bad` where it must not."""
    return (*_fields(), *_no_events(), *_odd_but_right(), *_money(), *_refunds(), *_bodies(), *_ids(), *_costly())


def _around(name: str, stem: str, parts: Parts, *, good: bool, currency: str = "CNY") -> Iterator[Case]:
    """The event alone and beside a good neighbour, in both shapes."""
    beside = Parts(currency=f'"{currency}"')
    for shape, make, single, many, key in (
        ("typed", typed, TYPED, TYPED, "events"),
        ("Segment", segment, TRACK, BATCH, "batch"),
    ):
        ids = [f"{'good' if good else 'bad'}-{stem}-{shape}-{number}" for number in (1, 2)]
        neighbour = f"good-{stem}-{shape}-beside"
        kept_out = int(not good)
        alone = make(ids[0], parts)
        yield Case(
            f"{shape}, alone: {name}",
            single,
            alone.encode(),
            tuple(ids[:1]) if good else (),
            kept_out,
            currency=currency,
        )
        both = f'{{"{key}":[{make(neighbour, beside)},{make(ids[1], parts)}]}}'
        stored = (neighbour, ids[1]) if good else (neighbour,)
        yield Case(f"{shape}, in a batch: {name}", many, both.encode(), stored, kept_out, currency=currency)


def _fields() -> Iterator[Case]:
    for number, (name, parts) in enumerate(FIELDS.items()):
        yield from _around(name, f"field{number}", parts, good=False)


def _odd_but_right() -> Iterator[Case]:
    for number, (name, parts) in enumerate(GOOD.items()):
        yield from _around(name, f"odd{number}", parts, good=True)


def _no_events() -> Iterator[Case]:
    for number, text in enumerate(NO_EVENTS):
        for shape, make, path, key in (("typed", typed, TYPED, "events"), ("Segment", segment, BATCH, "batch")):
            neighbour = f"good-none{number}-{shape}"
            body = f'{{"{key}":[{make(neighbour, Parts())},{text}]}}'
            yield Case(f"{shape}, in a batch: {text}", path, body.encode(), (neighbour,))


def _money() -> Iterator[Case]:
    for currency, lists in _MONEY.items():
        for number, (total, good) in enumerate(lists[0].items()):
            parts = Parts(total=total, currency=f'"{currency}"')
            yield from _around(f"{currency} {total}", f"{currency}{number}", parts, good=good, currency=currency)
        yield from _around(f"yuan in a {currency} shop", f"{currency}-yuan", Parts(), good=False, currency=currency)


def _refunds() -> Iterator[Case]:
    for number, (amount, good) in enumerate({"999999": True, "-5": False, "0": True, '"-0.01"': False}.items()):
        name = f"{'good' if good else 'bad'}-refund{number}"
        event = (
            f'{{"type":"order.refunded","id":"{name}","at":"2025-06-30T09:21:33Z","customer":{{"member":"m1"}},'
            f'"refund_id":"r{number}","order_id":"o1","amount":{amount}}}'
        )
        yield Case(f"a refund of {amount}", TYPED, event.encode(), (name,) if good else (), int(not good))


def _bodies() -> Iterator[Case]:
    for path in (TYPED, BATCH, TRACK):
        for name, body in (BODIES | BOMBS).items():
            yield Case(f"{path}: {name}", path, body.content(), (), 1, body.headers, body.chunked)
    for path, names in ENVELOPES.items():
        for name, content in names.items():
            yield Case(f"{path}: {name}", path, content)


def _ids() -> Iterator[Case]:
    """Ids that cannot be one; in Segment's shape only their length is limited."""
    for name in ("", " ", "a b", "a\\n", "é", "x" * 129, "\\u0000"):
        yield Case(f"typed: the id {name[:8]!r}", TYPED, typed(name, Parts()).encode())
    for name in ("x" * 129, "\\u0000", "\\ud800"):
        yield Case(f"Segment: the id {name[:8]!r}", TRACK, segment(name, Parts()).encode())
    first = typed("good-twice", Parts())
    both = f'{{"events":[{first},{typed("good-twice", Parts(total="2"))}]}}'
    yield Case("typed: an id with two contents", TYPED, both.encode(), ("good-twice",))


def _costly() -> Iterator[Case]:
    """Texts that make bad patterns take for ever, and contact data by the thousand: either costs time by its square."""
    for number, text in enumerate(
        ("a" * 31_000 + "@", "%40" * 10_000, "@" + "a." * 15_000, "@a." * 10_000, "1" * 31_000)
    ):
        parts = Parts(more=f',"note":"{text}"')
        yield Case(
            f"Segment, alone: costly text {number}",
            TRACK,
            segment(f"good-costly{number}", parts).encode(),
            (f"good-costly{number}",),
            0,
        )
    people = [f'{{"phone":"138{number:08}","x":"aaaaa"}}' for number in range(20_000)]
    lists = ",".join(f"[{','.join(people[at : at + 500])}]" for at in range(0, len(people), 500))
    body = segment("bad-costly-phones", Parts(more=f',"people":[{lists}]'))
    yield Case("Segment, alone: 20,000 phone numbers", TRACK, body.encode())
