"""有赞's message pushes: signature and events, pure functions. Knows 有赞's messages; not HTTP, topics or seals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import unquote_plus

import msgspec

from services.ingest.fields import Fields
from services.ingest.hooks.delivery import LIMITS, Delivery, Mapped, Provider, SignatureRefusedError, issuer
from services.ingest.hooks.reading import (
    BEIJING,
    amount,
    buyer,
    known_by,
    moment,
    needed,
    needed_amount,
    needed_moment,
    text,
    written,
)
from services.ingest.hooks.signatures import matches, md5_hex
from services.ingest.hooks.sources import Youzan
from services.ingest.strict_json import parse
from shared.instants import parse_instant

_PAID: Final = {
    "TRADE_PAID": 1,
    "WAIT_CONFIRM": 2,
    "WAIT_SELLER_SEND_GOODS": 3,
    "WAIT_BUYER_CONFIRM_GOODS": 4,
    "TRADE_SUCCESS": 5,
}
"""States of a paid order in their order; it parts messages of the same second."""
_WECHAT_FAN: Final = "1"
_NEVER_PAID: Final = "1"
_NO_MONEY: Final = "EXCHANGE_GOODS_FLOW"


def verify(delivery: Delivery, source: Youzan, _: int) -> None:
    """SignatureRefusedError unless the header Event-Sign, or without one the body's `sign` over `msg`, is right."""
    client = source.client_id.encode()
    header = delivery.header("event-sign")
    if header or source.event_sign:
        given, signed = header, delivery.raw
    else:
        given, signed = _signed(delivery)
    expected = (md5_hex(client, signed, secret.encode()) for secret in source.secrets)
    if not matches([given.lower()], expected):
        raise SignatureRefusedError("Event-Sign, or sign: is missing or wrong")


def map_events(delivery: Delivery, source: Youzan) -> Mapped:
    """The events of one message; most kinds of message say nothing about customers."""
    body = Fields(parse(delivery.raw, LIMITS))
    if _is_test(body):
        return Mapped(ignored="a test message")
    kind, shop = needed(body, "type"), text(body, "kdt_id")
    if source.kdt_ids and shop not in {str(each) for each in source.kdt_ids}:
        return Mapped(ignored="of another shop")
    take = _KINDS.get(kind)
    if take is None:
        return Mapped(ignored="of a kind that says nothing about customers")
    return take(_opened(body), source)


def _is_test(body: Fields) -> bool:
    _, value = body.raw("test")
    return value is True or value == "true"


def _trade(message: Fields, source: Youzan) -> Mapped:
    """A message that carries the whole order."""
    order = message.section("full_order_info")
    facts, pay = order.section("order_info"), order.section("pay_info")
    order_id, status = needed(facts, "tid"), text(facts, "status")
    rank = _PAID.get(status)
    if rank is None:
        return Mapped(ignored="an order that is not paid")
    who = _buyer(order, order_id, source)
    if not who:
        return Mapped(ignored="names no buyer")
    at = moment(facts, "pay_time", offset=BEIJING) or needed_moment(facts, "created", offset=BEIJING)
    version = parse_instant(moment(facts, "update_time", offset=BEIJING) or at) + rank
    paid = needed_amount(pay, "payment")
    full = (amount(pay, "total_fee") or paid) + (amount(pay, "post_fee") or 0)
    given = {
        "type": "order.placed",
        "id": f"{issuer(source)}/order/{order_id}/{version}",
        "at": at,
        "customer": who,
        "order_id": order_id,
        "version": version,
        "amount": written(paid),
        "discount": written(full - paid),
        "currency": source.currency,
        "channel": "youzan",
        "shop_id": text(facts, "offline_id", "node_kdt_id"),
        "lines": [line for item in order.sections("orders") if (line := _line(item))],
    }
    return Mapped((given,))


def _line(item: Fields) -> dict[str, Any] | None:
    product = text(item, "outer_item_id", "item_id")
    if not product:
        return None
    quantity = item.integer("num", least=0, default=1)
    return {
        "product": product,
        "quantity": quantity,
        "amount": written(needed_amount(item, "payment", "total_fee")),
    }


def _buyer(order: Fields, order_id: str, source: Youzan) -> dict[str, str]:
    who, address = order.section("buyer_info"), order.section("address_info")
    phone = text(who, "buyer_phone") or (text(address, "receiver_tel") if source.receiver_is_buyer else "")
    openid = text(who, "outer_user_id") if text(who, "fans_type") == _WECHAT_FAN else ""
    return buyer(source, text(who, "yz_open_id"), order_id, phone=phone, openid=openid)


def _told_by_order(kind: str, part: Callable[[Fields, str], tuple[str, dict[str, Any]]]) -> Callable[..., Mapped]:
    """A message that names an order alone: its person is known by it."""

    def take(message: Fields, source: Youzan) -> Mapped:
        order_id = needed(message, "tid")
        who = known_by(source, order_id)
        if not who:
            return Mapped(ignored="names no buyer")
        if kind == "order.cancelled" and text(message, "close_type") == _NEVER_PAID:
            return Mapped(ignored="an order that was never paid")
        if kind == "order.refunded" and text(message, "refund_type") == _NO_MONEY:
            return Mapped(ignored="an exchange of goods")
        name, more = part(message, order_id)
        given = {
            "type": kind,
            "id": f"{issuer(source)}/{name}",
            "at": needed_moment(message, "update_time", offset=BEIJING),
            "customer": who,
            "order_id": order_id,
        }
        return Mapped((given | more | ({"currency": source.currency} if "amount" in more else {}),))

    return take


def _closed(_: Fields, order_id: str) -> tuple[str, dict[str, Any]]:
    return f"order/{order_id}/closed", {}


def _shipped(message: Fields, order_id: str) -> tuple[str, dict[str, Any]]:
    parcel = text(message, "express_no") or text(message, "oids")
    return f"order/{order_id}/shipped/{parcel or 'all'}", {"shipment_id": parcel}


def _received(_: Fields, order_id: str) -> tuple[str, dict[str, Any]]:
    return f"order/{order_id}/received", {}


def _refunded(message: Fields, _: str) -> tuple[str, dict[str, Any]]:
    refund = needed(message, "refund_id")
    return f"refund/{refund}", {"refund_id": refund, "amount": written(needed_amount(message, "refunded_fee"))}


_REFUND: Final = _told_by_order("order.refunded", _refunded)
_SHIPPED: Final = _told_by_order("order.shipped", _shipped)
_KINDS: Final[dict[str, Callable[[Fields, Youzan], Mapped]]] = {
    "trade_TradeCreate": _trade,
    "trade_TradePaid": _trade,
    "trade_TradeBuyerPay": _trade,
    "trade_TradePartlySellerShip": _SHIPPED,
    "trade_TradeSellerShip": _SHIPPED,
    "trade_TradeSuccess": _told_by_order("order.received", _received),
    "trade_TradeClose": _told_by_order("order.cancelled", _closed),
    "trade_refund_RefundSellerAgree": _REFUND,
    "trade_refund_RefundSuccess": _REFUND,
    "trade_refund_SysRefund": _REFUND,
    "youzan_trade_RefundSuccess": _REFUND,
}


class _Signed(msgspec.Struct, frozen=True):
    sign: str
    msg: Annotated[str, msgspec.Meta(min_length=1)]


def _signed(delivery: Delivery) -> tuple[str, bytes]:
    """The body's own signature and what it covers: `msg` as it is written, still url-encoded."""
    try:  # anybody may call: no more is read than what the signature is about
        body = msgspec.json.decode(delivery.raw, type=_Signed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SignatureRefusedError("sign: the body holds none over a text") from None
    return body.sign, body.msg.encode()


def _opened(body: Fields) -> Fields:
    """`msg` read: older kinds send a url-encoded text (spaces as +), newer ones an object."""
    path, value = body.raw("msg")
    if isinstance(value, str):
        value = parse(unquote_plus(value).encode(), LIMITS)
    return Fields(value, path)


PROVIDER: Final = Provider(verify, map_events, lambda _: {"code": 0, "msg": "success"})
