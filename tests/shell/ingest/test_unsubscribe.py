"""The link in a message: opening it changes nothing, one click is a refusal on record, and nobody can make or alter one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from shared.contract.facts import ConsentSet
from shared.unsubscribing import Refusable, read_token, token_of
from tests.shell.ingest.harness import NOW, Shopfront

KEY = b"0123456789abcdef"
ABOUT = Refusable("g" + "0" * 32, "email", "marketing", "7af1a95b-5ceb-55ca-b25f-edf99ee5198f")
TOKEN = token_of(ABOUT, KEY)


@pytest.fixture
def shop(tmp_path: Path) -> Shopfront:
    return Shopfront(tmp_path / "shop", unsubscribe_key=KEY)


async def test_opening_the_link_only_asks(shop: Shopfront) -> None:
    page = await shop.client.get(f"/u/{TOKEN}")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "退订" in page.text
    assert "No more offers by e-mail?" in page.text
    assert '<form method="post">' in page.text
    assert ABOUT.customer not in page.text
    assert shop.publisher.records == []


@pytest.mark.parametrize("body", [{"List-Unsubscribe": "One-Click"}, {}])
async def test_one_click_refuses_this_channel_and_purpose_as_of_now(shop: Shopfront, body: dict[str, str]) -> None:
    """By a mail program (RFC 8058, without cookies or keys) or by the page's own button."""
    page = await shop.client.post(f"/u/{TOKEN}", data=body)
    assert (page.status_code, "您将不再通过邮件收到" in page.text) == (200, True)
    (fact,), (record,) = shop.publisher.facts(), shop.publisher.records
    assert isinstance(fact, ConsentSet)
    assert (fact.channel, fact.purpose, fact.granted, fact.at) == ("email", "marketing", False, NOW)
    assert record.key == ABOUT.customer.encode()
    assert ABOUT.command_id in fact.proof


async def test_a_second_press_is_on_record_once_and_one_after_a_new_consent_again(shop: Shopfront) -> None:
    assert [(await shop.client.post(f"/u/{TOKEN}")).status_code for _ in range(2)] == [200, 200]
    shop.seconds += 1.5
    await shop.client.post(f"/u/{TOKEN}")
    first, second = shop.publisher.facts()
    assert first.id != second.id
    assert second.at - first.at == 1_500


FORGED = [
    TOKEN[:-1],
    TOKEN.replace("marketing", "service"),
    TOKEN.replace("g0", "g1"),
    token_of(ABOUT, b"another key 1234"),
    "<script>",
    "垃圾",
    "....",
]


@pytest.mark.parametrize("token", FORGED)
async def test_a_link_that_is_not_ours_tells_and_changes_nothing(shop: Shopfront, token: str) -> None:
    for ask in (shop.client.get, shop.client.post):
        page = await ask(f"/u/{token}")
        assert (page.status_code, "链接无效" in page.text) == (404, True)
        assert "script" not in page.text
    assert shop.publisher.records == []


async def test_while_the_broker_is_away_the_reader_is_asked_to_try_again(shop: Shopfront) -> None:
    with _away(shop):
        page = await shop.client.post(f"/u/{TOKEN}")
        assert (page.status_code, page.headers["retry-after"], "请稍后再试" in page.text) == (503, "5", True)
    assert (await shop.client.post(f"/u/{TOKEN}")).status_code == 200
    assert len(shop.publisher.facts()) == 1


async def test_the_page_loads_nothing_and_is_kept_nowhere(shop: Shopfront) -> None:
    headers = (await shop.client.get(f"/u/{TOKEN}")).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")


async def test_without_a_key_there_is_no_such_route(tmp_path: Path) -> None:
    answer: httpx2.Response = await Shopfront(tmp_path / "bare").client.post(f"/u/{TOKEN}")
    assert answer.status_code == 404


@pytest.mark.parametrize("customer", ["g1", "a.b.c", "张 三"])
def test_a_token_says_what_it_was_made_for(customer: str) -> None:
    about = ABOUT._replace(customer=customer)
    assert read_token(token_of(about, KEY), KEY) == about


@contextmanager
def _away(shop: Shopfront) -> Iterator[None]:
    shop.publisher.away = True
    yield
    shop.publisher.away = False
