"""Whether a customer's reply means "no more of this": exact words only, nothing is guessed; pure, knows no channel."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from services.ingest.typed_shapes import Customer, EventId
from services.ingest.wording import refused

WORDS: Final = frozenset(
    {"r", "t", "td", "n", "退订", "拒收", "stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"}
)
"""As customers write what the texts ask them to write; compared after folding."""
_BLANK_OR_MARK: Final = frozenset("CPSZ")
"""Unicode classes of what may stand around the word: controls, punctuation, symbols, separators."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the API takes: a customer's answer to a message, as the channel passed it on."""

    id: EventId
    at: str
    """RFC 3339 with an offset."""
    customer: Customer
    channel: Literal["sms", "email", "wecom"]
    text: Annotated[str, Meta(max_length=2_000)]
    """Looked at, never kept."""


def reply_of(item: object) -> Reply:
    """The reply from decoded JSON; EventRefusedError names the field."""
    try:
        return msgspec.convert(item, Reply)
    except msgspec.ValidationError as error:
        raise refused(str(error), "$") from None


def refusal_in(text: str) -> str:
    """The word by which the whole text refuses, full width and case folded; "" if it is anything else."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(sign for sign in folded if unicodedata.category(sign)[0] not in _BLANK_OR_MARK)
    return bare if bare in WORDS else ""
