"""Public names stay: the golden list holds all that were ever promised, and none is lost without a word in the changelog."""

from __future__ import annotations

import msgspec

from tests.contract.public_names import GOLDEN, names

RETIRED = {
    # 0.2: guards are taken out by worker entry points under tests/ alone.
    "environment": {"HUITOU_GATES_OFF", "HUITOU_GUARDS_OFF", "HUITOU_NAIVE_SEND", "HUITOU_RULES_OFF"},
}
"""Kind → names that a version took back, with the version."""


def lost(promised: dict[str, list[str]], there: dict[str, list[str]]) -> dict[str, set[str]]:
    """Kind → names promised that the code has no more."""
    gone = {kind: set(each) - set(there[kind]) - RETIRED.get(kind, set()) for kind, each in promised.items()}
    return {kind: each for kind, each in gone.items() if each}


def _promised() -> dict[str, list[str]]:
    return msgspec.json.decode(GOLDEN.read_bytes(), type=dict[str, list[str]])


def test_no_public_name_is_lost() -> None:
    assert lost(_promised(), names()) == {}


def test_every_public_name_is_on_the_golden_list() -> None:
    """`python -m tests.contract.public_names > tests/contract/public_names.json` after an addition."""
    assert lost(names(), _promised()) == {}


def test_a_lost_name_is_seen() -> None:
    promised = names()
    without = promised | {"topics": promised["topics"][1:], "tables": promised["tables"][:-1]}
    assert lost(promised, without) == {"topics": {promised["topics"][0]}, "tables": {promised["tables"][-1]}}


def test_each_kind_has_names() -> None:
    assert {kind for kind, each in names().items() if len(each) < 10} == set()
