"""Alive is not ready: what hangs is told apart from what waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from shared.telemetry import health as subject
from shared.telemetry.health import LOOP_WITHIN_SECONDS, PATIENCE_SECONDS, WORK_WITHIN_SECONDS, Health


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Time:
    return Time()


@pytest.fixture
def health(hand: Time) -> Health:
    return Health(hand)


def test_a_process_of_which_nothing_is_known_starts(health: Health) -> None:
    assert health.waiting() == {"process": "starting"}
    assert health.hung() == {}


def test_it_is_ready_when_every_part_is_there(health: Health) -> None:
    health.waits("partitions", "recovering 3 of 12")
    health.there("broker")
    before = health.waiting()
    health.there("partitions")

    assert before == {"partitions": "recovering 3 of 12"}
    assert health.waiting() == {}


def test_a_part_that_goes_away_makes_it_wait_again(health: Health) -> None:
    health.there("broker")
    health.waits("broker", "does not take ticks")

    assert health.waiting() == {"broker": "does not take ticks"}
    assert health.hung() == {}, "who waits for the broker is alive"


def test_work_that_does_not_end_hangs(health: Health, hand: Time) -> None:
    with health.working("turn"):
        hand.now += WORK_WITHIN_SECONDS
        just_in_time = health.hung()
        hand.now += 1
        late = health.hung()

    assert just_in_time == {}
    assert late == {"turn": WORK_WITHIN_SECONDS + 1}
    assert health.hung() == {}, "it has ended"


def test_work_that_gets_on_does_not_hang(health: Health, hand: Time) -> None:
    with health.working("turn"):
        for _ in range(10):
            hand.now += WORK_WITHIN_SECONDS - 1
            health.progress("turn")
        assert health.hung() == {}


def test_a_recovery_may_take_any_time_and_ends_with_the_work_around_it(health: Health, hand: Time) -> None:
    with health.working("turn"):
        health.unbounded("turn")
        hand.now += 100 * WORK_WITHIN_SECONDS
        health.progress("turn")
        during = health.hung()
    with health.working("turn"):
        hand.now += 2 * WORK_WITHIN_SECONDS
        after = health.hung()

    assert during == {}
    assert set(after) == {"turn"}


def test_each_work_has_its_own_patience(health: Health, hand: Time) -> None:
    with health.working("sender", within=10 * WORK_WITHIN_SECONDS), health.working("reader"):
        hand.now += 2 * WORK_WITHIN_SECONDS

        assert set(health.hung()) == {"reader"}


async def test_an_event_loop_that_is_held_up_hangs_until_it_turns_again(
    health: Health, hand: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "LOOP_EVERY_SECONDS", 0.01)
    health.watch_loop()
    hand.now += LOOP_WITHIN_SECONDS + 1
    held_up = health.hung()
    await asyncio.sleep(0.1)

    assert held_up == {"event loop": LOOP_WITHIN_SECONDS + 1}
    assert health.hung() == {}


def test_a_part_may_be_asked_on_its_own_loop_and_no_answer_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "ANSWER_SECONDS", 0.3)
    health, answers = Health(), [True]
    with _turning(health, answers) as loop:
        there = health.waiting()
        answers[0] = False
        away = health.waiting()
        loop.call_soon_threadsafe(time.sleep, 1.0)  # the loop is busy: nobody answers
        busy = health.waiting()

    assert there == {}
    assert away == busy == {"broker": "does not answer"}
    assert health.waiting() == {"broker": "does not answer"}, "the loop is closed"


@contextmanager
def _turning(health: Health, answers: list[bool]) -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread, on which `health` asks whether the broker is there."""

    async def ready() -> bool:
        await asyncio.sleep(0)
        return answers[0]

    async def begin() -> None:
        health.ask("broker", ready)

    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(begin(), loop).result(5)
        yield loop
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop).result(5)  # what was asked in vain ends
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_who_waits_for_another_process_is_alive_and_after_a_while_not_ready() -> None:
    now = 0.0
    health = Health(lambda: now)
    health.there("reader")
    with health.awaiting("database"):
        now = PATIENCE_SECONDS
        just_in_time = health.waiting()
        now += 75.0
        late, hung = health.waiting(), health.hung()

    assert just_in_time == {}
    assert late == {"database": f"no answer for {PATIENCE_SECONDS + 75:.0f} s"}
    assert hung == {}
    assert health.waiting() == {}, "it has answered"
