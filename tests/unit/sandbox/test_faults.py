"""Fault scripts: repeatable, in proportion, refused when they cannot be played."""

from collections import Counter

import pytest

from deploy.sandbox.faults import Player, Script, draw


def test_the_sequence_comes_first_and_then_all_is_well() -> None:
    player = Player()
    player.load("sms", Script(sequence=("accept_hang", "code:isv.X")))

    played = [player.next("sms") for _ in range(3)]

    assert [(fault.behaviour, fault.code) for fault in played] == [("accept_hang", ""), ("ok", "isv.X"), ("ok", "")]


def test_the_same_seed_plays_the_same_mix_in_proportion() -> None:
    script = Script(seed=7, mix={"throttle": 0.2, "accept_reset": 0.1})

    first = [draw(script, "sms", call) for call in range(2_000)]

    assert first == [draw(script, "sms", call) for call in range(2_000)]
    assert first != [draw(Script(seed=8, mix=script.mix), "sms", call) for call in range(2_000)]
    counts = Counter(first)
    assert 340 < counts["throttle"] < 460
    assert 150 < counts["accept_reset"] < 250
    assert set(counts) == {"ok", "throttle", "accept_reset"}


def test_channels_are_scripted_apart_and_a_new_script_starts_anew() -> None:
    player = Player()
    player.load("sms", Script(sequence=("throttle",)))

    assert player.next("email").behaviour == "ok"
    assert player.next("sms").behaviour == "throttle"
    player.load("sms", Script(sequence=("unavailable",)))
    assert player.next("sms").behaviour == "unavailable"


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (Script(mix={"throttle": 0.7, "accept_hang": 0.4}), "mix"),
        (Script(mix={"throttle": -0.1}), "mix"),
        (Script(sequence=("thunder",)), "thunder"),
        (Script(sequence=("ok", "code:7")), None),
    ],
)
def test_a_script_that_cannot_be_played_names_its_problem(script: Script, problem: str | None) -> None:
    told = script.problem()

    assert (told is None) == (problem is None)
    assert problem is None or problem in str(told)
