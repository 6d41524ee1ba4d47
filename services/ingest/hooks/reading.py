"""Reads providers' payloads: empty texts are absent, times get their offset. Knows JSON values; no provider."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.ingest.decimals import parse_decimal
from services.ingest.fields import LONGEST_TEXT, Fields
from services.ingest.hooks.delivery import issuer
from services.ingest.hooks.sources import HookSource
from shared.instants import parse_instant

BEIJING: Final = "+08:00"
UTC: Final = "Z"


def text(fields: Fields, *names: str) -> str:
    """The first of these that says something, as a text; "" if none does."""
    for name in names:
        path, value = fields.raw(name)
        if value is None or value == "" or isinstance(value, bool):
            continue
        if isinstance(value, int):
            return str(value)
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            raise fields.refuse(path.rpartition(".")[2], f"must be a text of at most {LONGEST_TEXT} characters")
        return value
    return ""


def needed(fields: Fields, *names: str) -> str:
    """Like `text`, but it must be there."""
    found = text(fields, *names)
    if not found:
        raise fields.refuse(names[0], "is missing")
    return found


def moment(fields: Fields, *names: str, offset: str = "") -> str:
    """RFC 3339 of the first time given; `offset`: of what payloads write without one. "" if there is none."""
    for name in names:
        written = text(fields, name)
        if not written:
            continue
        whole = written.replace(" ", "T", 1) + offset
        try:
            parse_instant(whole)
        except ValueError as error:
            raise fields.refuse(name, str(error)) from None
        return whole
    return ""


def needed_moment(fields: Fields, *names: str, offset: str = "") -> str:
    """Like `moment`, but it must be there."""
    found = moment(fields, *names, offset=offset)
    if not found:
        raise fields.refuse(names[0], "is missing")
    return found


def amount(fields: Fields, *names: str) -> Decimal | None:
    """A number, written as a number or a text; None if there is none."""
    for name in names:
        _, value = fields.raw(name)
        if value is None or value == "":
            continue
        if isinstance(value, str):
            try:
                value = parse_decimal(value)
            except ValueError as error:
                raise fields.refuse(name, str(error)) from None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise fields.refuse(name, "must be a number")
        return Decimal(value)
    return None


def needed_amount(fields: Fields, *names: str) -> Decimal:
    """Like `amount`, but it must be there."""
    found = amount(fields, *names)
    if found is None:
        raise fields.refuse(names[0], "is missing")
    return found


def written(number: Decimal) -> str:
    """As the typed API takes it; nothing below zero."""
    return format(max(number, Decimal(0)), "f")


def buyer(source: HookSource, number: str = "", order_id: str = "", **contacts: str) -> dict[str, str]:
    """`customer` of the typed API: the platform's number and what else names the buyer; empty if nothing does.

    A platform's number is its own union id: one account, whatever the device; it may be told to be the member number.
    """
    named = {kind: value for kind, value in contacts.items() if value}
    if number and source.customer_ids == "member":
        named["member"] = f"{source.issuer}/{number}" if source.issuer else number
    elif number:
        named["unionid"] = f"{issuer(source)}/customer/{number}"
    return named | known_by(source, order_id) if named and order_id else named


def known_by(source: HookSource, order_id: str) -> dict[str, str]:
    """The order's own name as the weakest identifier: later messages name the order alone. Empty if that is off."""
    return {"anonymous": f"{issuer(source)}/order/{order_id}"} if source.order_ids else {}
