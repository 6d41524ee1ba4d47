"""The engine's chain dies at points of every kind and nothing shows; with a rule out, or the oracle's log changed, something does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from shared.contract.commands import SendMessage
from shared.engine.fold.rules import Rule
from tests.chaos.crash_points import chain, engine, scenario
from tests.chaos.crash_points.inputs import to_send
from tests.chaos.crash_points.points import Point
from tests.chaos.crash_points.results import Result, pairs, sampled

PER_KIND = 2
PAIRS = 5


def test_the_scenario_reaches_every_channel_by_the_rules_a_shop_starts_with() -> None:
    commands = chain.observed(engine.judge().quiet.world).commands
    messages = [command for command in commands or () if isinstance(command, SendMessage)]

    assert sum(len(day.facts) for day in scenario.days()) == scenario.FACTS
    assert len(messages) >= 20
    assert {message.channel for message in messages} == {"sms", "email", "wecom", "staff_task"}
    assert {message.rule for message in messages} == {rule["id"] for rule in scenario.policy(1).document["rules"]}
    assert len({command.command_id for command in to_send(engine.judge().quiet.world)}) >= 20


def test_a_quiet_run_is_what_the_oracle_says_and_has_points_by_the_thousand() -> None:
    judge = engine.judge()

    assert judge.differences(judge.quiet) == []
    assert len(judge.points) >= 1_000


def test_whatever_kind_of_effect_it_dies_at_nothing_shows() -> None:
    result = Result("engine")
    points = sampled(engine.judge().points, per_kind=PER_KIND, seed=1)
    for crashes in [*({point} for point in points), *pairs(points, PAIRS, seed=1)]:
        died, differences = engine.crashed(frozenset(crashes))
        result.add(crashes, died, differences)

    assert result.lines()[-1].endswith("0 not reached, 0 violations"), "\n".join(result.lines())


def test_what_was_in_flight_may_land_after_the_death() -> None:
    emits = [point for point in engine.judge().points if " emit " in point.kind]

    assert [engine.landed(frozenset({point}))[1] for point in sampled(emits, per_kind=1, seed=2)] == [[]] * 7


@pytest.mark.parametrize(
    ("off", "kind"),
    [
        ({Rule.EMIT_FIRST}, "profile emit profile-updates-v1"),
        ({Rule.EMIT_FIRST}, "trigger_engine emit outreach-commands-v1"),
        ({Rule.COMMIT_LAST, Rule.CHANGELOG_POSITION}, "profile emit profile-updates-v1"),
        ({Rule.COMMIT_LAST, Rule.CHANGELOG_POSITION}, "trigger_engine emit outreach-commands-v1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(sorted(rule.name for rule in value)),
)
def test_without_the_rule_it_shows_within_a_few_points(off: set[Rule], kind: str) -> None:
    points = [point for point in engine.judge().points if point.kind == kind]

    shown = (differences for _, differences in _tried(points[3::5], frozenset(off)) if differences)

    assert list(islice(shown, 1))


def _tried(points: list[Point], off: frozenset[Rule]) -> Iterator[engine.Outcome]:
    return (engine.crashed(frozenset({point}), off=off) for point in points[:5])
