from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import msgspec
import pytest
from sqlalchemy.exc import InterfaceError

from services.console.app import create_app
from services.console.figures import Reading, deliveries
from services.console.lag import LagBoard
from services.console.pages import FRAGMENTS
from shared.shop import Shop
from tests.support.console import BOARD, FixedBoard, FixedReadings, decision, empty_reading, group, shop_reading


@asynccontextmanager
async def console(reading: Reading, board: LagBoard = BOARD) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(FixedReadings(reading), FixedBoard(board), Shop(), names=frozenset({"console.example"}))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as client:
        yield client


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        (
            "zh",
            [
                "回头",
                "重要价值",
                "一般挽留",
                "沉睡预警",
                "被更高优先级取代",
                "免打扰时段，推迟到 2025-11-09 03:00",
                "停滞",
            ],
        ),
        ("en", ["Huitou", "Win back", "Sleep warning", "Outranked by a message worth more", "stalled", "Guide task"]),
    ],
)
async def test_the_page_speaks_the_language_asked_for(lang: str, said: list[str]) -> None:
    async with console(shop_reading()) as client:
        page = (await client.get("/", params={"lang": lang})).text
    assert [word for word in said if word not in page] == []
    assert "5,000" in page
    assert "2025-11-08 16:00:05" in page


async def test_chinese_is_spoken_when_nothing_is_asked_for() -> None:
    async with console(shop_reading()) as client:
        assert 'lang="zh-CN"' in (await client.get("/")).text
        assert (await client.get("/?lang=fr")).status_code == 422


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_an_empty_installation_explains_itself(lang: str) -> None:
    async with console(empty_reading(), LagBoard()) as client:
        page = (await client.get("/", params={"lang": lang})).text
    explained = {
        "zh": ["等待第一个时钟记录", "还没有客户", "还没有事件", "还没有消费组", "还没有触达指令", "还没有决策"],
        "en": [
            "Waiting for the first tick",
            "No customers yet",
            "No events",
            "No consumer group",
            "No commands",
            "No decisions",
        ],
    }
    assert [text for text in explained[lang] if text not in page] == []


@pytest.mark.parametrize("name", FRAGMENTS)
async def test_each_fragment_is_the_part_of_the_page_that_it_refreshes(name: str) -> None:
    async with console(shop_reading()) as client:
        page, fragment = (await client.get("/?lang=en")).text, (await client.get(f"/fragments/{name}?lang=en")).text
    assert fragment.strip() in page
    assert f'hx-get="/fragments/{name}?lang=en" hx-trigger="every 1s"' in page


async def test_an_unknown_fragment_is_not_found() -> None:
    async with console(shop_reading()) as client:
        answer = await client.get("/fragments/page")
    assert answer.status_code == 404
    assert "name: must be one of" in answer.json()["detail"]


async def test_what_comes_from_data_is_escaped_everywhere() -> None:
    evil = "<script>alert(1)</script>"
    reading = msgspec.structs.replace(
        shop_reading(),
        decisions=(
            msgspec.structs.replace(
                decision(1, evil, evil, evil, channel=evil, state=evil), customer=evil, until=1_762_588_805_000
            ),
        ),
        verdicts=((evil, evil, 1),),
        messages=deliveries([(evil, evil, evil, 1, 0, 0)]),
        throughput=msgspec.structs.replace(shop_reading().throughput, types={evil: (1, 1.0)}),
    )
    board = LagBoard(at=1, groups=(group(evil, 1, 1.0, "ok"),))
    async with console(reading, board) as client:
        page = (await client.get("/")).text
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8


async def test_no_script_or_style_stands_inline() -> None:
    async with console(shop_reading()) as client:
        page = (await client.get("/")).text
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []
    assert re.findall(r'(?:src|href)="(?!/)', page) == [], "nothing is loaded from elsewhere"


@pytest.mark.parametrize(
    "path", ["/", "/static/console.css", "/static/htmx/htmx-2.0.11.min.js", "/api/v1/lag", "/nowhere"]
)
async def test_every_answer_carries_the_guards_headers(path: str) -> None:
    async with console(shop_reading()) as client:
        headers = (await client.get(path)).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8081", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8081", 200),
        ("console.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("[::2]:8081", 421),
        ("", 421),
    ],
)
async def test_only_known_host_names_may_ask(host: str, status: int) -> None:
    async with console(shop_reading()) as client:
        assert (await client.get("/api/v1/overview", headers={"Host": host})).status_code == status


async def test_the_api_tells_the_same_figures() -> None:
    async with console(shop_reading()) as client:
        overview = (await client.get("/api/v1/overview")).json()
        decisions = (await client.get("/api/v1/decisions?limit=4")).json()
        lag = (await client.get("/api/v1/lag")).json()
        throughput = (await client.get("/api/v1/throughput")).json()
        messages = (await client.get("/api/v1/messages")).json()
    assert (overview["customers"], overview["rfm"]["important_value"], overview["lifecycle"]["new"]) == (
        5_000,
        812,
        642,
    )
    assert (overview["logical_now"], overview["currency"]) == ("2025-11-08T08:00:05.000Z", "CNY")
    assert [each["verdict"] for each in decisions["latest"]] == ["send", "skip", "skip", "defer"]
    assert decisions["latest"][1]["reason_text"] == {
        "zh": "被更高优先级取代",
        "en": "Outranked by a message worth more",
    }
    assert decisions["latest"][3]["until"] == "2025-11-08T19:00:05.000Z"
    assert [each["state"] for each in lag["groups"]] == ["ok", "slow", "stalled", "ok", "ok"]
    assert throughput["types"]["order.placed"]["total"] == 20_417
    assert messages["channels"]["sms"]["delivered"] == 1_263
    assert {row["rule"] for row in messages["rules"]} >= {"repurchase-reminder", "thank-you"}


@pytest.mark.parametrize("limit", ["0", "201", "many"])
async def test_a_limit_out_of_range_is_named(limit: str) -> None:
    async with console(shop_reading()) as client:
        answer = await client.get("/api/v1/decisions", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "limit"]


class _Away:
    async def reading(self) -> Reading:
        raise InterfaceError("SELECT secret", None, ConnectionError("secret"))


async def test_a_database_that_is_away_is_a_503_that_tells_nothing() -> None:
    app = create_app(_Away(), FixedBoard(), Shop())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "secret" not in answer.text
