"""Letters on a real database: kept once, searched, paged, shown without harm, opened by operators alone, replayed by one at a time."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.migrate import downgrade, upgrade
from services.console import letters_command, operators
from services.console.app import create_app
from services.console.letter_desk import Desk, Refusal, Replay, UnsentError
from services.console.letter_store import Search
from services.console.letters_api import Letters
from services.console.records import read_batch
from services.console.store import Store, connect
from shared.contract.codec import encode
from shared.contract.dead_letters import SEALED_AS, DeadLetter, sealed_field
from shared.contract.facts import OrderPlaced
from shared.contract.rejected_events import RejectedEvent
from shared.contract.topics import CUSTOMER_EVENTS, DEAD_LETTERS, REJECTED_EVENTS
from shared.engine.fold.batch import Emit
from shared.sealing import Keyring
from shared.shop import Shop
from tests.support.console import FixedBoard, FixedReadings, empty_reading
from tests.support.stack import fresh_database

pytestmark = pytest.mark.asyncio(loop_scope="session")
HOSTILE = "<script>alert(1)</script>\"'\x1b[31m\x07\u202e[bold]{{7*7}}\r\n"
WHEN = 1_764_000_000_000
ORDER = encode(OrderPlaced(id="e1", at=WHEN, order_id="o1", amount=7, currency="CNY"))


class Told(msgspec.Struct):
    """A record as the projector reads it."""

    topic: str
    offset: int
    value: bytes
    key: bytes | None = b"ann"
    partition: int = 0
    timestamp: int = WHEN


class Recorder:
    """Takes replays; may refuse or fail."""

    def __init__(self) -> None:
        self.put_back: list[Emit] = []
        self.events: list[dict[str, Any]] = []
        self.as_history: list[bool] = []
        self.fails_after = 10**9
        self.refusal: Refusal | None = None

    async def put(self, record: Emit) -> tuple[int, int]:
        await asyncio.sleep(0.02)
        if len(self.put_back) >= self.fails_after:
            raise UnsentError("the broker did not take it")
        self.put_back.append(record)
        return record.partition, len(self.put_back)

    async def resend(self, event: dict[str, Any], *, history: bool) -> Refusal | None:
        self.events.append(event)
        self.as_history.append(history)
        return self.refusal


class House:
    """A database with the console's tables, a keyring, a desk and the web application."""

    def __init__(self, engine: AsyncEngine, url: str, keyring: Path, file: Path) -> None:
        self.engine, self.url, self.keyring_file, self.file = engine, url, keyring, file
        self.keyring, self.sender, self.store = Keyring.load(keyring), Recorder(), Store(engine)
        self.desk = Desk(engine, self.keyring, self.sender, now_ms=lambda: WHEN + 1_000)
        self._next = 0

    def client(self, *, file: Path | None = None, desk: Desk | None = None) -> httpx2.AsyncClient:
        letters = Letters(self.engine, desk or self.desk, file)
        app = create_app(FixedReadings(empty_reading()), FixedBoard(), Shop(), letters=letters)
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:8081")

    async def take(self, *records: Told) -> None:
        await self.store.take(lambda known: read_batch(records, known, scenario=False))

    async def bury(self, *contents: bytes, reason: str = "ValueError: no", key: bytes = b"ann") -> None:
        """Dead letters of profile, one after the other."""
        for content in contents:
            self._next += 1
            place = sealed_field(CUSTOMER_EVENTS.name, 0, self._next)
            letter = DeadLetter(
                service="profile",
                topic=CUSTOMER_EVENTS.name,
                partition=0,
                offset=self._next,
                customer=key.decode(),
                reason=reason,
                arrived=WHEN,
                sealed=base64.b64encode(self.keyring.seal_bytes(SEALED_AS, place, content)).decode(),
            )
            await self.take(Told(DEAD_LETTERS.name, self._next, encode(letter), key, timestamp=WHEN + self._next))

    async def refuse(
        self, event: dict[str, Any], *, offset: int, at: int = WHEN, path: str = "$.total", history: bool = False
    ) -> None:
        sealed = base64.b64encode(self.keyring.seal_bytes("rejected-event", "r1", encode(event))).decode()
        told = RejectedEvent(
            id="r1",
            source="shop",
            path=path,
            reason="must be a number",
            sealed=sealed,
            received_at=at,
            history=history,
        )
        await self.take(Told(REJECTED_EVENTS.name, offset, encode(told), b"shop", timestamp=at))

    async def found(self, **wanted: Any) -> dict[str, Any]:
        async with self.client() as client:
            answer = await client.get("/api/v1/letters", params=wanted)
            answer.raise_for_status()
            body: dict[str, Any] = answer.json()
            return body

    async def only(self, **wanted: Any) -> str:
        (letter,) = (await self.found(**wanted))["letters"]
        return str(letter["id"])

    async def actions(self) -> list[str]:
        async with self.engine.connect() as connection:
            rows = await connection.scalars(sa.text("SELECT action FROM audit.letter_action ORDER BY number"))
            return list(rows)


@pytest_asyncio.fixture(loop_scope="session")
async def house(database_server: str, tmp_path: Path) -> AsyncIterator[House]:
    async with fresh_database(database_server) as url:
        await upgrade(url)
        engine = connect(url, connections=6)
        Keyring.create(tmp_path / "keyring.json")
        yield House(engine, url, tmp_path / "keyring.json", tmp_path / "operators.json")
        await engine.dispose()


# --- the read model


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
    await house.store.forget(WHEN + 29 * 86_400_000)
    assert (await house.found())["total"] == 1
    await house.store.forget(WHEN + 31 * 86_400_000)
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


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("path", ["/letters", "/letters/list"])
async def test_the_page_shows_hostile_texts_as_texts(house: House, path: str, lang: str) -> None:
    await house.bury(ORDER, reason=HOSTILE, key=HOSTILE.encode())
    await house.refuse({}, offset=0, path=HOSTILE)
    async with house.client() as client:
        answer = await client.get(path, params={"lang": lang})
        searched = await client.get(path, params={"lang": lang, "reason": HOSTILE, "source": HOSTILE, "since": ""})
    for page in (answer.text, searched.text):
        assert "<script>alert" not in page
        assert not any(each in page for each in "\x1b\x07\u202e")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert "\\x1b[31m\\x07\\u202e[bold]{{7*7}}" in answer.text
    assert "49" not in answer.text.split("{{7*7}}")[0][-5:]
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert ("拒收" in answer.text or path != "/letters") if lang == "zh" else "Nothing matches" not in answer.text


async def test_the_command_shows_hostile_texts_as_texts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.bury(HOSTILE.encode(), reason=HOSTILE, key=HOSTILE.encode())
    _environment(house, monkeypatch)
    letter = await house.only()
    for arguments in (["search"], ["search", "--lang", "en"], ["show", letter[:8]]):
        out = io.StringIO()
        code = await letters_command.run(
            arguments, Console(file=out, width=200, force_terminal=True, color_system=None)
        )
        said = out.getvalue()
        assert code == 0
        assert "\x1b[31m" not in said
        assert not any(each in said for each in "\x07\u202e\r")
        assert "\\x1b[31m" in said
        assert "[bold]" in said


async def test_the_command_searches_dismisses_and_says_what_it_cannot_do(
    house: House, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    await house.bury(b"{", b"{")
    _environment(house, monkeypatch)
    assert await letters_command.run(["search", "--json", "--limit", "1"]) == 0
    found = json.loads(capfdbinary.readouterr().out)
    letter = found["letters"][0]["id"]
    assert (found["total"], found["letters"][0]["customer"]) == (2, "ann")
    assert await letters_command.run(["show", letter, "--raw"]) == 0
    assert capfdbinary.readouterr().out == b"{"
    assert await letters_command.run(["replay", letter]) == 1
    assert b"--with" in capfdbinary.readouterr().err
    assert await letters_command.run(["replay", "--all", "--service", "profile", "--lang", "en"]) == 0
    assert b"2 letters would be replayed" in capfdbinary.readouterr().out
    assert await letters_command.run(["dismiss", letter, "--note", "a test", "--operator", "bob"]) == 0
    assert (await house.found(state="dismissed"))["total"] == 1
    assert await letters_command.run(["show", "nobody-knows"]) == 1
    monkeypatch.delenv("HUITOU_KEYRING")
    assert await letters_command.run(["show", letter]) == 1
    assert b"keyring" in capfdbinary.readouterr().err
    assert await house.actions() == ["opened", "dismissed"]


def _environment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUITOU_DATABASE_URL", house.url)
    monkeypatch.setenv("HUITOU_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("HUITOU_KEYRING", str(house.keyring_file))


# --- operators


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
