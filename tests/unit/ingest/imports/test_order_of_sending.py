"""T2: the importer sends by (customer, instant, id): a customer's facts follow each other, whatever the file's order and size."""

from __future__ import annotations

import itertools
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.ingest.imports import prepare
from services.ingest.imports.sorting import Sorter
from services.ingest.imports.vocabulary import Kind
from services.rehearsal.forecast.expected import Forecast, customers_of, expect
from shared.contract.broadcasts import PolicyPublished
from shared.contract.codec import decode_front
from shared.contract.facts import OrderPlaced
from shared.contract.frames import Frame, frames
from shared.contract.identity import Linked
from shared.contract.prepared_records import PreparedRecord, prepared_records
from shared.contract.topics import CUSTOMER_EVENTS
from shared.shop import Shop
from tests.support.import_files import Outcome, read, write_csv
from tests.unit.oracle.story import sms

HEADER = ["订单号", "会员号", "手机号", "下单时间", "实付金额"]
RULES = [
    sms("thanks", {"on": "ordered"}, purpose="service"),
    sms("remind", {"on": "since_last_order", "days": 30}),
]
POLICY = PolicyPublished(1, {"version": 1, "rules": RULES})
BASELINE = 1_764_158_400_000


def orders(seed: int, count: int = 300) -> list[list[str]]:
    """Of 40 members, some named by a phone too, some by that alone; many at one instant; shuffled."""
    rnd = random.Random(seed)
    rows = []
    for number in range(count):
        who = rnd.randrange(40)
        member, phone = f"M{who}" if rnd.random() < 0.8 else "", f"138{who:08d}" if rnd.random() < 0.4 else ""
        if not (member or phone):
            member = f"M{who}"
        at = f"2025-{rnd.randrange(9, 12):02d}-{rnd.randrange(1, 26):02d} {rnd.choice(('10:00', '10:00', '11:30'))}"
        rows.append([f"T{number}", member, phone, at, f"{number + 1}.00"])
    rnd.shuffle(rows)
    return rows


def imported(folder: Path, rows: list[list[str]], **terms: Any) -> Outcome:
    return read(write_csv(folder, HEADER, rows), baseline=BASELINE, **terms)


def told(found: Outcome) -> list[tuple[str, int, str]]:
    return [(customer, fact.at, fact.id) for customer, fact in found.facts]


def test_t2_facts_are_in_the_order_of_customer_instant_and_id(tmp_path: Path) -> None:
    places = told(imported(tmp_path, orders(1)))

    assert places == sorted(places)
    assert len([customer for customer, _ in itertools.groupby(places, key=lambda place: place[0])]) == len(
        {one[0] for one in places}
    )
    assert len({one[:2] for one in places}) < len(places), "no two facts of one customer share an instant"


def test_t2_a_file_larger_than_memory_in_any_order_gives_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = orders(2)
    whole = imported(tmp_path, rows)
    held: list[int] = []
    spill = Sorter._spill

    def counted(sorter: Sorter) -> None:
        held.append(len(sorter._held))
        spill(sorter)

    monkeypatch.setattr(Sorter, "_spill", counted)
    monkeypatch.setattr(prepare, "Sorter", partial(Sorter, budget=4_000))
    small = imported(tmp_path, random.Random(3).sample(rows, len(rows)))
    assert told(small) == told(whole)
    assert len(held) > 10
    assert max(held) < 20


def test_t2_the_links_of_a_customer_stand_before_the_first_fact_that_needs_them(tmp_path: Path) -> None:
    linked: set[tuple[str, str]] = set()
    needed = 0
    for topic, _, key, value, _ in imported(tmp_path, orders(4)).records:
        found = decode_front(value) if topic == CUSTOMER_EVENTS.name else None
        if isinstance(found, Linked):
            linked.add(((key or b"").decode(), found.other))
        elif isinstance(found, OrderPlaced):
            pairs = {(alias, (key or b"").decode()) for alias in found.aliases}
            needed += len(pairs)
            assert pairs <= linked
    assert needed > 50


def test_t2_a_run_that_goes_on_in_the_middle_of_a_customer_sends_the_rest_of_them_next(tmp_path: Path) -> None:
    whole = imported(tmp_path, orders(6))
    with (tmp_path / "records").open("rb") as file:
        groups = list(frames(file))
        middle = next(n for n in range(150, 300) if _customer(groups[n]) == _customer(groups[n - 1]))
        rest = [record for frame in frames(file, groups[middle - 1].end) for record in prepared_records(frame.body)]

    assert rest == whole.records[len(whole.records) - len(rest) :]
    assert len(groups) == 300
    assert sum(1 for record in rest if b'"order.placed"' in record[3]) == 300 - middle


def _customer(frame: Frame) -> bytes | None:
    return next(record[2] for record in prepared_records(frame.body) if b'"order.placed"' in record[3])


def test_t2_facts_of_one_row_stay_together_and_a_list_of_refusals_is_sorted_too(tmp_path: Path) -> None:
    rows = [[f"138{number * 7_919 % 500:08d}"] for number in range(500)]
    found = read(write_csv(tmp_path, ["手机号"], rows), kind=Kind.BLACKLIST, baseline=BASELINE)
    customers = [customer for customer, _ in found.facts]
    assert customers == sorted(customers)
    assert [len(list(each)) for _, each in itertools.groupby(customers)] == [2] * 500


def test_t2_the_forecast_does_not_depend_on_the_order(tmp_path: Path) -> None:
    groups = grouped(imported(tmp_path, orders(5), mode="import", confirmed=True))
    by_instant = sorted(groups, key=instant)

    assert [instant(group) for group in groups] != [instant(group) for group in by_instant]
    assert forecast(groups) == forecast(by_instant)
    assert forecast(groups).moves
    assert forecast(groups).rules


def grouped(found: Outcome) -> list[list[PreparedRecord]]:
    """What is sent as one: links, then the order, then its contacts."""
    groups: list[list[PreparedRecord]] = []
    ended = True
    for record in found.records:
        fact = b'"order.placed"' in record[3]
        link = b'"identity.link"' in record[3]
        if (link or fact) and ended:
            groups.append([])
        ended = not link
        groups[-1].append(record)
    return groups


def instant(group: list[PreparedRecord]) -> int:
    return next(int(record[3].split(b'"at":')[1].split(b",")[0]) for record in group if b'"order.placed"' in record[3])


def forecast(groups: list[list[PreparedRecord]]) -> Forecast:
    return expect(groups, baseline=BASELINE, shop=Shop(), policy=POLICY, customers=customers_of(groups))
