"""The public SDKs as they are, against ingest on a real broker: each call becomes its fact, and retries have one effect."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest

from shared.contract.bundles import ProfileUpdated
from shared.contract.codec import decode_front
from shared.contract.facts import Fact, OrderPlaced, PageViewed, Tracked, TraitsSet
from shared.contract.topics import CUSTOMER_EVENTS, PROFILE_UPDATES, REJECTED_EVENTS
from shared.instants import parse_instant
from tests.bench.peers.environments import UnavailableError
from tests.sdks import runners
from tests.sdks.relay import Fault, Relay, relay
from tests.sdks.table import CALLS, PROPERTY
from tests.support.shop_house import ShopHouse

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

AT = "2025-06-30T09:21:33.123+00:00"
KINDS: dict[str, type[Fact]] = {
    "identify": TraitsSet,
    "track": OrderPlaced,
    "page": PageViewed,
    "screen": PageViewed,
    "group": Tracked,
}
"""alias is not here: it is kept, but may say who somebody is rather than become a fact of its own."""


class Sdk(NamedTuple):
    name: str
    run: runners.Run
    gzips: bool
    """Whether it can compress."""
    linger: float = 0.0
    """Seconds that a page must stay open: it sends in the background."""


SDKS = (
    Sdk("Segment Python", runners.python, gzips=True),
    Sdk("Segment Node", runners.segment_node, gzips=False),
    Sdk("RudderStack Node", runners.rudder_node, gzips=True),
    Sdk("Segment browser (analytics-next)", runners.page, gzips=False, linger=4.0),
)


def each(sdks: Iterable[Sdk]) -> pytest.MarkDecorator:
    """One test an SDK; `make test` tries the first of them, `make proof` all."""
    given = [sdk if sdk is SDKS[0] else pytest.param(sdk, marks=pytest.mark.proof) for sdk in sdks]
    return pytest.mark.parametrize("sdk", given, ids=lambda sdk: sdk.name)


async def use(house: ShopHouse, sdk: Sdk, user: str, fault: Fault, *, gzip: bool = False) -> tuple[Relay, str]:
    """The SDK's calls by way of a relay; the relay, and the SDK's version."""
    async with relay(urlsplit(house.stack.http_url).port or 0, fault) as passed:
        calls = {
            "url": passed.url,
            "key": house.key,
            "user": user,
            "anonymous": f"anonymous-{user}",
            "at": AT,
            "gzip": gzip,
            "linger": sdk.linger if fault else 1.0,
            "traits": {"city": "上海", "phone": "13912345678"},
            "order": {"order_id": f"order-{user}", "total": 239.5, "currency": "CNY", "coupon": "满300减80"},
        }
        try:
            said = await sdk.run(calls)
        except UnavailableError as reason:
            if os.environ.get("HUITOU_SDKS") == "required":
                raise
            pytest.skip(f"{sdk.name}: {reason}")
    assert said["failures"] == []
    return passed, str(said["version"])


def ids(passed: Relay) -> dict[str, str]:
    """The messageId of each kind of call."""
    found: dict[str, set[str]] = {}
    for message in passed.messages():
        found.setdefault(message["type"], set()).add(message["messageId"])
    assert sorted(found) == sorted(CALLS)
    assert all(len(each) == 1 for each in found.values()), "a retry changed a messageId"
    return {kind: each.pop() for kind, each in found.items()}


async def facts(house: ShopHouse) -> dict[str, list[tuple[bytes, Fact]]]:
    """What stands in customer-events-v1, by event id, with the customer."""
    found: dict[str, list[tuple[bytes, Fact]]] = {}
    for record in await house.topic(CUSTOMER_EVENTS.name):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # other tests write what nobody can read
            fact = decode_front(record.value or b"")
            if isinstance(fact, Fact):
                found.setdefault(fact.id, []).append((record.key or b"", fact))
    return found


async def effects(house: ShopHouse, customer: bytes) -> tuple[Counter[str], ProfileUpdated]:
    """How often each event moved the profile of a customer, and its last state, when profile has taken everything."""
    sent = len([one for each in (await facts(house)).values() for one in each])
    for _ in range(200):
        updates = [
            msgspec.json.decode(record.value or b"", type=ProfileUpdated)
            for record in await house.topic(PROFILE_UPDATES.name)
            if record.key == customer and b'"profile.updated"' in (record.value or b"")
        ]
        happened = Counter(one.id for update in updates for step in update.steps for one in step.happened)
        if updates and updates[-1].steps[-1].profile.orders:
            return happened, updates[-1]
        await asyncio.sleep(0.1)
    raise AssertionError(f"profile told nothing of the customer, with {sent} facts in the log")


@each(SDKS)
async def test_each_call_becomes_its_fact(
    house: ShopHouse, sdk: Sdk, record_property: Callable[[str, object], None]
) -> None:
    user = f"plain-{SDKS.index(sdk)}"
    passed, version = await use(house, sdk, user, "")
    named, known = ids(passed), await facts(house)
    for kind in CALLS:
        shape = KINDS.get(kind, Fact)
        assert {type(fact) for _, fact in known[named[kind]]} == {shape} or kind == "alias", kind
        assert all(fact.at == parse_instant(AT) for _, fact in known[named[kind]]), kind
    _, order = known[named["track"]][0]  # a busy machine may have made the SDK try again
    assert isinstance(order, OrderPlaced)
    assert (order.order_id, order.amount, order.coupon) == (f"order-{user}", 23_950, "满300减80")
    _, person = known[named["identify"]][0]
    assert isinstance(person, TraitsSet)
    assert (person.traits, person.contacts) == ({"city": "上海"}, ("phone",))
    assert {request.status for request in passed.seen} - {503} == {200}
    rejected = await house.topic(REJECTED_EVENTS.name)
    assert [record for record in rejected if user.encode() in (record.value or b"")] == []
    for kind in CALLS:
        record_property(PROPERTY, f"{sdk.name} {version}\t{kind}\t200, fact")


@each(sdk for sdk in SDKS if sdk.gzips)
async def test_compressed_requests_are_taken(
    house: ShopHouse, sdk: Sdk, record_property: Callable[[str, object], None]
) -> None:
    passed, version = await use(house, sdk, f"gzip-{SDKS.index(sdk)}", "", gzip=True)
    assert {request.headers.get("content-encoding") for request in passed.seen} == {"gzip"}
    known = await facts(house)
    assert all(named in known for named in ids(passed).values())
    record_property(PROPERTY, f"{sdk.name} {version}\tgzip\t200, fact")


@pytest.mark.parametrize("fault", ["503", "cut"])
@each(SDKS)
async def test_what_is_sent_again_has_one_effect(
    house: ShopHouse, sdk: Sdk, fault: Fault, record_property: Callable[[str, object], None]
) -> None:
    user = f"again-{fault}-{SDKS.index(sdk)}"
    passed, version = await use(house, sdk, user, fault)
    named, known = ids(passed), await facts(house)
    (struck,) = (request for request in passed.seen if request.fault)
    assert (struck.fault, struck.status) == (fault, 503 if fault == "503" else 200)
    repeated = {message["messageId"] for message in struck.messages}
    times = Counter(message["messageId"] for message in passed.messages())
    assert all(times[message] >= 2 for message in repeated), "the SDK did not try again"
    if fault == "cut":
        assert all(len(known[message]) >= 2 for message in repeated), "nothing came twice: the test proves nothing"
    customer, _ = known[named["track"]][0]
    happened, last = await effects(house, customer)
    assert (last.steps[-1].profile.orders, last.steps[-1].profile.total) == (1, 23_950)
    assert [message for message in named.values() if happened[message] > 1] == []
    column = "503, then again" if fault == "503" else "cut after acceptance"
    record_property(PROPERTY, f"{sdk.name} {version}\t{column}\tone effect")
