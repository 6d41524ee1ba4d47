"""People with several ids: the real folds, partitions lagging, against the oracle, decision by decision; HUITOU_SEEDS says how many."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from services.profile import handover, ranks
from services.profile.state import State
from services.trigger_engine import logic
from services.trigger_engine.arbitration import Here
from services.trigger_engine.state import Candidate, Use
from services.trigger_engine.state import State as TriggerState
from shared.contract import topics
from shared.contract.broadcasts import PolicyPublished
from shared.contract.identity import Unlinked
from shared.contract.public_records import CandidateDecided
from shared.engine.identity import linking
from shared.instants import parse_zone
from shared.language.check import parse_policy
from shared.language.compile import compile_policy
from shared.language.facts import Facts
from shared.shop import DAY
from tests.oracle import outputs
from tests.oracle.checkers import report
from tests.oracle.fold import fold_log
from tests.oracle.reader import LogRecord
from tests.support.linked.batch import Told
from tests.support.linked.chain import HOMES, SHOP, Chain
from tests.support.linked.history import POLICY, contradictory, erased_now_and_then, history, live

SEEDS = range(int(os.environ.get("HUITOU_SEEDS", "40")))


def test_the_services_answer_what_the_oracle_answers() -> None:
    assert list(_disagreements(lag=True)) == []


def test_the_oracle_agrees_where_people_with_several_ids_are_erased() -> None:
    assert list(_disagreements(lag=True, erasures=True)) == []


@pytest.mark.parametrize("erasures", [False, True])
def test_the_oracle_agrees_on_contradictory_reports_before_and_after_behaviour_4(*, erasures: bool) -> None:
    """F9, V1–V7: what came before is decided as it was then, a merge decides the whole person anew."""
    assert [line for seed in SEEDS for line in _contradictions(seed, erasures=erasures)] == []


def test_a_rank_that_only_the_services_have_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks.OrderRank, "above", lambda one, other: one[:3] > other[:3])
    assert any(_contradictions(seed, erasures=False) for seed in SEEDS)


def _contradictions(seed: int, *, erasures: bool) -> list[str]:
    rnd = random.Random(f"contradictory {seed}")
    told, chain = history(rnd).told, Chain()
    first, *later = [(1 + seed % 3, 4), (4, 1), (4,), (3, 4, 2)][seed % 4]
    place = 0 if first == 4 else rnd.randrange(len(told))  # below 4 the answer to contradictions depends on their order
    told = [*told[:place], *contradictory(told[place:], rnd)]
    lines: list[Told | Unlinked | PolicyPublished] = list(told)
    for number, behaviour in enumerate(later, 2):
        at = place or rnd.randrange(len(lines)) if number == 2 else len(lines)
        lines.insert(at, PolicyPublished(number, POLICY | {"version": number, "behaviour": behaviour}))
    lines = erased_now_and_then(lines, rnd) if erasures else lines
    live(lines, rnd, chain, lag=True, policy=POLICY | {"behaviour": first})
    return [f"seed {seed}: {line}" for line in differences(chain)]


def test_an_id_that_comes_with_its_past_to_one_erased_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(state: State, until: int, **_: object) -> State:
        return replace(state, erased=until)

    monkeypatch.setattr(handover, "remaining", kept)
    assert list(_disagreements(lag=True, erasures=True)) != []


def test_an_id_that_comes_to_one_erased_brings_its_ledger_alone() -> None:
    book = compile_policy(parse_policy(POLICY), activated=0, zone=parse_zone("UTC"), exponent=2)
    waits = Candidate("thanks", "o1", 3, until=99)
    other = TriggerState(now=9, waiting=(waits,), served=(7,), uses=(Use(2, "c"),), baseline=4, unconfirmed=True)
    after, said = logic.unite(TriggerState(now=9, facts=Facts(erased=5)), other, Here(book, "g1", 9))
    assert (after.waiting, after.served, after.uses, after.baseline, after.unconfirmed) == ((), (7,), (), 0, False)
    assert [one.reason for one in said if isinstance(one, CandidateDecided)] == ["erased"]
    knew, _ = logic.unite(TriggerState(now=9, facts=Facts(erased=5)), replace(other, erased=5), Here(book, "g1", 9))
    assert (len(knew.waiting), knew.uses, knew.baseline) == (1, other.uses, 4)


def test_a_person_taken_for_whole_too_early_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "whole", lambda *_: True)
    assert any("C decisions" in line for line in _disagreements(lag=True))


def _disagreements(*, lag: bool, erasures: bool = False) -> Iterator[str]:
    for seed in SEEDS:
        rnd = random.Random(f"oracle {seed}")
        told, chain = history(rnd, conflicts=seed % 4 == 3).told, Chain()
        policy = POLICY
        if erasures:
            told, policy = erased_now_and_then(told, rnd), POLICY | {"behaviour": 1 + seed % 3}
        live(told, rnd, chain, lag=lag, policy=policy)
        yield from (f"seed {seed}: {line}" for line in differences(chain))


def differences(chain: Chain) -> Iterator[str]:
    front, *inner = [
        {home: _records(chain, topic, home) for home in HOMES}
        for topic in (topics.CUSTOMER_EVENTS, topics.PROFILE_UPDATES, topics.SEGMENT_UPDATES)
    ]
    answer = fold_log(front, SHOP, epoch_ms=10_000 * DAY, scenario=True, inner=inner)
    end = outputs.chain_end(_all(chain, topics.SEGMENT_UPDATES))
    decisions, _ = outputs.decisions_of(_all(chain, topics.OUTREACH_DECISIONS))
    seen = outputs.Observed(
        profiles=end.profiles,
        segments=end.segments,
        effects=end.effects,
        snapshots=outputs.snapshots_of(_all(chain, topics.SEGMENTS)),
        changes=outputs.changes_of(_all(chain, topics.SEGMENT_CHANGES)),
        commands=outputs.commands_of(_all(chain, topics.OUTREACH_COMMANDS)),
        decisions=decisions,
        dead=outputs.dead_letters_of(_all(chain, topics.DEAD_LETTERS)),
    )
    for check in report(answer, seen).checks:
        if check.failures:
            first = check.examples[0]
            yield f"{check.name}: {first.where}: expected {first.expected}, got {first.got}"


def _records(chain: Chain, topic: topics.Topic, home: int) -> list[LogRecord]:
    return [LogRecord(home, one.offset, one.timestamp, one.key, one.value) for one in chain.log(topic.name, home)]


def _all(chain: Chain, topic: topics.Topic) -> list[LogRecord]:
    partitions = sorted(partition for name, partition in chain.logs if name == topic.name)
    return [record for partition in partitions for record in _records(chain, topic, partition)]
