"""The command of this build that the comparison asks: seconds per fold, and every event a step."""

from __future__ import annotations

from services.rehearsal.pipeline import broadcast
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.language.policy_file import read_policy_file
from tests.bench import workload
from tests.bench.__main__ import MORNING, POLICY
from tests.bench.in_process import PER_REQUEST, PER_SECOND
from tests.bench.repeat import Repetition


async def test_a_repetition_gives_the_seconds_of_intake_and_every_fold_and_counts_steps() -> None:
    chain = Repetition(MORNING)
    standing = [
        *broadcast(PolicyPublished(1, read_policy_file(POLICY))),
        *broadcast(Tick(MORNING, scenario=True)),
    ]
    members = [one for number in range(50) for one in workload.introduction(number, MORNING, reachable=True)]
    await chain.turn(workload.bodies(members, PER_REQUEST), standing)
    day = workload.bodies(workload.day("day", 600, MORNING, per_second=PER_SECOND, members=50), PER_REQUEST)

    first, second = await chain.turn(day[:2]), await chain.turn(day[2:])

    assert (first.steps, second.steps) == ([200], [400])
    assert set(second.seconds) == {"intake", "profile", "segmenter", "trigger_engine"}
    assert all(spent > 0 for spent in second.seconds.values())
