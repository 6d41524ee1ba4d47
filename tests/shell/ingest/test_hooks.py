"""`POST /hooks/{source}` in memory: authentic calls are published before they are answered, all others change nothing."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from services.console.letter_sender import posted
from services.ingest import declarations_api
from services.ingest.__main__ import main
from services.ingest.app import create_app
from services.ingest.declarations import Declarations
from services.ingest.gate import Gate
from services.ingest.hooks import api
from services.ingest.hooks.delivery import LIMITS
from services.ingest.hooks.repeats import Repeats
from services.ingest.hooks.sources import (
    AnySource,
    HookSources,
    HookSourcesError,
    change_sources,
    read_sources,
    source_of,
)
from services.ingest.identifiers import Pepper
from services.ingest.intake import Intake
from services.ingest.people import Desk
from services.ingest.seal_memory import SealMemory
from services.ingest.write_keys import Scope, WriteKeys, add_key
from shared.contract.broadcasts import SourceCompleted
from shared.contract.codec import decode_front
from shared.contract.facts import CustomerErased, OrderPlaced
from shared.contract.topics import PARTITIONS
from shared.sealing import Keyring
from shared.shop import Shop
from tests.shell.ingest.harness import RecordingPublisher
from tests.support.hooks import GOLDEN, SECRETS, SIGNED_AT, cases, raw_of, read, signature

Case = dict[str, Any]


class Hooked:
    """The application with a source of each provider, and what the publisher got."""

    def __init__(self, folder: Path) -> None:
        self.file, keys = folder / "hooks.json", folder / "keys"
        self.key, self.import_key = add_key(keys, "shop", [Scope.LIVE]), add_key(keys, "files", [Scope.IMPORT])
        providers = {path.parent.name: read(path)["provider"] for path in cases()}
        sources = [source_of(each | {"secrets": [SECRETS[name]]}) for name, each in sorted(providers.items())]
        change_sources(self.file, lambda _: sources)
        self.seconds, self.now_ms = 0.0, SIGNED_AT * 1_000
        self.publisher, self.keyring = RecordingPublisher(), Keyring.create(folder / "keyring")
        memory = SealMemory(lambda: self.seconds)
        desk = Desk(Shop(), Pepper(bytes(range(32))))
        intake = Intake(desk, self.keyring, self.publisher, memory, now_ms=lambda: self.now_ms)
        gate = Gate(WriteKeys.load(keys), lambda: self.seconds)
        declared = Declarations(self.publisher, lambda: self.now_ms)
        sources_now = HookSources(self.file, lambda: self.seconds)
        routes = api.routes(intake, sources_now, declared, now_ms=lambda: self.now_ms)
        app = create_app(intake, gate, more=[routes, declarations_api.routes(declared, gate)])
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ingest")

    async def post(self, case: Case, *, source: str = "", call: str = "msg_1", **headers: str) -> httpx2.Response:
        provider, raw = case["provider"]["provider"], raw_of(case)
        signed = case["headers"] | signature(provider, raw, SECRETS[provider], case, call) | headers
        return await self.client.post(f"/hooks/{source or provider}", content=raw, headers=signed)

    async def complete(self, body: bytes, key: str = "") -> httpx2.Response:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return await self.client.post("/api/v1/sources/complete", content=body, headers=headers)

    def declared(self) -> list[tuple[int, SourceCompleted]]:
        """(partition, declaration) of every declaration published."""
        front = self.publisher.of("customer-events-v1")
        read = [(record.partition, decode_front(record.value)) for record in front if record.key is None]
        return [(partition, told) for partition, told in read if isinstance(told, SourceCompleted)]

    def opened(self) -> list[bytes]:
        """What stands sealed in the rejected events."""
        found = [json.loads(record.value) for record in self.publisher.of("rejected-events-v1")]
        return [
            self.keyring.open_bytes("rejected-event", each["id"], base64.b64decode(each["sealed"])) for each in found
        ]


@pytest.fixture
def hooked(tmp_path: Path) -> Hooked:
    return Hooked(tmp_path)


def golden(name: str) -> Case:
    return read(GOLDEN / f"{name}.json")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("youzan/buyer_pay", {"code": 0, "msg": "success"}),
        ("youzan/test_message", {"code": 0, "msg": "success"}),
        ("shopify/orders_create", {"status": "taken", "accepted": 1, "rejected": 0}),
        ("shopify/products_update", {"status": "ignored", "reason": "of a topic that is not used"}),
        ("woocommerce/order_created", {"status": "taken", "accepted": 1, "rejected": 0}),
        (
            "generic/single",
            {
                "status": "taken",
                "accepted": 1,
                "rejected": 0,
                "results": [{"id": "pos-7-000123", "status": "accepted"}],
            },
        ),
    ],
)
async def test_a_provider_hears_what_it_understands(hooked: Hooked, name: str, answer: dict[str, Any]) -> None:
    told = await hooked.post(golden(name))

    assert (told.status_code, told.json()) == (200, answer)
    placed = [event for event in golden(name).get("events", []) if event["type"] == "order.placed"]
    assert [fact.id for fact in hooked.publisher.facts()] == [event["id"] for event in placed]
    assert {fact.source for fact in hooked.publisher.facts()} <= {name.partition("/")[0]}


async def test_nothing_is_answered_before_the_broker_has_it(hooked: Hooked) -> None:
    hooked.publisher.held.clear()
    calling = asyncio.create_task(hooked.post(golden("youzan/buyer_pay")))
    await asyncio.sleep(0.05)
    assert not calling.done()
    hooked.publisher.held.set()
    assert (await calling).json()["msg"] == "success"


async def test_without_the_broker_no_provider_hears_of_success(hooked: Hooked) -> None:
    hooked.publisher.away = True
    for name in ("youzan/buyer_pay", "shopify/orders_create", "woocommerce/order_created", "generic/single"):
        told = await hooked.post(golden(name))
        assert (told.status_code, told.headers["retry-after"]) == (503, "5")
        assert b"success" not in told.content
    hooked.publisher.away = False
    for name in ("youzan/buyer_pay", "shopify/orders_create", "woocommerce/order_created", "generic/single"):
        assert (await hooked.post(golden(name))).status_code == 200  # not taken for a repetition
    assert len(hooked.publisher.facts()) == 4


@pytest.mark.parametrize("name", ["generic/single", "shopify/orders_create", "woocommerce/order_created"])
async def test_the_same_call_again_does_nothing_and_is_answered_so_that_it_ends(hooked: Hooked, name: str) -> None:
    assert (await hooked.post(golden(name))).json()["status"] == "taken"
    assert (await hooked.post(golden(name))).json() == {"status": "repeated"}
    assert len(hooked.publisher.facts()) == 1


async def test_a_forgotten_repetition_leads_to_the_same_ids(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Repeats, "known", lambda *_: False)
    for _ in range(2):
        assert (await hooked.post(golden("generic/single"))).json()["status"] == "taken"
    assert [fact.id for fact in hooked.publisher.facts()] == ["pos-7-000123"] * 2


async def test_an_id_alone_makes_no_repetition(hooked: Hooked) -> None:
    """Shopify's id stands outside its signature."""
    other = golden("shopify/orders_create") | {"headers": golden("shopify/orders_updated")["headers"]}
    other["body"] = golden("shopify/orders_create")["body"] | {"id": 1}
    assert (await hooked.post(golden("shopify/orders_create"))).json()["status"] == "taken"
    other["headers"] = golden("shopify/orders_create")["headers"]
    assert (await hooked.post(other)).json()["status"] == "taken"


def test_the_memory_of_repetitions_is_bounded() -> None:
    repeats = Repeats(most=3)
    for number in range(5):
        repeats.take("s", str(number), b"")
    assert [repeats.known("s", str(number), b"") for number in range(5)] == [False, False, True, True, True]


async def test_an_old_call_is_refused_and_says_why(hooked: Hooked) -> None:
    hooked.now_ms += 300_001
    told = await hooked.post(golden("generic/single"))
    assert (told.status_code, told.json()["code"]) == (401, "bad_signature")
    assert "300 s" in told.json()["message"]
    assert hooked.publisher.records == []


@pytest.mark.parametrize(
    "name", ["youzan/buyer_pay", "generic/single", "shopify/orders_create", "woocommerce/order_created"]
)
async def test_a_forged_call_publishes_nothing(hooked: Hooked, name: str) -> None:
    case = golden(name)
    provider = case["provider"]["provider"]
    body = raw_of(case)
    told = await hooked.client.post(f"/hooks/{provider}", content=body, headers=case["headers"])
    assert told.status_code == 401
    assert b"success" not in told.content
    assert hooked.publisher.records == []


@pytest.mark.parametrize("source", ["nobody", "youzan2", "..", "%00", "shop%2Fify", "x" * 5_000])
async def test_an_unknown_source_is_not_there(hooked: Hooked, source: str) -> None:
    told = await hooked.client.post(f"/hooks/{source}", content=b"{}")
    assert told.status_code == 404
    assert b"success" not in told.content


def test_without_a_file_no_source_is_there() -> None:
    sources = HookSources(None, lambda: 0.0)
    assert sources.find("youzan") is None


async def test_a_bad_event_of_a_batch_is_kept_sealed_and_the_others_are_taken(hooked: Hooked) -> None:
    batch = golden("generic/batch")
    batch["body"]["events"].insert(1, {"type": "order.placed", "id": "bad", "at": "now", "customer": {"member": "m"}})
    told = (await hooked.post(batch)).json()

    assert (told["accepted"], told["rejected"]) == (2, 1)
    assert told["results"][1]["status"] == "rejected"
    (kept,) = hooked.publisher.of("rejected-events-v1")
    assert json.loads(kept.value)["path"].startswith("$.events[1]")
    assert json.loads(hooked.opened()[0])["id"] == "bad"


async def test_what_was_refused_can_be_mended_and_sent_again_as_replays_do(hooked: Hooked) -> None:
    await hooked.post(golden("generic/single") | {"body": golden("generic/single")["body"] | {"at": "yesterday"}})
    (kept,) = hooked.opened()
    mended = json.loads(kept) | {"at": "2025-06-30T09:21:33+08:00"}
    told = await posted(hooked.client, hooked.key, mended)

    assert (told.status_code, told.json()["accepted"]) == (200, 1)
    assert [fact.id for fact in hooked.publisher.facts()] == ["pos-7-000123"]


@pytest.mark.parametrize(
    ("name", "body", "path"),
    [
        ("shopify/orders_create", b'{"id":1,"id":2}', "$.id"),
        ("shopify/orders_create", b"\xff\xfe", "$"),
        ("woocommerce/order_created", b"[]", "$"),
        (
            "woocommerce/order_created",
            b'{"id":1,"status":"completed","billing":{"email":"a@example.com"}}',
            "$.date_modified_gmt",
        ),
        ("generic/single", b"[" * 5_000, "$"),
    ],
)
async def test_what_an_authentic_call_says_unreadably_is_kept_and_not_sent_again(
    hooked: Hooked, name: str, body: bytes, path: str
) -> None:
    """A provider would send it for two days, or switch the webhook off."""
    case = golden(name)
    provider = case["provider"]["provider"]
    if provider == "generic":
        signed = Webhook(SECRETS["generic"]).sign("m", datetime.fromtimestamp(SIGNED_AT, UTC), body.decode())
        headers = {"webhook-id": "m", "webhook-timestamp": str(SIGNED_AT), "webhook-signature": signed}
    else:
        headers = case["headers"] | signature(provider, body, SECRETS[provider], case)
    told = await hooked.client.post(f"/hooks/{provider}", content=body, headers=headers)

    assert (told.status_code, told.json()["rejected"]) == (200, 1)
    (kept,) = hooked.publisher.of("rejected-events-v1")
    assert json.loads(kept.value)["path"] == path
    assert hooked.opened() == [body]
    assert hooked.publisher.facts() == []


async def test_large_and_bursting_bodies_are_refused(hooked: Hooked) -> None:
    plain = await hooked.client.post("/hooks/shopify", content=b" " * (LIMITS.body + 1))
    packed = gzip.compress(b" " * (LIMITS.body + 1))
    bomb = await hooked.client.post("/hooks/shopify", content=packed, headers={"content-encoding": "gzip"})
    assert (plain.status_code, bomb.status_code) == (413, 413)
    assert len(packed) < 10_000


async def test_shopify_s_redaction_erases_every_id_of_the_person_once(hooked: Hooked) -> None:
    redaction = golden("shopify/customers_redact")
    assert (await hooked.post(redaction)).json() == {"status": "taken", "accepted": 1, "rejected": 0}
    assert (await hooked.post(redaction)).json() == {"status": "repeated"}
    facts = hooked.publisher.facts()
    assert [type(fact) for fact in facts] == [CustomerErased] * 3
    assert {fact.at for fact in facts} == {1_751_508_000_123}
    assert len({record.key for record in hooked.publisher.records}) == 3


async def test_a_redaction_with_a_number_that_identifies_nobody_erases_by_the_rest(hooked: Hooked) -> None:
    """The shop's orders with such a number were taken without it."""
    case = golden("shopify/customers_redact")
    case["body"]["customer"]["phone"] = "+1 (555) 010-9999"
    assert (await hooked.post(case)).json()["accepted"] == 1
    assert len(hooked.publisher.facts()) == 2


@pytest.mark.parametrize("wrong", [{"customer": {}}, {"customer": {"phone": "139****0002"}}, {"shop_domain": ""}])
async def test_a_redaction_that_names_nobody_is_kept_for_the_shop_to_see(hooked: Hooked, wrong: Case) -> None:
    case = golden("shopify/customers_redact")
    case["body"] |= wrong
    assert (await hooked.post(case)).json() == {"status": "taken", "accepted": 0, "rejected": 1}
    assert hooked.publisher.facts() == []
    assert hooked.opened() == [raw_of(case)]


async def test_an_order_sent_again_as_a_redaction_erases_nobody(hooked: Hooked) -> None:
    """Shopify signs the body alone."""
    case = golden("shopify/orders_create")
    case["headers"] |= {"x-shopify-topic": "customers/redact"}
    assert (await hooked.post(case)).json()["rejected"] == 1
    assert hooked.publisher.facts() == []


async def test_woocommerces_unsigned_ping_is_answered_and_means_nothing(hooked: Hooked) -> None:
    ping = {"content-type": "application/x-www-form-urlencoded"}
    assert (await hooked.client.post("/hooks/woocommerce", content=b"webhook_id=12", headers=ping)).status_code == 200
    assert (await hooked.client.post("/hooks/woocommerce", content=b"webhook_id=12&a=b")).status_code == 401
    assert (await hooked.client.post("/hooks/shopify", content=b"webhook_id=12")).status_code == 401
    assert hooked.publisher.records == []


async def test_addresses_are_sealed_and_nowhere_in_clear(hooked: Hooked) -> None:
    for path in cases():
        await hooked.post(read(path), call=path.stem)
    clear = b"".join(record.value or b"" for record in hooked.publisher.records)
    found = [
        word
        for word in ("139000000", "example.com", "oABCDEFG", "张三丰", "Meimei", "115310627314723954")
        if word.encode() in clear
    ]
    assert found == []
    assert {json.loads(record.value)["field"] for record in hooked.publisher.of("contact-points-v1")} >= {
        "phone",
        "email",
        "openid",
        "name",
    }


async def test_a_changed_file_counts_within_a_second(hooked: Hooked) -> None:
    change_sources(hooked.file, lambda sources: [each for each in sources if each.name != "shopify"])
    assert (await hooked.post(golden("shopify/orders_create"))).status_code == 200
    hooked.seconds += 1
    assert (await hooked.post(golden("shopify/orders_create"))).status_code == 404


async def test_a_broken_file_leaves_what_was_read_last_in_force(hooked: Hooked) -> None:
    hooked.file.write_bytes(b"{")
    hooked.seconds += 1
    assert (await hooked.post(golden("shopify/orders_create"))).status_code == 200


# -------------------------------------------------------------------------------------------------- declarations


async def test_a_declaration_goes_into_every_partition(hooked: Hooked) -> None:
    told = await hooked.complete(b'{"until":"2025-10-09T08:00:00Z"}')

    assert (told.status_code, told.json()) == (200, {"source": "shop", "until": "2025-10-09T08:00:00.000Z"})
    assert hooked.declared() == [(n, SourceCompleted("shop", 1_759_996_800_000)) for n in range(PARTITIONS)]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"until":"2025-10-09T08:00:00"}', "until"),
        (b'{"until":"2025-10-09T09:00:00Z"}', "until"),
        (b"{}", "until"),
        (b"[]", ""),
        (b'{"until":"2025-10-09T08:00:00Z","source":"pos"}', "source"),
        (b'{"until":"2025-10-09T08:00:00Z","type":"order.placed"}', "type"),
        (b'{"until":"2025-10-09T08:00:00Z","more":1}', "*"),
    ],
)
async def test_a_declaration_that_makes_no_sense_is_refused_by_field(hooked: Hooked, body: bytes, path: str) -> None:
    told = await hooked.complete(body)
    assert (told.status_code, told.json()["path"]) == (422, path)
    assert hooked.declared() == []


async def test_only_a_live_key_declares(hooked: Hooked) -> None:
    body = b'{"until":"2025-10-09T08:00:00Z"}'
    assert (await hooked.complete(body, "hk_nobody")).status_code == 401
    assert (await hooked.complete(body, hooked.import_key)).status_code == 403
    assert hooked.declared() == []


async def test_what_lies_a_little_ahead_counts_as_now(hooked: Hooked) -> None:
    told = await hooked.complete(b'{"until":"2025-10-09T08:55:00Z"}')
    assert told.status_code == 200
    assert {declared.until for _, declared in hooked.declared()} == {hooked.now_ms}


async def test_a_push_declares_behind_its_own_events(hooked: Hooked) -> None:
    push = golden("generic/batch")
    push["body"]["events"].insert(0, {"type": "source.completed", "id": "d1", "until": "2025-10-09T08:00:00Z"})
    told = (await hooked.post(push)).json()

    assert (told["accepted"], told["rejected"]) == (3, 0)
    places = [record.key is None for record in hooked.publisher.of("customer-events-v1")]
    assert places.count(False) > 2  # a link stands before the events that name its ids
    assert places == sorted(places)
    assert places.count(True) == PARTITIONS
    assert {declared.source for _, declared in hooked.declared()} == {"generic"}


async def test_a_push_of_which_an_event_was_refused_declares_nothing(hooked: Hooked) -> None:
    """Not everything was told: the refused one may have been the purchase."""
    push = golden("generic/batch")
    push["body"]["events"] += [{"type": "nonsense"}, {"type": "source.completed", "until": "2025-10-09T08:00:00Z"}]
    told = (await hooked.post(push)).json()

    assert (told["accepted"], told["rejected"]) == (2, 2)
    assert "not everything was told" in told["results"][-1]["error"]["reason"]
    assert hooked.declared() == []


# --------------------------------------------------------------------------------------------------------- the file


def sources_of(*given: dict[str, Any]) -> list[AnySource]:
    return [source_of({"name": "a", "provider": "shopify", "secrets": ["s" * 16]} | each) for each in given]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"secrets": []}, "secrets"),
        ({"secrets": ["short"]}, "secrets"),
        ({"secrets": ["s" * 16] * 3}, "secrets"),
        ({"provider": "taobao"}, "taobao"),
        ({"provider": "youzan"}, "client_id"),
        ({"colour": "red"}, "colour"),
        ({"customer_ids": "phone"}, "customer_ids"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused_by_field(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HookSourcesError, match=sentence):
        sources_of(given)


@pytest.mark.parametrize(
    "given", [[{}, {}], [{"name": "A"}], [{"name": "a/b"}], [{"issuer": "Ü"}], [{"provider": "generic"}]]
)
def test_names_are_unique_and_addresses(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    with pytest.raises(HookSourcesError, match=r"sources\[\d\]\.(name|issuer|secrets)"):
        change_sources(tmp_path / "f", lambda _: sources_of(*given))
    assert not (tmp_path / "f").exists()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "hooks.json"
    change_sources(file, lambda _: sources_of({}))
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(HookSourcesError, match="must be 0600"):
        HookSources(file, lambda: 0.0)


def test_no_secret_shows_in_a_source() -> None:
    (source,) = sources_of({"secrets": ["very-secret-indeed"]})
    assert "very" not in repr(source)


# ------------------------------------------------------------------------------------------------------ the commands


def test_a_source_is_added_rotated_and_removed_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hooks.json"
    monkeypatch.setenv("HUITOU_HOOKS_FILE", str(file))
    assert main(["hooks", "add", "oms", "generic", "--set", "issuer=tmall"]) == 0
    first = capsys.readouterr().out.strip()
    assert first.startswith("whsec_")
    assert main(["hooks", "rotate", "oms"]) == 0
    second = capsys.readouterr().out.strip()
    assert read_sources(file)[0].secrets == [second, first]
    assert main(["hooks", "rotate", "oms"]) == 0
    assert first not in read_sources(file)[0].secrets
    assert main(["hooks", "list"]) == 0
    shown = capsys.readouterr().out
    assert '"issuer":"tmall"' in shown
    assert "whsec" not in shown.splitlines()[-1]
    assert main(["hooks", "remove", "oms"]) == 0
    assert read_sources(file) == []


def test_a_providers_secret_is_read_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUITOU_HOOKS_FILE", str(tmp_path / "hooks.json"))
    monkeypatch.setattr("sys.stdin", io.StringIO("b8fca94e508ac942de\n"))
    assert main(["hooks", "add", "yz", "youzan", "--set", "client_id=c0ffee", "--set", "kdt_ids=[63077]"]) == 0
    (source,) = read_sources(tmp_path / "hooks.json")
    assert (source.secrets, getattr(source, "kdt_ids", None)) == (["b8fca94e508ac942de"], [63077])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["hooks", "remove", "x"], "no such source"),
        (["hooks", "rotate", "x"], "no such source"),
        (["hooks", "add", "x", "youzan"], "client_id"),
        (["hooks", "add", "X", "generic"], "lower-case"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    change_sources(tmp_path / "hooks.json", list)
    monkeypatch.setenv("HUITOU_HOOKS_FILE", str(tmp_path / "hooks.json"))
    monkeypatch.setattr("sys.stdin", io.StringIO("b8fca94e508ac942de\n"))
    assert main(arguments) == 1
    assert sentence in capsys.readouterr().err


async def test_an_order_is_the_same_by_webhook_and_by_the_typed_api(hooked: Hooked) -> None:
    await hooked.post(golden("youzan/buyer_pay"))
    (fact,) = hooked.publisher.facts()
    assert isinstance(fact, OrderPlaced)
    assert (fact.amount, fact.discount, fact.version) == (21_900, 2_500, 1_615_111_076_003)
    assert fact.contacts == ("phone", "openid")
