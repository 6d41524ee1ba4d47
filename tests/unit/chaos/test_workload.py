"""Workload W holds the shares it promises, the same for the same seed, and everything malformed is refused."""

from __future__ import annotations

from collections import Counter

import pytest

from deploy.demo.people import DAY
from deploy.demo.shop import SEASON_START
from services.ingest.fields import EventRefusedError
from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from services.ingest.typed import take
from shared.instants import parse_instant
from shared.shop import Shop
from tests.chaos.workload import HOUR, MINUTE, Workload, workload

COUNT = 20_000
CUSTOMERS = [{"member": f"M{number:06d}"} for number in range(500)]
END = SEASON_START + 30 * DAY


@pytest.fixture(scope="module")
def load() -> Workload:
    return workload(CUSTOMERS, COUNT, start=SEASON_START, end=END, seed=1)


def test_the_same_seed_gives_the_same_events(load: Workload) -> None:
    assert workload(CUSTOMERS, COUNT, start=SEASON_START, end=END, seed=1) == load
    assert workload(CUSTOMERS, COUNT, start=SEASON_START, end=END, seed=2) != load


def test_the_mix_has_the_promised_shares(load: Workload) -> None:
    shares = {name: count / COUNT for name, count in load.counts.items()}

    assert shares["browse"] == pytest.approx(0.70, abs=0.02)
    assert shares["order"] == pytest.approx(0.20, abs=0.02)
    assert shares["refund"] == pytest.approx(0.05, abs=0.01)
    assert shares["message"] == pytest.approx(0.05, abs=0.01)
    assert shares["duplicates"] == pytest.approx(0.02, abs=0.004)
    assert shares["out of order"] == pytest.approx(0.05, abs=0.006)
    assert shares["late"] == pytest.approx(0.005, abs=0.002)
    assert shares["malformed"] == pytest.approx(0.001, abs=0.0008)


def test_events_are_sent_in_order_and_told_late_as_promised(load: Workload) -> None:
    sent = [when for when, _ in load.events]
    delays = [when - parse_instant(one["at"]) for when, one in load.events if one["id"] not in load.malformed]

    assert sent == sorted(sent)
    assert min(delays) == 0
    assert max(delays) <= 9 * DAY
    assert not [delay for delay in delays if 10 * MINUTE < delay < HOUR], "nothing between out of order and repeated"


def test_a_few_customers_have_most_of_the_traffic(load: Workload) -> None:
    counts = Counter(one["customer"]["member"] for _, one in load.events if one.get("customer"))

    assert counts["M000000"] > 0.1 * COUNT
    assert counts["M000000"] > 1.8 * counts["M000001"] > 0


def test_a_repeat_is_the_same_event(load: Workload) -> None:
    by_id: dict[str, list[object]] = {}
    for _, one in load.events:
        by_id.setdefault(one["id"], []).append(one)

    assert sum(len(told) > 1 for told in by_id.values()) > 0.015 * COUNT
    assert all(told[0] == one for told in by_id.values() for one in told)


def test_ingest_refuses_what_is_malformed_and_takes_the_rest() -> None:
    load, desk = workload(CUSTOMERS, COUNT, start=SEASON_START, end=END, seed=3), Desk(Shop(), Pepper(b"p" * 32))
    for _, one in load.events:
        if one["id"] in load.malformed:
            with pytest.raises(EventRefusedError):
                take(one, desk, source="test")
        else:
            take(one, desk, source="test")


def test_merges_name_people_by_one_id_or_several_and_every_event_can_be_taken() -> None:
    load = workload(CUSTOMERS, COUNT, start=SEASON_START, end=END, seed=3, merges=True)
    named = [one["customer"] for _, one in load.events if one.get("customer")]

    assert load.counts["names several ids"] > 0.2 * COUNT
    assert {name for ids in named for name in ids} == {"anonymous", "openid", "email", "member"}
