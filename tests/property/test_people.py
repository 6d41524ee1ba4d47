"""Identity: whatever the order of arrival, split over partitions, lag and duplicates, the same people, orders, consents and totals.

HUITOU_HISTORIES=10000 is the long form.
"""

from __future__ import annotations

import os
import random

import pytest

from shared.engine.fold.rules import ALL_ON, Off, Rule
from tests.support.linked.batch import people
from tests.support.linked.chain import Chain
from tests.support.linked.compared import compared, holder_of
from tests.support.linked.history import conflicts_told, history, live

HISTORIES = int(os.environ.get("HUITOU_HISTORIES", "150"))
TRIES = 150


@pytest.mark.timeout(60 + HISTORIES)
def test_any_order_any_split_and_any_duplicates_give_what_the_batch_gives() -> None:
    assert {seed: wrong for seed in range(HISTORIES) if (wrong := _differences(seed))} == {}


@pytest.mark.timeout(60 + HISTORIES)
def test_two_members_never_merge_and_log_order_says_to_whom_the_rest_belongs() -> None:
    found = {seed: _conflicting(seed) for seed in range(HISTORIES // 3)}

    assert {seed: wrong for seed, (wrong, _) in found.items() if wrong} == {}
    assert sum(conflicts for _, conflicts in found.values()) > 0


@pytest.mark.parametrize("rule", [Rule.FRAGMENT_PLACE, Rule.FENCE], ids=lambda rule: rule.name)
def test_without_the_rule_some_history_shows(rule: Rule) -> None:
    assert any(_differences(seed, frozenset({rule}), twice=True) for seed in range(TRIES))


def test_without_the_link_nobody_is_whole() -> None:
    assert any(_differences(seed, links=False) for seed in range(20))


def _differences(seed: int, off: Off = ALL_ON, *, links: bool = True, twice: bool = False) -> list[str]:
    rnd = random.Random(f"people {seed}")
    told, chain = history(rnd), Chain(off)
    if twice:
        chain.repeats = random.Random(seed)
    live(told.told, rnd, chain, links=links, lag=True)
    holder = people(one.ids for one in told.told)
    return list(compared(chain, told.told, holder))


def _conflicting(seed: int) -> tuple[list[str], int]:
    """With conflicts: people as the log's order made them, each with what came under their ids."""
    rnd = random.Random(f"conflicts {seed}")
    told, chain = history(rnd, conflicts=True), Chain()
    live(told.told, rnd, chain, lag=True)
    names = {name for one in told.told for name in one.ids}
    holder = {name: holder_of(chain, name) for name in names}
    wrong = [f"{name} became {held}" for name, held in holder.items() if name.startswith("g") and held != name]
    wrong += list(compared(chain, told.told, holder))
    would = people(one.ids for one in told.told)
    members = {name for name in names if name.startswith("g")}
    clash = any(would[one] == would[other] for one in members for other in members if one < other)
    conflicts = conflicts_told(chain)
    wrong += ["no conflict told"] if clash and not conflicts else []
    return wrong, len(conflicts)
