"""No build has the better place: the first run after a pause, or the one beside itself."""

from __future__ import annotations

from collections import Counter

from tests.bench.versus.readings import ARMS, Arm, Reading, Readings
from tests.bench.versus.rounds import ORDERS, in_turn, orders


def test_in_six_rounds_every_build_is_at_each_place_twice() -> None:
    places = Counter((place, arm) for order in orders(6) for place, arm in enumerate(order))

    assert set(places.values()) == {2}
    assert len(set(ORDERS)) == len(ORDERS)


async def test_a_round_runs_each_build_once_and_the_warm_up_does_not_count() -> None:
    ran: list[tuple[Arm, int]] = []

    async def run(arm: Arm, number: int) -> Readings:
        ran.append((arm, number))
        return {"place": Reading(len(ran), "th")}

    rounds = await in_turn(2, run)

    assert [arm for arm, number in ran if number == 0] == list(ARMS)
    assert [arm for arm, number in ran if number == 1] == list(ORDERS[0])
    assert [arm for arm, number in ran if number == 2] == list(ORDERS[1])
    assert [{arm: reading["place"].value for arm, reading in turn.items()} for turn in rounds] == [
        {"base": 4, "again": 6, "this": 5},
        {"base": 8, "again": 7, "this": 9},
    ]
