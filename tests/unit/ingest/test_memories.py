"""What ingest remembers of late stays within its bounds, and an Idempotency-Key within its source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.idempotency import Answer, Answers, call_of
from services.ingest.shelf import Bounds, Shelf

puts = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 9), st.integers(0, 7)), max_size=40)


@given(puts)
def test_a_shelf_keeps_the_newest_that_fit_and_no_more(history: list[tuple[str, int, int]]) -> None:
    shelf: Shelf[str, int] = Shelf(Bounds(window_ms=10, weight=12))
    model: list[tuple[str, int, int]] = []
    for key, value, weight in history:
        shelf.put(key, value, 0, weight=weight)
        model = [*(kept for kept in model if kept[0] != key), (key, value, weight)]
        while sum(kept[2] for kept in model) > 12:
            model.pop(0)
        assert shelf.weight == sum(kept[2] for kept in model) <= 12
        assert {key: shelf.get(key, 9) for key in "abcde"} == dict.fromkeys("abcde") | {k: v for k, v, _ in model}
        assert [shelf.get(key, 10) for key in "abcde"] == [None] * 5


def test_answers_stay_within_their_weight_and_the_oldest_leave() -> None:
    answers = Answers(Bounds(window_ms=1_000, weight=3_000))
    for number in range(10):
        call = call_of("shop", f"k{number}", b"body")
        assert answers.begin(call, 0) is None
        answers.finish(call, Answer(200, b"x" * 1_000), 0)
    assert [answers.begin(call_of("shop", f"k{number}", b"body"), 0) is not None for number in (9, 8, 0)] == [
        True,
        True,
        False,
    ]


def test_a_key_belongs_to_its_source() -> None:
    answers = Answers()
    answers.finish(call_of("shop", "k", b"1"), Answer(200, b"{}"), 0)
    assert answers.begin(call_of("other", "k", b"2"), 0) is None
