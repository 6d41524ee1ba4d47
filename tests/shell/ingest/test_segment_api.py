"""Segment's routes as its SDKs use them: every call is kept, history never fires, browsers may ask, clocks are put right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.console.letter_sender import posted, refusal_of
from services.ingest.api import Terms
from services.ingest.browser import read_origins, settings_document
from shared.contract.facts import Fact, OrderPlaced, PageViewed, Tracked, TraitsSet
from tests.shell.ingest.harness import NOW, Shopfront

AT, AT_MS = "2025-06-30T09:21:33.123+08:00", 1_751_246_493_123
SHOP = "https://shop.example"
CALLS: dict[str, tuple[dict[str, Any], type[Fact], dict[str, Any]]] = {
    "track": ({"event": "Coupon Entered", "properties": {"n": 1}}, Tracked, {"name": "Coupon Entered"}),
    "identify": ({"traits": {"city": "上海"}}, TraitsSet, {"traits": {"city": "上海"}}),
    "page": ({"name": "Home", "properties": {"path": "/"}}, PageViewed, {"name": "Home", "path": "/"}),
    "screen": ({"name": "Cart"}, PageViewed, {"name": "Cart"}),
    "group": ({"groupId": "g7", "traits": {"plan": "pro"}}, Tracked, {"name": "group"}),
    "alias": ({"previousId": "anon-1"}, Tracked, {"name": "alias"}),
}


def message(kind: str, **changes: Any) -> dict[str, Any]:
    return {"type": kind, "userId": "m1", "messageId": f"{kind}-1", "timestamp": AT} | CALLS[kind][0] | changes


@pytest.mark.parametrize("kind", CALLS)
async def test_every_call_is_kept_alone_by_both_names_and_in_a_batch(shop: Shopfront, kind: str) -> None:
    single = {key: value for key, value in message(kind).items() if key != "type"}
    for path, body in {kind: single, kind[0]: single, "batch": {"batch": [message(kind)]}}.items():
        answer = await shop.segment(json.dumps(body).encode(), f"/v1/{path}")
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    _, shape, values = CALLS[kind]
    for fact in shop.publisher.facts():
        assert isinstance(fact, shape)
        assert (fact.id, fact.at, fact.mode) == (f"{kind}-1", AT_MS, "live")
        assert {name: getattr(fact, name) for name in values} == values
    assert len(shop.publisher.facts()) == 3
    assert shop.publisher.of("rejected-events-v1") == []


async def test_a_group_keeps_what_was_said_of_it(shop: Shopfront) -> None:
    await shop.segment(
        json.dumps(message("group", traits={"plan": "pro", "email": "a@b.example"})).encode(), "/v1/group"
    )
    (fact,) = shop.publisher.facts()
    assert fact.extra == {"groupId": "g7", "traits": {"plan": "pro"}}


async def test_history_changes_states_and_carries_the_instant_before_which_nothing_fires(shop: Shopfront) -> None:
    order = message("track", event="Order Completed", properties={"order_id": "o1", "total": "9.90"})
    person = message("identify", traits={"consents": {"sms": True}, "phone": "13912345678"})
    late = message("track", messageId="late", sentAt="2026-01-01T00:00:00Z")
    body = json.dumps({"batch": [order, person, late], "sentAt": "2026-01-01T00:00:00Z", "writeKey": shop.import_key})

    answer = await shop.client.post("/v1/import", content=body)

    facts = shop.publisher.facts()
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert [type(fact).__name__ for fact in facts] == ["OrderPlaced", "TraitsSet", "ConsentSet", "Tracked"]
    assert {(fact.mode, fact.baseline, fact.confirmed, fact.at) for fact in facts} == {("import", NOW, False, AT_MS)}
    assert len(shop.publisher.of("contact-points-v1")) == 1


async def test_history_without_an_instant_goes_to_the_rejected_events(shop: Shopfront) -> None:
    timeless = {key: value for key, value in message("track").items() if key != "timestamp"}
    body = json.dumps({"batch": [timeless, message("page")], "writeKey": shop.import_key})
    assert (await shop.client.post("/v1/import", content=body)).status_code == 200
    (record,) = shop.publisher.of("rejected-events-v1")
    assert json.loads(record.value)["path"] == "$.batch[0].timestamp"
    assert json.loads(record.value)["history"] is True
    assert [fact.id for fact in shop.publisher.facts()] == ["page-1"]


async def test_history_sent_again_from_the_console_is_history_and_refused_again_makes_no_second_letter(
    shop: Shopfront,
) -> None:
    again = await posted(shop.client, shop.import_key, message("track", timestamp="no instant"), history=True)
    assert (again.status_code, again.json()["rejected"]) == (422, 1)
    assert shop.publisher.records == []
    assert (await posted(shop.client, shop.import_key, message("page"), history=True)).status_code == 200
    assert [(fact.id, fact.mode) for fact in shop.publisher.facts()] == [("page-1", "import")]


@pytest.mark.parametrize(
    ("prefer", "kept"),
    [
        ("handling=strict", 1),  # nobody would hear of it
        ("return=representation", 1),
        ("return=representation, handling=strict", 0),
        ('Handling = "Strict" ,Return=representation', 0),
    ],
)
async def test_what_is_refused_is_kept_unless_its_sender_hears_of_it_and_wants_it_back(
    shop: Shopfront, prefer: str, kept: int
) -> None:
    wrong = json.dumps({"batch": [message("track", timestamp="no instant")]}).encode()
    await shop.segment(wrong, prefer=prefer)
    assert len(shop.publisher.of("rejected-events-v1")) == kept


async def test_what_cannot_even_be_read_again_is_refused_and_ends_no_replay_of_many(shop: Shopfront) -> None:
    answer = await posted(shop.client, shop.key, {"customer": {}, "depth": _deep(200)})
    assert answer.status_code == 400
    refusal = refusal_of(answer)
    assert refusal is not None
    assert "deep" in refusal.reason


def _deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


async def test_a_sender_cannot_name_mode_or_baseline(shop: Shopfront) -> None:
    live = message("track", mode="import", baseline=1, confirmed=True)
    await shop.segment(json.dumps({"batch": [live]}).encode())
    past = json.dumps({"batch": [live | {"mode": "live", "baseline": None}], "writeKey": shop.import_key})
    await shop.client.post("/v1/import", content=past)
    assert [(fact.mode, fact.baseline, fact.confirmed) for fact in shop.publisher.facts()] == [
        ("live", None, False),
        ("import", NOW, False),
    ]


async def test_history_waits_while_the_chain_is_behind_and_live_events_do_not(shop: Shopfront) -> None:
    shop.brake.on = True
    past = json.dumps({"batch": [message("track")], "writeKey": shop.import_key})
    refused = await shop.client.post("/v1/import", content=past)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "busy", "2")
    assert (await shop.segment(json.dumps({"batch": [message("track")]}).encode())).status_code == 200
    shop.brake.on = False
    assert (await shop.client.post("/v1/import", content=past)).status_code == 200


async def test_a_scenario_has_no_now_for_history(tmp_path: Path) -> None:
    shop = Shopfront(tmp_path, scenario=True)
    past = json.dumps({"batch": [message("track")], "writeKey": shop.import_key})
    assert (await shop.client.post("/v1/import", content=past)).status_code == 409
    assert shop.publisher.records == []


async def test_a_wrong_clock_is_put_right_by_the_batch_s_and_by_a_call_s_own_sent_at(shop: Shopfront) -> None:
    told, sent = "2031-01-01T00:00:00Z", "2031-01-01T00:01:30Z"
    batch = {"batch": [message("track", timestamp=told)], "sentAt": sent}
    await shop.segment(json.dumps(batch).encode())
    await shop.segment(json.dumps(message("page", timestamp=told, sentAt=sent)).encode(), "/v1/page")
    assert [fact.at for fact in shop.publisher.facts()] == [NOW - 90_000, NOW - 90_000]


async def test_an_update_that_names_no_version_is_one_record_version_however_often_it_comes(shop: Shopfront) -> None:
    """Each attempt is put right by another amount; the version is by the sender's clock and stays."""
    order = message("track", event="Order Updated", properties={"order_id": "o1", "total": 1}, timestamp=AT)
    for second in range(2):
        batch = {"batch": [order], "sentAt": f"2025-06-30T09:30:0{second}+08:00"}
        await shop.segment(json.dumps(batch).encode())
    versions = {fact.version for fact in shop.publisher.facts() if isinstance(fact, OrderPlaced)}
    assert versions == {AT_MS}


PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-retry-count",
}


@pytest.mark.parametrize(
    ("allowed", "origin", "may"),
    [
        ("", "http://localhost:8000", True),
        ("", "https://127.0.0.1", True),
        ("", "http://[::1]:5173", True),
        ("", SHOP, False),
        ("", "null", False),
        ("", "http://localhost.evil.example", False),
        ("", "http://127.0.0.1.evil.example:80", False),
        (SHOP, SHOP, True),
        (f"{SHOP}, https://m.shop.example", "https://m.shop.example", True),
        (SHOP, "http://shop.example", False),
        (SHOP, "https://shop.example.evil.example", False),
        (SHOP, "http://localhost:8000", False),
        ("*", "https://anybody.example", True),
    ],
)
async def test_pages_of_allowed_origins_may_send(tmp_path: Path, allowed: str, origin: str, *, may: bool) -> None:
    shop = Shopfront(tmp_path, terms=Terms(origins=read_origins(allowed)))
    body = json.dumps(message("track")).encode()

    asked = await shop.client.options("/v1/t", headers=PREFLIGHT | {"origin": origin})
    sent = await shop.segment(body, "/v1/t", origin=origin)
    refused = await shop.client.post("/v1/t", content=body, headers={"origin": origin})

    assert (asked.status_code == 200) is may
    assert sent.status_code == 200  # CORS tells the browser; the key is what opens
    for answer in (asked, sent, refused):
        assert answer.headers.get("access-control-allow-origin") in ({origin, "*"} if may else {None})
        assert "access-control-allow-credentials" not in answer.headers
    if may:
        granted = asked.headers["access-control-allow-headers"].lower()
        assert all(name in granted for name in ("authorization", "content-type", "x-retry-count"))
        assert sent.headers["access-control-expose-headers"] == "Retry-After"


async def test_a_server_s_request_carries_no_cross_origin_headers(shop: Shopfront) -> None:
    answer = await shop.segment(json.dumps(message("track")).encode(), "/v1/t")
    assert not [name for name in answer.headers if name.startswith("access-control") or name == "vary"]


@pytest.mark.parametrize(
    "written", ["shop.example", "https://shop.example/", "https://a@b", "ftp://x", "https://", "x"]
)
def test_what_is_no_origin_is_refused_at_start(written: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        read_origins(f"{SHOP},{written}")


async def test_the_browser_sdk_is_told_to_send_here_and_nowhere_else(tmp_path: Path) -> None:
    shop = Shopfront(tmp_path)
    asked = await shop.client.get(f"/v1/projects/{shop.key}/settings", headers={"host": "collect.example:8443"})
    assert asked.json() == settings_document(shop.key, "http://collect.example:8443")
    assert (
        asked.json()["integrations"]["Segment.io"] | {"apiHost": "collect.example:8443/v1", "protocol": "http"}
        == (asked.json()["integrations"]["Segment.io"])
    )
    assert asked.json()["metrics"] == {"sampleRate": 0}  # else it reports to Segment's own host
    named = Shopfront(tmp_path / "named", terms=Terms(public_url="https://collect.shop.example"))
    told = (await named.client.get(f"/v1/projects/{named.key}/settings", headers={"host": "10.0.0.7"})).json()
    assert told["integrations"]["Segment.io"]["apiHost"] == "collect.shop.example/v1"
    assert told["integrations"]["Segment.io"]["protocol"] == "https"


@pytest.mark.parametrize("host", ["evil.example/x", "a b", 'x"y', "[::1", "", "a:99999999"])
async def test_a_host_that_is_none_is_not_repeated(shop: Shopfront, host: str) -> None:
    answer = await shop.client.get(f"/v1/projects/{shop.key}/settings", headers={"host": host})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/v1/batch/", "/v1", "/v1/nothing", "//v1/batch", "/V1/BATCH"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_answer_is_a_redirect(shop: Shopfront, path: str, method: str) -> None:
    answer = await shop.client.request(method, path, content=b"{}", headers=shop.basic)
    assert answer.status_code in {404, 405}
    assert set(answer.json()) >= {"code", "message"}


async def test_an_event_far_too_large_is_rejected_in_a_record_that_the_broker_takes(shop: Shopfront) -> None:
    huge = message("track", properties={str(number): "x" * 30_000 for number in range(33)})
    assert (await shop.segment(json.dumps({"batch": [huge, message("page")]}).encode())).status_code == 200
    (record,) = shop.publisher.of("rejected-events-v1")
    assert len(record.value) < 1_000_000
    assert [fact.id for fact in shop.publisher.facts()] == ["page-1"]
