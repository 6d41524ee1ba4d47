"""Orders by webhook: in any order of arrival and any number of copies the customer is as the latest version says."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from services.ingest import typed
from services.ingest.fields import EventRefusedError
from services.ingest.hooks.api import PROVIDERS
from services.ingest.hooks.delivery import Mapped
from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from services.ingest.strict_json import JsonRefusedError
from services.profile.fold import ProfileFold
from shared.contract.bundles import Profile, ProfileStep
from shared.contract.facts import ConsentSet, CustomerFact
from shared.contract.origin import NOWHERE
from shared.engine.fold.fold import Context
from shared.shop import DAY, Shop
from tests.support.hooks import GOLDEN, read, sent

DESK = Desk(Shop(), Pepper(bytes(range(32))))
ARRIVED = 1_760_000_000_000
CONTEXT = Context("key", "", ARRIVED - DAY, ARRIVED, NOWHERE)
Case = dict[str, Any]


def case(name: str, **body: Any) -> Case:
    """A golden call with other values in its body."""
    found = read(GOLDEN / f"{name}.json")
    return found | {"body": found["body"] | body}


def youzan(name: str, **facts: Any) -> Case:
    """A golden call of 有赞 with other values in its order."""
    found = read(GOLDEN / "youzan" / f"{name}.json")
    found["msg"]["full_order_info"]["order_info"] |= facts
    return found


def mapped(given: Case) -> Mapped:
    delivery, source = sent(given)
    return PROVIDERS[type(source)].map(delivery, source)


def facts_of(given: Case) -> list[CustomerFact]:
    return [fact for event in mapped(given).events for fact in typed.take(event, DESK, source="s").facts]  # type: ignore[misc]


def profile_of(calls: Sequence[Case | list[CustomerFact]]) -> Profile:
    """The profile after these calls, all taken under one customer id, as once the ids are linked."""
    fold = ProfileFold(Shop(), scenario=False)
    state = fold.empty()
    for each in calls:
        for fact in each if isinstance(each, list) else facts_of(each):
            outcome = fold.on_record(state, fact, CONTEXT)
            state = state if outcome is None else outcome.state
    current = fold.current(state, CONTEXT)
    assert current is not None
    (step,) = current.steps or ()
    assert isinstance(step, ProfileStep)
    return step.profile


@pytest.mark.parametrize(("state", "said"), [("subscribed", []), ("unsubscribed", [False])])
def test_of_shopifys_consents_without_a_date_only_refusals_count(state: str, said: list[bool]) -> None:
    consent = {"state": state, "opt_in_level": "single_opt_in", "consent_updated_at": None}
    facts = facts_of(case("shopify/customers_update", email_marketing_consent=consent, sms_marketing_consent=None))
    assert [fact.granted for fact in facts if isinstance(fact, ConsentSet)] == said


SHOPIFY = [
    case("shopify/orders_create"),
    case("shopify/orders_create", total_price="400.00", updated_at="2025-06-30T10:00:00+08:00"),
    case("shopify/orders_updated", total_price="410.00"),
    case("shopify/refunds_create"),
]
WOOCOMMERCE = [
    case("woocommerce/order_created"),
    case("woocommerce/order_created", total="240.00", status="completed", date_modified_gmt="2025-07-01T01:22:00"),
    case("woocommerce/order_updated_with_refund"),
]
YOUZAN = [
    youzan("paid"),
    youzan("buyer_pay"),
    youzan("buyer_pay", update_time="2021-03-07 18:02:56", status="WAIT_BUYER_CONFIRM_GOODS"),
    read(GOLDEN / "youzan" / "refund_success.json"),
    read(GOLDEN / "youzan" / "refund_success_new.json"),
]


@pytest.mark.parametrize(
    ("calls", "orders", "total"),
    [(SHOPIFY, 1, 41_000 - 19_400), (WOOCOMMERCE, 1, 0), (YOUZAN, 1, 21_900 - 5_000)],
    ids=["shopify", "woocommerce", "youzan"],
)
def test_any_order_of_arrival_and_any_repetition_leave_the_same_profile(
    calls: list[Case], orders: int, total: int
) -> None:
    told = [facts_of(call) for call in calls]
    profiles = [profile_of(order) for order in itertools.permutations(told)]
    profiles += [profile_of([*order, *order]) for order in itertools.permutations(told)]

    assert {(each.orders, each.total) for each in profiles} == {(orders, total)}
    assert len({msgspec.json.encode(each) for each in profiles}) == 1


def test_without_versions_the_order_of_arrival_would_count(monkeypatch: pytest.MonkeyPatch) -> None:
    real = typed.take

    def unversioned(event: Any, *given: Any, **more: Any) -> Any:
        return real({key: value for key, value in event.items() if key != "version"}, *given, **more)

    monkeypatch.setattr(typed, "take", unversioned)
    assert len({profile_of(list(order)).total for order in itertools.permutations(SHOPIFY)}) > 1


@pytest.mark.parametrize("provider", ["shopify", "woocommerce"])
def test_a_cancelled_order_counts_nowhere_whenever_the_news_comes(provider: str) -> None:
    name = {"shopify": "orders", "woocommerce": "order"}[provider]
    placed = case(f"{provider}/{name}_create{'d' if provider == 'woocommerce' else ''}")
    gone = case(f"{provider}/{name}_cancelled")

    for calls in ([placed, gone], [gone, placed], [gone, gone]):
        assert profile_of(calls).orders == 0


def test_two_messages_of_one_second_are_parted_by_their_state() -> None:
    """TRADE_PAID is a passing state: the same second brings the next one."""
    versions = [mapped(each).events[0]["version"] for each in (youzan("paid"), youzan("buyer_pay"))]  # type: ignore[index]

    assert versions[0] < versions[1]


def test_all_messages_of_an_order_are_known_by_the_order() -> None:
    """A refund names no buyer; the order's own name leads to him once the ids are linked."""
    names = [
        event["customer"]["anonymous"]  # type: ignore[index]
        for name in ("buyer_pay", "shipped", "success", "refund_success", "closed")
        for event in mapped(read(GOLDEN / "youzan" / f"{name}.json")).events
    ]

    assert set(names) == {"youzan/order/E20210307175649090904167"}


def test_without_order_names_what_names_no_buyer_is_left_out() -> None:
    for name in ("youzan/refund_success", "youzan/shipped", "shopify/refunds_create", "shopify/fulfillments_create"):
        given = read(GOLDEN / f"{name}.json")
        given["provider"]["order_ids"] = False
        assert mapped(given) == Mapped(ignored="names no buyer")


@pytest.mark.parametrize(
    ("options", "customer"),
    [
        ({}, {"unionid": "woocommerce/customer/26"}),
        ({"issuer": "shop-a"}, {"unionid": "shop-a/customer/26"}),
        ({"customer_ids": "member"}, {"member": "26"}),
        ({"customer_ids": "member", "issuer": "shop-a"}, {"member": "shop-a/26"}),
    ],
)
def test_whose_number_it_is_is_said_by_the_source(options: dict[str, str], customer: dict[str, str]) -> None:
    given = case("woocommerce/order_created")
    given["provider"] |= options
    (event,) = mapped(given).events

    assert customer.items() <= event["customer"].items()  # type: ignore[index]


def test_messages_of_other_shops_of_the_same_app_do_not_count() -> None:
    given = read(GOLDEN / "youzan" / "buyer_pay.json")
    given["provider"]["kdt_ids"] = [1]
    assert mapped(given).ignored == "of another shop"
    given["provider"]["kdt_ids"] = [1, 63077]
    assert len(mapped(given).events) == 1


def test_the_receivers_phone_names_the_buyer_only_where_the_shop_says_so() -> None:
    given = read(GOLDEN / "youzan" / "paid_by_wechat_fan_without_phone.json")
    assert "phone" not in mapped(given).events[0]["customer"]  # type: ignore[index]
    given["provider"]["receiver_is_buyer"] = True
    assert mapped(given).events[0]["customer"]["phone"] == "13900000009"  # type: ignore[index]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (case("shopify/orders_create", total_price="NaN"), "total_price"),
        (case("shopify/orders_create", total_price=None), "total_price"),
        (case("shopify/orders_create", id=None), "id"),
        (case("shopify/orders_create", updated_at="yesterday"), "updated_at"),
        (case("shopify/orders_create", customer=[1]), "customer"),
        (case("shopify/orders_create", line_items=[{"product_id": 1, "price": {}}]), "line_items[0].price"),
        (case("shopify/orders_create", line_items=[{"product_id": 1, "quantity": 1.5}]), "line_items[0].quantity"),
        (case("woocommerce/order_created", date_modified_gmt="2025-13-01T00:00:00"), "date_modified_gmt"),
        (case("woocommerce/order_created", total=True), "total"),
        (case("woocommerce/order_created", billing={"email": "x" * 300}), "billing.email"),
        (youzan("buyer_pay", tid=""), "msg.full_order_info.order_info.tid"),
        (youzan("buyer_pay", pay_time="2021-03-07T17:57:51+08:00"), "msg.full_order_info.order_info.pay_time"),
        (case("youzan/buyer_pay", type=None), "type"),
    ],
)
def test_a_payload_that_cannot_be_read_is_refused_by_field(given: Case, path: str) -> None:
    with pytest.raises(EventRefusedError) as refusal:
        mapped(given)
    assert refusal.value.path == path


def test_a_message_that_is_no_json_is_refused() -> None:
    given = read(GOLDEN / "youzan" / "refund_success_new.json")
    del given["object"]
    given["body"]["msg"] = "%7B%22tid"
    with pytest.raises(JsonRefusedError):
        mapped(given)
