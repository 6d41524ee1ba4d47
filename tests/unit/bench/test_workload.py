"""The load is the same in every run, is accepted by intake, and says what it awaits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from services.ingest.typed import take
from shared.contract.facts import OrderPlaced
from shared.shop import Shop
from tests.bench import workload

AT = 1_772_416_800_000


def _events(bodies: list[bytes] | Any) -> list[dict[str, Any]]:
    return [event for body in bodies for event in msgspec.json.decode(body)["events"]]


@pytest.fixture
def load() -> workload.Load:
    return workload.open_load("run", seconds=2, rate=1_000, size=10, new_each=20, first_new=5_000, at=AT)


def test_an_ordinary_day_has_about_three_views_to_one_order() -> None:
    kinds = Counter(event["type"] for event in workload.day("day", 4_000, AT, per_second=1_000))

    assert set(kinds) == {"order.placed", "product.viewed"}
    assert 900 < kinds["order.placed"] < 1_100


def test_the_same_day_twice_is_the_same_and_no_event_id_repeats() -> None:
    first, second = (list(workload.day("day", 1_000, AT, per_second=500)) for _ in range(2))

    assert first == second
    assert len({event["id"] for event in first}) == 1_000


def test_intake_accepts_every_kind_of_event(tmp_path: Any) -> None:
    Pepper.create(tmp_path / "pepper")
    desk = Desk(Shop(), Pepper.load(tmp_path / "pepper"))
    events = [
        *workload.introduction(7, AT, reachable=True),
        *workload.introduction(8, AT, reachable=False),
        *workload.day("day", 200, AT, per_second=100),
    ]

    taken = [take(event, desk, source="bench") for event in events]

    assert [contact.field for contact in taken[0].person.contacts] == ["email"]
    assert not taken[2].person.contacts
    orders = [fact for one in taken for fact in one.facts if isinstance(fact, OrderPlaced)]
    assert orders
    assert all(fact.amount == sum(line.amount for line in fact.lines) for fact in orders)


def test_bodies_hold_all_events_in_order() -> None:
    events = list(workload.day("day", 25, AT, per_second=100))

    bodies = workload.bodies(events, 10)

    assert [len(msgspec.json.decode(body)["events"]) for body in bodies] == [10, 10, 5]
    assert _events(bodies) == events


def test_an_open_load_has_its_rate_and_names_the_first_orders_it_holds(load: workload.Load) -> None:
    events = _events(load.bodies)

    assert len(events) == 2_000
    assert len(load.bodies) * load.every == pytest.approx(2.0)
    awaited = {event["order_id"]: event["customer"]["member"] for event in events if event.get("order_id") in load.due}
    assert awaited == {workload.first_order(5_000 + n): workload.member(5_000 + n) for n in range(100)}


def test_a_command_is_awaited_from_the_instant_at_which_its_request_is_due(load: workload.Load) -> None:
    found = {
        event["order_id"]: number * load.every
        for number, body in enumerate(load.bodies)
        for event in msgspec.json.decode(body)["events"]
        if event.get("order_id") in load.due
    }

    assert found == load.due


def test_members_of_the_ordinary_day_are_never_the_newcomers(load: workload.Load) -> None:
    newcomers = {workload.member(5_000 + number) for number in range(100)}
    others = [event for event in _events(load.bodies) if event.get("order_id") not in load.due]

    assert not newcomers & {event["customer"]["member"] for event in others}
