"""Who must be silent, read from commands: the latest decided holds, in whichever order they come."""

from __future__ import annotations

from itertools import permutations

import pytest

from services.notifier.intake import read_batch
from services.notifier.silence import before_erasure
from shared.contract.commands import Allow, Suppress
from tests.unit.notifier.test_intake import _command, _commands, _seal


def suppress(number: int, *, at: int = 5, **more: object) -> Suppress:
    given = {"customer": "u1", "channel": "sms", "purpose": "marketing", "reason": "consent"} | more
    return Suppress(decided_at=at, number=number, **given)  # type: ignore[arg-type]


def test_the_latest_decided_holds_in_whichever_order_they_come() -> None:
    told: list[Suppress | Allow] = [
        suppress(1),
        Allow(customer="u1", channel="sms", purpose="marketing", decided_at=5, number=2),
        suppress(3, at=4),
    ]

    for order in permutations(told):
        (verdict,) = read_batch(_commands(*order), _seal).silences.values()
        assert (verdict.silent, verdict.place) == (False, (5, 2))


def test_an_erasure_holds_for_every_id_of_the_person() -> None:
    told = suppress(1, ids=("u2",), channel="all", purpose="all", reason="erased", erased=9)
    batch = read_batch(_commands(told), _seal)

    assert batch.forgotten == {"u1": 9, "u2": 9}
    assert {key: verdict.silent for key, verdict in batch.silences.items()} == {
        ("u1", "all", "all"): True,
        ("u2", "all", "all"): True,
    }


def test_commands_from_before_an_erasure_are_known_when_they_come_again() -> None:
    assert before_erasure([_command(decided_at=9)], {"u1": 9}) == {"u1": 9}
    assert before_erasure([_command(decided_at=10)], {"u1": 9}) == {}
    assert before_erasure([_command(decided_at=1)], {}) == {}


@pytest.mark.parametrize("wrong", [suppress(-1), suppress(1, at=-1), suppress(1, ids=("a\0",)), suppress(1, erased=-1)])
def test_what_no_database_can_hold_is_a_dead_letter(wrong: Suppress) -> None:
    batch = read_batch(_commands(wrong), _seal)
    assert (len(batch.dead), batch.silences) == (1, {})
