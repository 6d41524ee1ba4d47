"""Facts from rows and gathered orders, with the customer they are about. Pure; knows facts, not files or topics.

Ids follow from the source and what is said: the order's number, or the customer, the instant and the words. So the same
import twice, or a tail sent again after a crash, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from services.ingest.cutting import NOTHING, holds_contact
from services.ingest.fields import EventRefusedError, Fields
from services.ingest.imports import values
from services.ingest.imports.cells import Layout, Row
from services.ingest.imports.orders import RETURN_PREFIX, Piece
from services.ingest.imports.refusals import RowRefusedError
from services.ingest.imports.terms import Terms
from services.ingest.imports.vocabulary import Kind
from services.ingest.people import Person, Taken, kept_traits, person
from shared.contract.facts import ConsentSet, Fact, OrderPlaced, OrderRefunded, TagsSet, TraitsSet
from shared.ids import derived_id

MOST_TAGS: Final = 100
LONGEST_TAG: Final = 64
_LONGEST_PROOF: Final = 256
_TRAITS: Final = ("level", "guide", "zone")

Words = list[tuple[str, dict[str, Any]]]
"""What a row says: the type of a fact, its own fields."""


class Speaker:
    """Makes facts under the terms of one import."""

    def __init__(self, layout: Layout, terms: Terms) -> None:
        self._layout, self._terms = layout, terms
        self._common: dict[str, Any] = {
            "source": terms.source,
            "mode": terms.mode,
            "baseline": terms.baseline if terms.mode == "import" else None,
            "confirmed": terms.confirmed,
        }

    def order(self, piece: Piece) -> Taken:
        """The order, or the refund that a returned invoice is, and what was paid back of it."""
        who, terms = self._person(piece.who, {}), self._terms
        common = self._common | {"at": piece.at, "contacts": who.fields}
        order_id, currency = derived_id("import", terms.source, piece.order), terms.shop.currency
        if terms.returns and piece.order.startswith(RETURN_PREFIX):
            back = OrderRefunded(**common, id=order_id, refund_id=piece.order, amount=piece.amount, currency=currency)
            return Taken(who, (back,))
        channel, shop_id, guide_id, coupon = piece.details
        placed = OrderPlaced(
            **common,
            id=order_id,
            order_id=piece.order,
            amount=piece.amount,
            currency=currency,
            channel=channel,
            shop_id=shop_id,
            guide_id=guide_id,
            coupon=coupon,
            discount=piece.discount,
            lines=tuple(piece.lines),
        )
        if not piece.refund:
            return Taken(who, (placed,))
        refund = OrderRefunded(
            **common,
            id=derived_id("import", terms.source, piece.order, "refund"),
            refund_id=f"{piece.order}#refund",
            amount=piece.refund,
            currency=currency,
            order_id=piece.order,
        )
        return Taken(who, (placed, refund))

    def row(self, row: Row) -> Taken:
        """What a row of any other kind says; RowRefusedError names the column."""
        name = row.text("name") if self._terms.kind is Kind.CUSTOMERS else ""
        traits = {"name": name} if name else {}
        others = row.others() if self._terms.keep_others and self._terms.kind is Kind.CUSTOMERS else {}
        who = self._person(row.who(), traits | others)
        at = row.read("at", lambda text: values.instant(text, self._terms.zone), self._terms.baseline)
        words = _WORDS[self._terms.kind](self, row, who, others)
        if not words:
            raise RowRefusedError("", "says nothing but whom it is about")
        if not row.text("at") and any(body.get("granted") for _, body in words):  # it would undo a later refusal
            raise RowRefusedError(row.column("at"), "is missing: a consent counts from when it was given")
        return Taken(who, tuple(self._fact(kind, body, who, at, row) for kind, body in words))

    def _person(self, cells: tuple[str, ...], traits: dict[str, Any]) -> Person:
        named = self._layout.named(cells)
        try:
            return person(named, traits, [], self._terms.pepper)
        except EventRefusedError as refusal:
            raise RowRefusedError("", refusal.reason) from None

    def _fact(self, kind: str, body: dict[str, Any], who: Person, at: int, row: Row) -> Fact:
        said = [f"{name}={value}" for name, value in sorted(body.items()) if name != "proof"]
        fact_id = derived_id("import", self._terms.source, kind, who.customer, at, *said)
        common = self._common | {"id": fact_id, "at": at, "contacts": who.fields}
        if kind == "traits":
            return TraitsSet(**common, **body)
        if kind == "tags":
            return TagsSet(**common, **body)
        return ConsentSet(**common, **body, granted_at=at if body["granted"] else None)

    # --- what each kind of row says

    def customer(self, row: Row, who: Person, others: dict[str, str]) -> Words:
        """Traits and tags; a row that holds contacts alone says so by empty traits."""
        given: dict[str, Any] = {name: text for name in _TRAITS if (text := row.text(name))}
        if birthday := row.read("birthday", values.day, ""):
            given["birthday"] = birthday
        try:
            traits = kept_traits(Fields(others | given, "traits"), who)
        except EventRefusedError as refusal:
            raise RowRefusedError("", str(refusal)) from None
        words: Words = [("traits", {"traits": traits})] if traits or who.contacts else []
        return words + (self.tags(row, who, {}) if row.text("tags", 10_000) else [])

    def tags(self, row: Row, who: Person, others: dict[str, str]) -> Words:
        """Tags put on and taken off."""
        add, remove = (self._tags(row, field) for field in ("tags", "remove"))
        both = sorted(set(add) & set(remove))
        if both:
            raise RowRefusedError(row.column("remove"), "takes off what the row puts on", both[0])
        return [("tags", {"add": add, "remove": remove})] if add or remove else []

    def _tags(self, row: Row, field: str) -> tuple[str, ...]:
        found = values.names(row.text(field, 10_000))
        if len(found) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in found):
            raise RowRefusedError(
                row.column(field), f"holds more than {MOST_TAGS} tags, or one above {LONGEST_TAG} letters"
            )
        if any(holds_contact(tag, NOTHING) for tag in found):
            raise RowRefusedError(row.column(field), "holds what looks like an address or a phone number", found[0])
        return tuple(found)

    def consent(self, row: Row, who: Person, others: dict[str, str]) -> Words:
        """Consent given or withdrawn for one channel and purpose."""
        channel = row.read("channel", values.channel, self._terms.channel)
        purpose = row.read("purpose", values.purpose, self._terms.purpose)
        granted = row.read("granted", values.flag)
        if granted and channel == "all":
            raise RowRefusedError(row.column("channel"), "consent must name its channel: sms, email or wecom")
        return [self._consent(row, who, channel, purpose, granted=granted)]

    def opt_out(self, row: Row, who: Person, others: dict[str, str]) -> Words:
        """No more marketing by this channel, or by any."""
        channel = row.read("channel", values.channel, self._terms.channel)
        return [self._consent(row, who, channel, "marketing", granted=False)]

    def blacklisted(self, row: Row, who: Person, others: dict[str, str]) -> Words:
        """Nothing at all."""
        return [self._consent(row, who, "all", purpose, granted=False) for purpose in ("marketing", "service")]

    def _consent(
        self, row: Row, who: Person, channel: str, purpose: str, *, granted: bool
    ) -> tuple[str, dict[str, Any]]:
        """The proof names file, row and who imported it, and what the file says of it."""
        parts = (f"{self._terms.file} row {row.number}", f"by {self._terms.operator}", self._said(row, who))
        proof = "; ".join(part for part in parts if part not in {"", "by "})[:_LONGEST_PROOF]
        return "consent", {"channel": channel, "purpose": purpose, "granted": granted, "proof": proof}

    @staticmethod
    def _said(row: Row, who: Person) -> str:
        """The file's own proof, unless it holds contact data."""
        said = row.text("proof")
        return "" if holds_contact(said, who.known) else said


_WORDS: Final = cast(
    "dict[Kind, Callable[[Speaker, Row, Person, dict[str, str]], Words]]",
    {
        Kind.CUSTOMERS: Speaker.customer,
        Kind.TAGS: Speaker.tags,
        Kind.CONSENTS: Speaker.consent,
        Kind.OPT_OUTS: Speaker.opt_out,
        Kind.BLACKLIST: Speaker.blacklisted,
    },
)
