"""Prometheus itself scrapes the whole product: every documented series, and no other, as its own parser reads it."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from shared.telemetry.series import PROCESSES, SERIES, Series
from tests.prometheus.server import Prometheus, installed, serving
from tests.support.shop_house import ShopHouse

pytestmark = [pytest.mark.proof, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]
REQUIRED = os.environ.get("HUITOU_PROMETHEUS") == "required"
ABSENT = "no prometheus on the PATH (Debian: apt-get install prometheus); HUITOU_PROMETHEUS=required makes this fail"


class Watched(NamedTuple):
    """A product that has worked, and who scrapes it."""

    house: ShopHouse
    server: Prometheus


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    program = installed()
    if program is None and REQUIRED:
        pytest.fail(ABSENT)
    if program is None:
        pytest.skip(ABSENT)
    folder: Path = tmp_path_factory.mktemp("prometheus")
    async with ShopHouse(folder) as house, serving(program, folder / "server", house.stack.metrics.file) as server:
        await house.tell(*_events())
        await house.until(lambda: _message_went(house))
        await server.until("count(up == 1)", len(PROCESSES))
        await server.until("sum(huitou_deliveries_total)", 1)
        yield Watched(house, server)


async def _message_went(house: ShopHouse) -> bool:
    return bool(await house.accepted())


def _events() -> list[dict[str, Any]]:
    """A customer with an address, and an order that is thanked for."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    who = {"member": "M-1", "email": "prometheus@mailbox.example"}
    return [
        {"type": "traits.set", "id": "t1", "at": at, "customer": who, "traits": {"email": who["email"]}},
        {
            "type": "order.placed",
            "id": "o1",
            "at": at,
            "customer": who,
            "order_id": "1",
            "amount": "9.90",
            "currency": "CNY",
        },
    ]


def _names(series: Series) -> set[str]:
    """As they stand in a scrape."""
    if series.kind == "histogram":
        return {f"{series.name}_{part}" for part in ("bucket", "sum", "count")}
    return {series.name}


async def test_every_documented_series_is_there_and_no_other(watched: Watched) -> None:
    wanted = {
        process: {name for series in SERIES if process in series.of for name in _names(series)} for process in PROCESSES
    }
    found: dict[str, set[str]] = defaultdict(set)
    for each in await watched.server.get("series", **{"match[]": '{__name__=~"huitou_.+"}'}):
        found[each["process"].removesuffix("-2")].add(each["__name__"])

    assert found == wanted


async def test_kinds_labels_and_meanings_come_back_as_they_are_documented(watched: Watched) -> None:
    told = {name: entries for name, entries in (await watched.server.get("metadata")).items() if "huitou" in name}
    target = {"job", "instance", "service", "process"}
    labels: dict[str, set[str]] = defaultdict(set)
    for each in await watched.server.get("series", **{"match[]": '{__name__=~"huitou_.+"}'}):
        labels[each["__name__"]] |= each.keys() - target - {"__name__", "le"}

    for series in SERIES:
        spoken = told.pop(series.name, None) or told.pop(series.name.removesuffix("_total"))
        assert [(entry["type"], entry["help"]) for entry in spoken] == [(series.kind, series.meaning)]
        assert all(labels[name] == set(series.labels) for name in _names(series))
    assert told == {}


async def test_what_happened_is_what_is_counted(watched: Watched) -> None:
    value = watched.server.value

    assert await value('huitou_decisions_total{verdict="send",reason="sent"}') == 1
    assert await value('huitou_provider_outcomes_total{channel="email",call="send",outcome="accepted"}') == 1
    assert await value('huitou_output_records_total{process="ingest",topic="customer-events-v1"}') >= 2  # type: ignore[operator]
    assert await value('huitou_projected_rows_total{table="customer"}') >= 1  # type: ignore[operator]
    assert await value('sum(huitou_owned_partitions{service="profile"})') == 12
    assert await value("min(huitou_ready)") == await value("min(huitou_healthy)") == 1
    assert await value("count(count by (service) (huitou_build_info))") == await value("count(count by (service) (up))")


async def test_an_idle_product_has_no_lag_although_ticks_flow(watched: Watched) -> None:
    await watched.house.until_still()
    await asyncio.sleep(6)

    assert await watched.server.value("max_over_time(sum(huitou_lag_records)[5s:1s])") == 0
    assert await watched.server.value("max(max_over_time(huitou_lag_seconds[5s]))") < 2  # type: ignore[operator]
    assert await watched.server.value('sum(rate(huitou_input_ticks_total{service="profile"}[5s]))') == pytest.approx(
        12, rel=0.5
    )


async def test_a_second_worker_is_found_without_a_word_to_prometheus(watched: Watched) -> None:
    await watched.house.stack.start_another("profile", 2)

    await watched.server.until('sum(up{service="profile"})', 2)
    await watched.server.until('sum(huitou_owned_partitions{service="profile"})', 12)
    await watched.server.until('count(huitou_ready{service="profile"} == 1)', 2)
    assert await watched.server.value('huitou_owned_partitions{process="profile-2"}') == 6
