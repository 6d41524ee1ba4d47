"""Unmerge: an id that is split off gets back exactly what came under it, the others keep the rest, and a later link merges again.

HUITOU_HISTORIES=10000 is the long form.
"""

from __future__ import annotations

import os
import random

import pytest
from msgspec.structs import replace

from services.ingest.link_memory import LinkMemory
from services.profile.fold import ProfileFold
from services.profile.state import State
from shared.contract.identity import Unlinked
from shared.engine.identity import linking
from tests.support.linked.batch import Told, people
from tests.support.linked.chain import Chain
from tests.support.linked.compared import compared, holder_of
from tests.support.linked.history import history, live

HISTORIES = int(os.environ.get("HUITOU_HISTORIES", "90"))


@pytest.mark.timeout(60 + HISTORIES)
def test_a_merge_undone_leaves_everybody_what_came_under_his_ids() -> None:
    assert {seed: wrong for seed in range(HISTORIES) if (wrong := _undone(seed, again=False))} == {}


@pytest.mark.timeout(60 + HISTORIES)
def test_events_go_on_links_come_again_and_everything_still_adds_up() -> None:
    assert {seed: wrong for seed in range(HISTORIES) if (wrong := _undone(seed, again=True))} == {}


@pytest.mark.timeout(60 + HISTORIES)
def test_unlinks_in_the_middle_of_everything_lose_and_double_nothing() -> None:
    assert {seed: wrong for seed in range(HISTORIES) if (wrong := _storm(seed))} == {}


@pytest.mark.timeout(60 + HISTORIES)
def test_ids_named_together_again_become_one_although_ingest_writes_their_link_no_more() -> None:
    assert {seed: wrong for seed in range(HISTORIES) if (wrong := _named_again(seed))} == {}


def test_without_the_engines_own_links_somebody_stays_half_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "named_anew", lambda *_: ())
    assert any(_named_again(seed) for seed in range(20))


def test_parts_that_are_not_kept_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(fold: ProfileFold, state: State, *_: object) -> tuple[State, bytes]:
        return state, fold.surrender(fold.empty())[1]

    monkeypatch.setattr(ProfileFold, "split", careless)
    assert any(_undone(seed, again=False) for seed in range(20))


def _undone(seed: int, *, again: bool) -> list[str]:
    """Everything at rest, one id split off, and with `again` the second half of the events afterwards."""
    rnd = random.Random(f"unmerge {seed}")
    told, chain = history(rnd).told, Chain()
    half = len(told) // 2 if again else len(told)
    merged = people(one.ids for one in told[:half])
    leaves = sorted(name for name, held in merged.items() if name != held)
    before: list[Told | Unlinked] = list(told[:half])
    live([*before, *(Unlinked(name) for name in rnd.sample(leaves, min(len(leaves), 2)))], rnd, chain, lag=True)
    wrong = []
    for name in leaves:
        if holder_of(chain, name) == name:
            wrong += [f"{name[0]}: hop {h} redirects" for h in range(3) if chain.entry(h, name).links.redirect]
    if again:
        live(told[half:], rnd, chain, lag=True)
    holder = {name: holder_of(chain, name) for one in told for name in one.ids}
    return wrong + list(compared(chain, told, holder, kept=not again))


def _named_again(seed: int) -> list[str]:
    """One id split off at rest; then an event names it beside the others, within ingest's memory of their link."""
    rnd = random.Random(f"named again {seed}")
    told, chain, memory = history(rnd).told, Chain(), LinkMemory(lambda: 0.0)
    merged = people(one.ids for one in told)
    leaves = sorted(name for name, held in merged.items() if name != held)
    gone = rnd.sample(leaves, min(len(leaves), 2))
    named = [one for one in told if len(one.ids) > 1 and {*one.ids} & {*gone}]
    again = [Told(replace(one.fact, id=f"{one.fact.id} again"), one.ids) for one in named]
    live([*told, *(Unlinked(name) for name in gone)], rnd, chain, lag=True, memory=memory)
    live(again, rnd, chain, lag=True, memory=memory)
    holder = {name: holder_of(chain, name) for one in told for name in one.ids}
    return list(compared(chain, [*told, *again], holder, kept=True))


def _storm(seed: int) -> list[str]:
    """Unlinks among the events, which go on while the parts travel; whoever holds what in the end, nothing is lost or doubled."""
    rnd = random.Random(f"unmerge storm {seed}")
    told, chain = history(rnd).told, Chain()
    lines: list[Told | Unlinked] = list(told)
    for _ in range(rnd.randint(1, 4)):
        lines.insert(rnd.randint(1, len(lines)), Unlinked(rnd.choice(rnd.choice(told).ids)))
    live(lines, rnd, chain, lag=True)
    holder = {name: holder_of(chain, name) for one in told for name in one.ids}
    return list(compared(chain, told, holder, kept=False))
