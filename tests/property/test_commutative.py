"""Behaviour 4: contradictory reports have one answer, whatever order they come in, under whatever ids, however these are linked."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from services.profile import ranks
from services.profile.fold import ProfileFold
from services.profile.orders import entries
from services.profile.snapshot import profile_at
from services.profile.state import State
from shared.contract.bundles import Consent, Profile
from shared.contract.facts import (
    ConsentSet,
    CustomerFact,
    Line,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    TagsSet,
    TraitsSet,
)
from shared.contract.origin import NOWHERE
from shared.engine.fold.fold import Context
from shared.ids import hash64
from shared.shop import DAY, Shop

HISTORIES = int(os.environ.get("HUITOU_HISTORIES", "50"))
ORDERS = 8
"""In which every history is told."""
T = 1_735_689_600_000
CLOCK = T + 9 * DAY
"""Above every instant, so a contact's instant is the same for all."""
IDS = ("a1", "b2", "c3")
FOLD = ProfileFold(Shop(zone="UTC"), scenario=False, open_limit=2)
"""Most orders are packed."""


class Told(NamedTuple):
    alias: str
    fact: CustomerFact


def test_in_every_order_of_arrival_and_of_linking_the_answer_is_that_of_the_highest_ranks() -> None:
    """V1–V3, V5–V7."""
    assert [line for seed in range(HISTORIES) for line in _failures(seed)] == []


def test_below_behaviour_4_the_order_decides() -> None:
    assert any(_failures(seed, behaviour=3) for seed in range(20))


@pytest.mark.parametrize("name", ["trait_above", "tag_above", "contact_above"])
def test_a_rank_that_decides_nothing_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, name, lambda one, other: one.at >= other.at)
    monkeypatch.setattr("services.profile.logic.contact_above", ranks.contact_above)
    assert any(_failures(seed) for seed in range(HISTORIES))


def _failures(seed: int, behaviour: int = 4) -> list[str]:
    rnd = random.Random(seed)
    told = _history(rnd)
    expected = _expected(told)
    found: list[str] = []
    for number in range(ORDERS):
        state = _lived(rnd.sample(told, len(told)), rnd, behaviour)
        profile = _seen(state)
        if profile != expected:
            found.append(f"seed {seed}, order {number}: {_apart(profile, expected)}")
        if state.parts:
            found += _split_off(state, told, behaviour)
    return found


def _history(rnd: random.Random) -> list[Told]:
    """Few ids and few values, so most reports contradict others; no two facts share an event id."""
    facts = [_fact(rnd, number) for number in range(rnd.randrange(3, 12))]
    return [Told(rnd.choice(IDS), fact) for fact in facts]


def _fact(rnd: random.Random, number: int) -> CustomerFact:
    common: dict[str, Any] = {"id": f"e{number}", "at": T + rnd.randrange(4) * DAY}
    contacts = tuple(rnd.sample(("phone", "email"), rnd.randrange(3)))
    match rnd.randrange(10):
        case 0 | 1 | 2:
            return OrderPlaced(
                **common,
                order_id=rnd.choice(("o1", "o2")),
                amount=rnd.choice((700, 1000)),
                currency="CNY",
                version=rnd.choice((1, 1, 2, 3)),
                shop_id=rnd.choice(("", "s1", "s2")),
                lines=(Line("tea", rnd.randrange(1, 3)),),
            )
        case 3 | 4:
            order, amount, version = rnd.choice(("", "o1", "o2")), rnd.choice((0, 75, 90)), rnd.choice((1, 1, 2))
            return OrderRefunded(
                **common,
                refund_id=rnd.choice(("r1", "r2")),
                amount=amount,
                currency="CNY",
                order_id=order,
                version=version,
            )
        case 5:
            return OrderCancelled(**common, order_id=rnd.choice(("o1", "o2")), version=rnd.choice((None, 1, 2)))
        case 6:
            granted, dated = rnd.random() < 0.6, rnd.choice((None, T, T + DAY, T + 2 * DAY))
            return ConsentSet(
                **common, channel="sms", purpose="marketing", granted=granted, granted_at=dated if granted else None
            )
        case _:
            common["contacts"] = contacts  # of a report that does not hold they are not taken
            if rnd.random() < 0.5:
                return TagsSet(
                    **common, add=("vip",) if rnd.random() < 0.5 else (), remove=("vip", "tea")[: rnd.randrange(3)]
                )
            return TraitsSet(
                **common, traits={"zone": rnd.choice(("Asia/Shanghai", "UTC", 7)), "size": rnd.choice((1, "XL"))}
            )


def _context(alias: str, behaviour: int) -> Context:
    return Context("c3", alias, CLOCK, CLOCK, NOWHERE, behaviour=behaviour)


def _lived(told: Sequence[Told], rnd: random.Random, behaviour: int) -> State:
    """Each id by itself until it is linked with c3, later under c3; the links come at random places."""
    states = {name: State() for name in IDS}
    apart, strong = set(IDS[:-1]), IDS[-1]
    for one in told:
        if apart and rnd.random() < 0.2:
            _link(states, name := rnd.choice(sorted(apart)), behaviour)
            apart.remove(name)
        holder = one.alias if one.alias in apart else strong
        where = _context("", behaviour) if holder == one.alias else _context(one.alias, behaviour)
        key = Context(holder, where.alias, CLOCK, CLOCK, NOWHERE, behaviour=behaviour)
        outcome = FOLD.on_record(states[holder], one.fact, key)
        states[holder] = states[holder] if outcome is None else outcome.state
    for name in rnd.sample(sorted(apart), len(apart)):
        _link(states, name, behaviour)
    return states[strong]


def _link(states: dict[str, State], name: str, behaviour: int) -> None:
    states[name], fragment = FOLD.surrender(states[name])
    states["c3"] = FOLD.absorb(states["c3"], fragment, _context(name, behaviour)).state


def _split_off(state: State, told: Sequence[Told], behaviour: int) -> list[str]:
    kept, body = FOLD.split(state, frozenset({"a1"}), None, _context("", behaviour))
    given = FOLD.absorb(State(), body, Context("a1", "", CLOCK, CLOCK, NOWHERE, behaviour=behaviour)).state
    wanted = [one for one in told if one.alias == "a1"], [one for one in told if one.alias != "a1"]
    pairs = zip((given, kept), wanted, strict=True)
    return [f"split: {_apart(_seen(one), _expected(facts))}" for one, facts in pairs if _seen(one) != _expected(facts)]


class Answer(NamedTuple):
    orders: list[tuple[str, int, int, int, str]]
    loose: list[tuple[str, int, int]]
    tags: tuple[str, ...]
    zone: str
    size: str
    consent: Consent | None
    contacts: dict[str, str]


def _seen(state: State) -> Answer:
    profile: Profile = profile_at(state, CLOCK, 400 * DAY, key="c3")
    shops = ("", *state.shops)
    found = [(one.id, one.version, one.at, one.net, shops[one.shop]) for one in entries(state.orders)]
    loose = [(one.id, one.at, one.net) for one in entries(state.returns)]
    size = state.others["size"].value if "size" in state.others else ""
    consent = profile.consents.get("sms/marketing")
    return Answer(sorted(found), sorted(loose), profile.tags, profile.zone, size, consent, profile.contacts)


def _expected(told: Sequence[Told]) -> Answer:
    """By the sentences of docs/semantics.md §2, over the set of all facts."""
    facts = [one.fact for one in told]
    placed = [one for one in facts if isinstance(one, OrderPlaced)]
    cancelled = {
        order: max(_stop(one) for one in facts if _cancels(one, order))
        for order in ("o1", "o2")
        if any(_cancels(one, order) for one in facts)
    }
    back = [one for one in facts if isinstance(one, OrderRefunded)]
    refunds = [
        max((one for one in back if one.refund_id == refund), key=_refund) for refund in {one.refund_id for one in back}
    ]
    found = []
    for order in {one.order_id for one in placed}:
        held = max((one for one in placed if one.order_id == order), key=_order)
        if held.version > cancelled.get(order, -1):
            paid = sum(one.amount for one in refunds if one.order_id == order)
            found.append((order, held.version, held.at, held.amount - paid, held.shop_id))
    loose = [(one.refund_id, one.at, -one.amount) for one in refunds if not one.order_id and one.amount]
    tags = [(name, fact.at, not on) for fact in facts if isinstance(fact, TagsSet) for on, name in _words(fact)]
    last = {name: max(word[1:] for word in tags if word[0] == name) for name, *_ in tags}
    traits = [one for one in facts if isinstance(one, TraitsSet)]
    zone = max(
        ((one.at, one.traits["zone"] if isinstance(one.traits["zone"], str) else "") for one in traits), default=(0, "")
    )
    size = max(((one.at, '"XL"' if one.traits["size"] == "XL" else "1") for one in traits), default=(0, ""))
    contacts = {field: max(one.alias for one in told if field in one.fact.contacts) for field in _fields(facts)}
    return Answer(
        sorted(found),
        sorted(loose),
        tuple(sorted(name for name, (_, off) in last.items() if not off)),
        zone[1],
        size[1],
        _consent(facts),
        contacts,
    )


def _fields(facts: Sequence[CustomerFact]) -> set[str]:
    return {field for one in facts for field in one.contacts}


def _cancels(fact: CustomerFact, order: str) -> bool:
    return isinstance(fact, OrderCancelled) and fact.order_id == order


def _stop(fact: CustomerFact) -> int:
    version = fact.version if isinstance(fact, OrderCancelled) else None
    return 10**9 if version is None else version


def _order(fact: OrderPlaced) -> tuple[Any, ...]:
    return fact.version, -fact.at, fact.amount, fact.shop_id, ranks.content_of(fact)


def _refund(fact: OrderRefunded) -> tuple[Any, ...]:
    names = bool(fact.order_id)
    hashed = hash64(fact.order_id) if names else 0
    return fact.version, fact.amount == 0, names, fact.amount, hashed, 0 if names or not fact.amount else -fact.at


def _words(fact: TagsSet) -> list[tuple[bool, str]]:
    return [(True, name) for name in fact.add] + [(False, name) for name in fact.remove]


def _consent(facts: Sequence[CustomerFact]) -> Consent | None:
    said = [one for one in facts if isinstance(one, ConsentSet)]
    refused = max((one.at for one in said if not one.granted), default=None)
    dated = max((min(one.granted_at, one.at) for one in said if one.granted_at is not None), default=None)
    undated = max((one.at for one in said if one.granted and one.granted_at is None), default=None)
    if dated is not None and (refused is None or dated > refused):
        return Consent(True, dated)
    if refused is not None:
        return Consent(False, refused)
    return None if undated is None else Consent(True, undated)


def _apart(seen: Answer, wanted: Answer) -> str:
    return "; ".join(f"{name}: {a} ≠ {b}" for name, a, b in zip(Answer._fields, seen, wanted, strict=True) if a != b)
