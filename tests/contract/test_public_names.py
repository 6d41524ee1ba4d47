"""Public names stay: the golden list holds all that were ever promised, and none is lost without a word in the changelog."""

from __future__ import annotations

from tests.contract.public_names import names, promised

RETIRED = {
    # 0.2: guards are taken out by worker entry points under tests/ alone.
    "environment": {"HUITOU_GATES_OFF", "HUITOU_GUARDS_OFF", "HUITOU_NAIVE_SEND", "HUITOU_RULES_OFF"},
}
"""Kind → names that a version took back, with the version."""


def lost(ever: dict[str, list[str]], there: dict[str, list[str]]) -> dict[str, set[str]]:
    """Kind → names promised that the code has no more."""
    gone = {kind: set(each) - set(there[kind]) - RETIRED.get(kind, set()) for kind, each in ever.items()}
    return {kind: each for kind, each in gone.items() if each}


def test_no_public_name_is_lost() -> None:
    assert lost(promised(), names()) == {}


def test_every_public_name_is_on_the_golden_list() -> None:
    """After an addition the output of `python -m tests.contract.public_names` becomes public_names.json."""
    assert lost(names(), promised()) == {}


def test_a_lost_name_is_seen() -> None:
    now = names()
    without = now | {"topics": now["topics"][1:], "tables": now["tables"][:-1]}
    assert lost(now, without) == {"topics": {now["topics"][0]}, "tables": {now["tables"][-1]}}


def test_each_kind_has_names() -> None:
    assert {kind for kind, each in names().items() if len(each) < 10} == set()
