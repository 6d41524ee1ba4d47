"""Rules 2 to 10 on the host's real code over a simulated broker: random traffic, crashes, zombies, rebalances and refusals.

Every history comes from its seed: `SEED=123 .venv/bin/python -m tests.support.simulated` runs one again. `make proof PROOF=histories` is the long form.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from shared.engine.fold.rules import Rule
from tests.support.simulated.history import KINDS, run

HISTORIES = int(os.environ.get("HISTORIES", "60"))
TRIES = 150
RARE = {Rule.EPOCH_CLOSE: 90, Rule.HIGHEST_COUNTER: 35}
"""Rule → a seed shortly before the first that shows it: few histories do."""
AGAIN = "SEED={} .venv/bin/python -m tests.support.simulated"


@pytest.mark.timeout(60 + HISTORIES)
def test_whatever_happens_every_hop_is_the_fold_of_its_log_and_its_outputs_take_effect_once() -> None:
    struck: Counter[str] = Counter()
    failing = {}
    for seed in range(HISTORIES):
        outcome = run(seed)
        struck.update(outcome.faults)
        if outcome.wrong:
            failing[AGAIN.format(seed)] = outcome.wrong

    assert failing == {}
    assert {kind for kind in (*KINDS, "zombie") if struck[kind] < HISTORIES // 10} == set(), struck


@pytest.mark.parametrize(
    ("off", "faults"),
    [
        ({Rule.FENCE}, {"kill"}),
        ({Rule.FENCE}, {"freeze"}),
        ({Rule.EMIT_FIRST}, {"kill"}),
        ({Rule.PARTITION_VALUES_LAST}, {"kill"}),
        ({Rule.COMMIT_LAST, Rule.CHANGELOG_POSITION}, {"kill"}),
        ({Rule.ONE_IN_FLIGHT}, {"refuse"}),
        ({Rule.MARKS}, {"kill"}),
        ({Rule.FRAGMENT_PLACE}, {"kill"}),
        ({Rule.DIE_ON_FAILURE}, {"refuse"}),
        ({Rule.RECOVER_WHOLE}, {"leave"}),
        ({Rule.EPOCH_CLOSE}, {"kill"}),
        ({Rule.POISON}, set()),
        ({Rule.PUT_AGAIN}, {"freeze", "compact"}),
        ({Rule.HEARTBEAT_WATCH, Rule.PUT_AGAIN}, {"freeze", "compact"}),
        ({Rule.HIGHEST_COUNTER}, {"freeze"}),
    ],
    ids=lambda names: "+".join(sorted(getattr(name, "name", name) for name in names)) or "no fault",
)
def test_without_the_rule_some_history_shows(off: set[Rule], faults: set[str]) -> None:
    begin = max((RARE.get(rule, 0) for rule in off), default=0)
    assert any(run(seed, frozenset(off), faults=frozenset(faults)).wrong for seed in range(begin, begin + TRIES))


@pytest.mark.parametrize("rule", [Rule.COMMIT_LAST, Rule.CHANGELOG_POSITION], ids=lambda rule: rule.name)
def test_either_of_the_two_layers_of_the_position_suffices(rule: Rule) -> None:
    assert [seed for seed in range(30) if run(seed, frozenset({rule})).wrong] == []


def test_what_a_zombie_wrote_last_does_not_survive_a_compaction() -> None:
    assert [seed for seed in range(60) if run(seed, faults=frozenset({"freeze", "compact"})).wrong] == []


def test_a_seed_tells_the_whole_history_in_every_process() -> None:
    here = run(5)
    there = {
        subprocess.run(
            [sys.executable, "-m", "tests.support.simulated"],
            env={**os.environ, "SEED": "5", "PYTHONHASHSEED": number},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()[-2]
        for number in ("1", "2")
    }

    assert there == {f"faults {here.faults}, requests {here.requests}, digest {here.digest:08x}"}
