"""The books of every service balance only if nothing was lost and nothing made up."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec
import pytest

from shared.contract.dead_letters import DeadLetter
from shared.contract.topics import CUSTOMER_EVENTS, PROFILE_UPDATES
from tests.chaos.chaos import Planted
from tests.chaos.conservation import LONGEST_KEPT, Seen, accounts, check_poison
from tests.oracle.answers import Answer
from tests.unit.oracle.story import ANN, Story, at, order

FRONT = Planted(CUSTOMER_EVENTS.name, 0, 3, b"{")
INNER = Planted(PROFILE_UPDATES.name, 5, 9, b"[]")


def answer() -> Answer:
    """Two orders, one of them told twice, and a record that nobody can take."""
    return Story().tell(order("a", at(1)), order("b", at(2)), order("a", at(1))).raw(ANN, b"{").fold()


def letter(one: Planted, service: str, *, sealed: bytes | None = None, reason: str = "DecodeError") -> DeadLetter:
    return DeadLetter(
        service=service,
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        customer=ANN,
        reason=reason,
        arrived=0,
        sealed=base64.b64encode(one.value[:LONGEST_KEPT] if sealed is None else sealed).decode(),
    )


LETTERS = (letter(FRONT, "profile"), letter(INNER, "segmenter"))
SEEN = Seen(
    acked={"e-a-1", "e-b-1"},
    profile_updates={(ANN, 0): 1, (ANN, 1): 1},
    segment_updates={(ANN, 0): 1, (ANN, 1): 1},
    decisions=0,
    commands=4,
    outbox=4,
    letters=LETTERS,
    planted=(FRONT, INNER),
)


def unseal(_: str, sealed: bytes) -> bytes:
    return sealed


def differences(seen: Seen) -> dict[str, int]:
    return {one.service: one.difference for one in accounts(answer(), seen) if one.difference}


def test_the_books_balance_with_every_fact_a_duplicate_and_dead_letters() -> None:
    books = {one.service: one for one in accounts(answer(), SEEN)}

    assert differences(SEEN) == {}
    profile = books["profile"]
    assert (profile.accepted, profile.applied, profile.duplicates, profile.dead) == (4, 2, 1, 1)
    assert (books["segmenter"].accepted, books["segmenter"].dead) == (3, 1)


def test_a_letter_written_again_counts_once() -> None:
    assert differences(msgspec.structs.replace(SEEN, letters=(*LETTERS, *LETTERS))) == {}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"acked": {"e-a-1", "e-b-1", "e-c-1"}}, {"ingest": 1}),
        ({"profile_updates": {(ANN, 0): 1}}, {"profile": 1, "segmenter": -1}),
        ({"segment_updates": {(ANN, 0): 1}}, {"segmenter": 1}),
        ({"segment_updates": {(ANN, 0): 1, (ANN, 1): 2}}, {"segmenter": -1}),
        ({"decisions": 1}, {"trigger_engine": -1}),
        ({"outbox": 3}, {"notifier": 1}),
        ({"letters": LETTERS[:1]}, {"segmenter": 1}),
    ],
)
def test_what_is_lost_or_made_up_stands_in_the_books(change: dict[str, object], wrong: dict[str, int]) -> None:
    assert differences(msgspec.structs.replace(SEEN, **change)) == wrong


def poison(letters: Sequence[DeadLetter]) -> list[str]:
    check = check_poison(answer(), (FRONT, INNER), letters, unseal)
    assert check.failures == len(check.examples)
    return [f"{one.where}: {one.expected} / {one.got}" for one in check.examples]


def test_every_planted_record_has_its_letter_with_its_bytes() -> None:
    assert poison(LETTERS) == []


@pytest.mark.parametrize(
    ("letters", "found"),
    [
        (LETTERS[1:], "customer-events-v1/0/3: a dead letter / none"),
        ((LETTERS[0],), "profile-updates-v1/5/9: a dead letter / none"),
        (
            (*LETTERS, letter(Planted("segments-v1", 0, 0, b""), "segmenter")),
            "segments-v1/0/0: no dead letter / DecodeError",
        ),
        ((LETTERS[0], letter(INNER, "segmenter", sealed=b"{}x")), "profile-updates-v1/5/9: 2 sealed bytes / 3 others"),
        ((LETTERS[0], letter(INNER, "segmenter", reason="")), "profile-updates-v1/5/9: a reason / none"),
    ],
)
def test_a_missing_strange_or_altered_letter_is_named(letters: Sequence[DeadLetter], found: str) -> None:
    assert poison(letters) == [found]
