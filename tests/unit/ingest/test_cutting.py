"""Contact data is found and masked in time that grows with the text, whatever it holds."""

from __future__ import annotations

import time

import pytest

from services.ingest.cutting import NOTHING, holds_contact, masked

COSTLY = {
    "no domain": "a" * 31_000 + "@",
    "signs in another spelling": "%40" * 10_000,
    "dots": "@" + "a." * 15_000,
    "signs and dots": "@a." * 10_000,
    "digits": "1" * 31_000,
    "country codes": "86 " * 10_000,
    "addresses": "a@b" * 10_000,
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY.keys())
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    holds_contact(text, NOTHING)
    masked(text, NOTHING)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("nothing to hide", "nothing to hide"),
        ("mail li.lei@example.com, please", "mail ***, please"),
        ("see /u?mail=li%40example.com&x=1", "see /u?mail=***&x=1"),
        ("ring +86 139-1234-5678!", "ring ***!"),
        ("一三九 13912345678 谢谢", "一三九 *** 谢谢"),
        ("a@b", "a@b"),
    ],
)
def test_a_text_keeps_what_is_no_contact_data(text: str, left: str) -> None:
    assert masked(text, NOTHING) == left
