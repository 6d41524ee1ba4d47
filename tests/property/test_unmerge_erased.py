"""Erasure of people with several ids: a later unlink, and a link after it, bring back nothing of what was erased; HUITOU_HISTORIES says how many."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import msgspec
import pytest

from services.profile import fold, orders, parts
from services.profile.state import State
from shared.contract.facts import CustomerErased
from shared.contract.identity import Unlinked
from shared.shop import DAY
from tests.support.linked.batch import Told, people
from tests.support.linked.chain import Chain
from tests.support.linked.compared import holder_of
from tests.support.linked.history import T0, history, live

HISTORIES = int(os.environ.get("HUITOU_HISTORIES", "40"))
ERASED_AT = T0 + 21 * DAY
"""Above every fact of a history."""


@pytest.mark.timeout(60 + HISTORIES)
def test_what_was_erased_of_the_whole_comes_back_to_no_id_that_is_split_off() -> None:
    assert [line for seed in range(HISTORIES) for line in _remains(seed)] == []


def test_parts_that_are_not_erased_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "forgotten", lambda kept, *_, **__: kept)
    assert any(line for seed in range(20) for line in _remains(seed))


def test_an_id_under_which_nothing_came_is_erased_too() -> None:
    state = State(now=9, erased=5)
    kept, given = parts.without(state, {"a1"}, open_limit=10)
    assert (kept, given) == (state, State(now=9, erased=5))


def _remains(seed: int) -> Iterator[str]:
    """Everybody erased under one id, some ids split off, the whole past told once more, half of them linked again."""
    rnd = random.Random(f"erased {seed}")
    told, chain = history(rnd).told, Chain()
    roots = people(one.ids for one in told)
    leaves = sorted(name for name, held in roots.items() if name != held)
    again = [Told(one.fact, (rnd.choice(one.ids),)) for one in told]
    erasures = [
        Told(CustomerErased(id=f"x/{root}", at=ERASED_AT), (rnd.choice([n for n in roots if roots[n] == root]),))
        for root in sorted(set(roots.values()))
    ]
    lines: list[Told | Unlinked] = [*told, *erasures]
    if rnd.random() < 0.5:  # the past goes on arriving before the split, and names all its ids
        lines += rnd.sample(told, len(told) // 2)
    live([*lines, *(Unlinked(name) for name in rnd.sample(leaves, min(len(leaves), 2)))], rnd, chain, lag=True)
    yield from (f"seed {seed}: {line}" for line in _kept(chain, roots))
    live([*again, *rnd.sample(told, len(told) // 2)], rnd, chain, lag=True)
    yield from (f"seed {seed}: told again: {line}" for line in _kept(chain, roots))


def _kept(chain: Chain, roots: dict[str, str]) -> Iterator[str]:
    """What is left of the past; contacts count by the instant of their step, which a tick may have taken above the erasure."""
    for name in sorted(roots):
        if holder_of(chain, name) != name:
            continue
        state = chain.entry(0, name).state
        known = [state, *(msgspec.msgpack.decode(part, type=State) for part in state.parts.values())]
        if any(orders.entries(one.orders) or one.traits or one.others or one.consents for one in known):
            yield f"{name[:4]}: the erased past is back"
        if any(one.erased < ERASED_AT for one in known):
            yield f"{name[:4]}: erased up to {min(one.erased for one in known)} only"
        if chain.entry(2, name).state.facts.orders:
            yield f"{name[:4]}: the trigger engine knows orders"
