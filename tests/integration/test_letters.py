"""Letters on a real database: kept once, searched, paged, shown without harm, opened by operators alone, replayed by one at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deploy.migrate import downgrade, upgrade
from services.console import operators
from services.console.letter_desk import Desk, Refusal, Replay, UnsentError
from services.console.letter_store import Search
from services.console.store import KEPT_LETTERS_MS
from shared.contract.codec import encode
from shared.contract.topics import DEAD_LETTERS, REJECTED_EVENTS
from shared.shop import DAY
from tests.integration.letters_house import HOSTILE, ORDER, WHEN, House, Told, house

__all__ = ["house"]


pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_letter_told_again_is_one_and_an_event_refused_again_is_open_again(house: House) -> None:
    await house.bury(ORDER)
    await house.refuse({"messageId": "m"}, offset=0)
    letter = await house.only(topic=REJECTED_EVENTS.name)
    assert (await house.desk.replay(letter, "alice", Replay())).result == "accepted"
    assert (await house.found())["total"] == 1

    await house.refuse({"messageId": "m"}, offset=1, at=WHEN)
    assert (await house.found(state="all"))["total"] == 2
    assert (await house.found())["total"] == 1, "the same telling, read twice"
    await house.refuse({"messageId": "m"}, offset=2, at=WHEN + 5_000)
    assert (await house.found())["total"] == 2


async def test_made_anew_the_tables_hold_the_same_and_what_was_done_is_not_forgotten(house: House) -> None:
    await house.bury(ORDER)
    await house.desk.replay(await house.only(), "alice", Replay())
    before = await house.found(state="all")
    await downgrade(house.url, "0002")
    await upgrade(house.url)

    house._next = 0
    await house.bury(ORDER)
    assert await house.found(state="all") == before
    assert before["letters"][0]["state"] == "replayed"


async def test_a_forged_letter_stops_nobody(house: House) -> None:
    raw = {"type": "dead.letter", "service": "s\0", "topic": "t", "partition": 0, "offset": 0, "customer": "\0"}
    raw |= {"reason": HOSTILE, "arrived": 2**62, "sealed": "nothing"}
    await house.take(
        Told(DEAD_LETTERS.name, 0, encode(raw | {"offset": 10**30})),
        Told(DEAD_LETTERS.name, 1, b"{"),
        Told(DEAD_LETTERS.name, 2, encode(raw), b"\xff"),
    )
    letter = await house.only()
    async with house.client() as client:
        assert (await client.get(f"/api/v1/letters/{letter}")).status_code == 200
        assert (await client.get("/letters")).status_code == 200


async def test_what_the_log_has_forgotten_is_forgotten(house: House) -> None:
    await house.bury(ORDER)
    await house.store.forget(WHEN + KEPT_LETTERS_MS - DAY)
    assert (await house.found())["total"] == 1
    await house.store.forget(WHEN + KEPT_LETTERS_MS + DAY)
    assert (await house.found())["total"] == 0


# --- search


async def test_pages_hold_every_letter_once_and_the_whole_is_counted_by_reason(house: House) -> None:
    await house.bury(*[ORDER] * 30, reason="ValueError: amount")
    await house.bury(*[ORDER] * 12, reason="KeyError: 100%_sure", key=b"bob")
    seen: list[str] = []
    page = await house.found(limit=9)
    while True:
        seen += [each["id"] for each in page["letters"]]
        assert page["total"] == 42
        if page["after"] is None:
            break
        page = await house.found(limit=9, after=page["after"])
    assert len(seen) == len(set(seen)) == 42
    counts = [{"reason": "ValueError: amount", "letters": 30}, {"reason": "KeyError: 100%_sure", "letters": 12}]
    assert page["counts"] == counts
    assert (await house.found(reason="%_s"))["total"] == 12, "no wildcard of the database"
    assert (await house.found(reason="VALUEERROR"))["total"] == 30
    assert (await house.found(service="segmenter"))["total"] == 0
    assert (await house.found(since="2030-01-01T00:00:00Z"))["total"] == 0


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "since=yesterday", "after=%00", "after=eA", "state=lost", "reason=" + "x" * 501]
)
async def test_a_search_that_makes_no_sense_is_refused(house: House, query: str) -> None:
    async with house.client() as client:
        assert (await client.get(f"/api/v1/letters?{query}")).status_code == 422
        if not query.startswith("limit"):
            assert (await client.get(f"/letters?{query}")).status_code == 422


# --- what is shown


async def test_only_an_operator_opens_and_replays(house: House) -> None:
    await house.bury(ORDER)
    letter = await house.only()
    secret = operators.add(house.file, "alice")
    calls: list[tuple[str, dict[str, Any]]] = [
        (f"/api/v1/letters/{letter}/{what}", {"note": "n"} if what == "dismiss" else {})
        for what in ("open", "replay", "dismiss")
    ]
    calls.append(("/api/v1/letters/replay", {"dry_run": False}))
    for path, body in calls:
        async with house.client() as nobody, house.client(file=house.file) as client:
            assert (await nobody.post(path, json=body, headers=_bearer(secret))).status_code == 403
            for wrong in ("", "alice.", "alice.wrong", "bob." + secret[6:], secret + "x", "alice"):
                assert (await client.post(path, json=body, headers=_bearer(wrong))).status_code == 401
    assert await house.actions() == []

    async with house.client(file=house.file) as client:
        opened = await client.post(f"/api/v1/letters/{letter}/open", headers=_bearer(secret))
        assert opened.json()["content"].encode() == ORDER
        operators.remove(house.file, "alice")
        assert (await client.post(f"/api/v1/letters/{letter}/open", headers=_bearer(secret))).status_code == 401
        house.file.chmod(0o644)
        assert (await client.post(f"/api/v1/letters/{letter}/open", headers=_bearer(secret))).status_code == 503
    assert await house.actions() == ["opened"]


async def test_without_a_keyring_nothing_opens_and_metadata_never_shows_content(house: House) -> None:
    await house.bury(b'{"phone":"13800138000"}')
    letter, secret = await house.only(), operators.add(house.file, "alice")
    shut = Desk(house.engine, None, house.sender, now_ms=lambda: WHEN)
    async with house.client(file=house.file, desk=shut) as client:
        assert (await client.post(f"/api/v1/letters/{letter}/open", headers=_bearer(secret))).status_code == 409
        shown = (await client.get(f"/api/v1/letters/{letter}")).text
    assert "138" not in shown
    assert "sealed" not in shown


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"fixed":1}', b'{"with":{},"more":1}', b"\xff", b"[" * 5_000])
async def test_a_body_that_makes_no_sense_is_refused(house: House, body: bytes) -> None:
    await house.bury(ORDER)
    letter, secret = await house.only(), operators.add(house.file, "alice")
    async with house.client(file=house.file) as client:
        answer = await client.post(f"/api/v1/letters/{letter}/replay", content=body, headers=_bearer(secret))
    assert answer.status_code == 422
    assert house.sender.put_back == []


def _bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


# --- replays


async def test_of_two_who_replay_at_once_one_does(house: House) -> None:
    await house.bury(ORDER)
    letter = await house.only()
    outcomes = await asyncio.gather(*(house.desk.replay(letter, who, Replay()) for who in ("alice", "bob")))
    assert sorted(outcome.result for outcome in outcomes) == ["put-back", "settled"]
    assert len(house.sender.put_back) == 1


async def test_what_could_not_be_sent_stays_open_and_is_on_record(house: House) -> None:
    await house.bury(*[ORDER] * 5)
    house.sender.fails_after = 3
    with pytest.raises(UnsentError):
        await house.desk.replay_all(Search(), "alice")
    assert (await house.found())["total"] == 2
    assert await house.actions() == ["replaying", "replayed"] * 3 + ["replaying"]

    house.sender.fails_after = 10**9
    assert await house.desk.replay_all(Search(), "alice") == {"put-back": 2}
    assert [record.value for record in house.sender.put_back] == [ORDER] * 5


@pytest.mark.parametrize("history", [True, False])
async def test_what_was_told_as_history_is_told_as_history_again(house: House, *, history: bool) -> None:
    await house.refuse({"messageId": "m"}, offset=0, history=history)
    (found,) = (await house.found())["letters"]
    assert found["history"] is history
    assert (await house.desk.replay(found["id"], "alice", Replay())).result == "accepted"
    assert house.sender.as_history == [history]
    assert ("timestamp" in house.sender.events[0]) is not history, "history that says no instant is refused again"


async def test_an_event_refused_again_stays_open_with_its_new_reason_on_record(house: House) -> None:
    await house.refuse({"messageId": "m"}, offset=0)
    house.sender.refusal = Refusal("$.total", "must be a number")
    outcome = await house.desk.replay(await house.only(), "alice", Replay(fixed=b'{"messageId":"m","total":"x"}'))
    assert (outcome.result, outcome.detail) == ("refused", "$.total: must be a number")
    assert (await house.found())["total"] == 1
    (sent,) = house.sender.events
    assert {"messageId": "m", "total": "x"}.items() <= sent.items()
    assert sent["timestamp"] == "2025-11-24T16:00:00.000Z", "it happened when it first came"
