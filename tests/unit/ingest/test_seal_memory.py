"""T10: ingest does not seal what was sealed of late, nor an address that a later one has taken the place of."""

from __future__ import annotations

from services.ingest.seal_memory import FRESH_SECONDS, SealMemory

ANN = ("ann", "phone")


class Seconds:
    """A clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _sealed(memory: SealMemory, value: str, at: int) -> bool:
    """Whether the value was sealed, and then acknowledged."""
    sealing = memory.begin(*ANN, value, at)
    if sealing is not None:
        memory.finish(sealing)
    return sealing is not None


def test_t10_an_old_event_that_is_sent_again_is_not_sealed_over_a_later_one() -> None:
    memory = SealMemory(Seconds())

    assert [_sealed(memory, value, at) for value, at in (("old", 10), ("new", 20), ("old", 10))] == [True, True, False]
    assert not _sealed(memory, "new", 21), "it still counts as sealed"
    assert _sealed(memory, "third", 21), "at the same instant the notifier decides"


def test_t10_a_value_told_once_more_is_as_late_as_it_was_told_last() -> None:
    memory = SealMemory(Seconds())

    assert [_sealed(memory, value, at) for value, at in (("new", 10), ("new", 30), ("late", 20))] == [
        True,
        False,
        False,
    ]


def test_t10_a_value_told_once_more_years_later_is_sealed_with_the_later_instant() -> None:
    memory, year = SealMemory(Seconds()), 365 * 86_400_000
    first = memory.begin(*ANN, "mine", 0)
    assert first is not None
    assert [first.covers(at) for at in (-year, 599_999, 600_000, year)] == [True, True, False, False]
    memory.finish(first)
    assert [_sealed(memory, "mine", at) for at in (5 * year, 5 * year + 1, 3 * year)] == [True, False, False]


def test_t10_what_the_broker_may_not_have_holds_nothing_back() -> None:
    memory = SealMemory(Seconds())
    under_way = memory.begin(*ANN, "new", 20)

    assert under_way is not None
    assert memory.begin(*ANN, "old", 10) is not None


def test_t10_after_its_time_and_after_an_erasure_every_value_is_sealed_again() -> None:
    seconds = Seconds()
    memory = SealMemory(seconds)
    assert _sealed(memory, "new", 20)
    memory.forget("ann", ["phone"])
    assert _sealed(memory, "new", 20)

    seconds.now = FRESH_SECONDS
    assert _sealed(memory, "old", 10)
