"""The segmenter by example: given steps, ticks and cuts, when folded, then bundles, changes and snapshots."""

from __future__ import annotations

import msgspec
import pytest

from services.segmenter.cuts import CutMaker
from services.segmenter.fold import SegmenterFold
from shared.contract.broadcasts import Cuts, CutsPublished, PolicyPublished, Tick
from shared.contract.bundles import Cause, Happened, Profile, ProfileStep
from shared.contract.histograms import EpochMarked, HistogramChunk
from shared.contract.origin import NEVER
from shared.contract.public_records import SegmentChanged
from shared.engine.fold.fold import Event
from shared.shop import DAY, Shop
from tests.unit.segmenter.rig import Shard, counted

START = 20_000 * DAY
EPOCH = 60_000
SHOP = Shop(zone="Asia/Shanghai")
CUTS = Cuts(recency=(30_000, 29_000, 28_000, 27_000), frequency=(1, 2, 3, 6), monetary=(100, 200, 300, 400))


def bought(at: int, *, orders: int = 1, amount: int = 1000, first: int = START, cause: Cause = "event") -> ProfileStep:
    profile = Profile(
        orders=orders,
        total=amount,
        first_order_at=first,
        last_order_at=at,
        first_order_id="o1",
        last_order_id=f"o{orders}",
        window_orders=orders,
        window_amount=amount,
    )
    event = Happened(what="order.placed", id=f"e{orders}", at=at, ref=f"o{orders}")
    return ProfileStep(at=at, cause=cause, profile=profile, happened=(event,))


def shard() -> Shard:
    return Shard(SHOP, epoch_ms=EPOCH)


def told(changes: list[SegmentChanged]) -> list[tuple[int, str, str, str, str, int]]:
    return [(c.seq, c.dimension, c.before, c.after, c.cause, c.effective_at - START) for c in changes]


def test_a_first_order_makes_a_new_customer_and_passes_profile_and_event_on_unchanged() -> None:
    host, step = shard(), bought(START)

    host.feed("c", step, as_of=START)

    [(_, passed)] = host.steps
    assert (passed.at, passed.cause, passed.profile, passed.happened) == (START, "event", step.profile, step.happened)
    assert told(host.changes) == [(1, "lifecycle", "none", "new", "event", 0)]
    assert host.changes[0].event == "e1"
    assert [(s.seq, s.segments.lifecycle, s.orders, s.total, s.as_of) for s in host.snapshots] == [
        (1, "new", 1, 1000, START)
    ]


def test_one_wide_tick_tells_every_stage_at_its_own_instant_and_that_it_was_detected_later() -> None:
    host = shard()
    host.feed("c", bought(START), as_of=START)

    host.tick(START + 365 * DAY)

    assert told(host.changes)[1:] == [
        (2, "lifecycle", "new", "active", "time", 7 * DAY + 1),
        (3, "lifecycle", "active", "silent", "time", 30 * DAY + 1),
        (4, "sleep_warning", "no", "yes", "time", 30 * DAY + 1),
        (5, "sleep_warning", "yes", "no", "time", 60 * DAY + 1),
        (6, "lifecycle", "silent", "churned", "time", 90 * DAY + 1),
    ]
    assert {c.detected_at for c in host.changes[1:]} == {START + 365 * DAY}
    assert {c.event for c in host.changes[1:]} == {""}
    assert host.due["c"] == NEVER


def test_timers_due_before_a_bundles_step_are_taken_before_it_and_those_up_to_its_as_of_after_it() -> None:
    host = shard()
    host.feed("c", bought(START), as_of=START)

    host.feed("c", bought(START + 40 * DAY, orders=2), as_of=START + 71 * DAY)

    assert [(step.cause, (step.at - START) / DAY) for _, step in host.steps] == [
        ("event", 0),
        ("time", pytest.approx(7, abs=1e-6)),
        ("time", pytest.approx(30, abs=1e-6)),
        ("event", 40),
        ("time", pytest.approx(70, abs=1e-6)),
    ]
    assert [c.after for c in host.changes] == ["new", "active", "silent", "yes", "active", "no", "silent", "yes"]


def test_an_order_at_the_very_instant_of_silence_prevents_it() -> None:
    host, edge = shard(), START + 30 * DAY + 1
    host.feed("c", bought(START), as_of=START)

    host.feed("c", bought(edge, orders=2), as_of=edge)
    host.tick(edge)

    assert "silent" not in {c.after for c in host.changes}


def test_a_step_that_is_no_order_tells_what_falls_due_at_its_own_instant_under_its_own_cause() -> None:
    host, edge = shard(), START + 30 * DAY + 1
    host.feed("c", bought(START), as_of=START)
    correction = msgspec.structs.replace(bought(START, amount=900, cause="correction"), at=edge)

    host.feed("c", correction, as_of=edge)
    host.tick(edge)

    assert [c.cause for c in host.changes if c.after == "silent"] == ["correction"]


def test_an_order_that_moves_no_segment_is_shown_and_a_step_that_shows_nothing_new_is_not() -> None:
    host, second = shard(), bought(START + DAY, orders=2, amount=3000)
    host.feed("c", bought(START), as_of=START)

    host.feed("c", second, as_of=second.at)
    host.feed("c", second, as_of=second.at)

    assert [(shown.seq, shown.orders, shown.total) for shown in host.snapshots] == [(1, 1, 1000), (1, 2, 3000)]


def test_a_step_never_goes_back_behind_the_customers_now() -> None:
    host, now = shard(), START + 9 * DAY
    host.feed("c", bought(START), as_of=now)

    host.feed("c", bought(START + DAY, orders=2), as_of=START + DAY)

    assert [(step.at, step.segments.lifecycle) for _, step in host.steps[-1:]] == [(now, "active")]
    assert host.customer("c").now == now


def test_cuts_move_only_those_whose_scores_they_change() -> None:
    host = shard()
    for key, orders, amount in (("rich", 7, 500), ("poor", 1, 50)):
        host.feed(key, bought(START, orders=orders, amount=amount), as_of=START)
    host.tick(START + DAY)
    epoch = START + DAY
    movers = host.cuts(CutsPublished(epoch, "a", CUTS, 2))
    more_for_the_rich = Cuts(CUTS.recency, CUTS.frequency, (100, 200, 300, 600))

    again = host.cuts(CutsPublished(epoch, "b", more_for_the_rich, 2))

    assert (movers, again) == (["rich", "poor"], ["rich"])
    assert [(c.customer, c.after, c.cause, c.cuts) for c in host.changes if c.dimension == "rfm"] == [
        ("rich", "important_keep", "cuts", epoch),
        ("poor", "general_winback", "cuts", epoch),
    ]
    assert (host.customer("rich").segments.m, host.customer("rich").seq) == (4, 2)
    assert [step.changes for key, step in host.steps if key == "rich"][-1] == ()


def test_leaving_the_window_is_announced_as_unclassified_and_losing_all_orders_as_none() -> None:
    host = shard()
    host.cuts(CutsPublished(EPOCH, "a", CUTS, 1))
    host.feed("c", bought(START), as_of=START)
    left = msgspec.structs.replace(bought(START).profile, window_orders=0, window_amount=0)
    later = START + 366 * DAY

    host.feed("c", ProfileStep(at=later, cause="time", profile=left), as_of=later)
    host.feed("c", ProfileStep(at=later, cause="correction", profile=Profile()), as_of=later)

    rfm = [(c.before, c.after, c.cause) for c in host.changes if c.dimension == "rfm"]
    assert rfm == [
        ("none", "important_winback", "event"),
        ("important_winback", "unclassified", "time"),
        ("unclassified", "none", "correction"),
    ]


def test_first_cuts_announce_those_outside_the_window_and_cuts_of_nobody_take_all_classes_back() -> None:
    host = shard()
    outside = msgspec.structs.replace(bought(START).profile, window_orders=0, window_amount=0)
    host.feed("c", ProfileStep(at=START, cause="import", profile=outside), as_of=START)
    host.feed("stranger", ProfileStep(at=START, cause="event", profile=Profile()), as_of=START)

    movers = host.cuts(CutsPublished(EPOCH, "a", CUTS, 1)), host.cuts(CutsPublished(2 * EPOCH, "a", None, 0))

    assert movers == (["c"], ["c"])
    assert [c.after for c in host.changes if c.dimension == "rfm"] == ["unclassified", "none"]


def test_recency_counts_days_of_the_shops_zone() -> None:
    host = shard()
    before_midnight_in_shanghai = START + 15 * 3_600_000  # 23:00 of the same day there

    host.feed("c", bought(before_midnight_in_shanghai), as_of=before_midnight_in_shanghai)
    host.feed("d", bought(before_midnight_in_shanghai + 3_600_000), as_of=before_midnight_in_shanghai + 3_600_000)

    assert (host.customer("c").day, host.customer("d").day) == (20_000, 20_001)


def test_public_records_say_what_they_are_and_their_own_instant() -> None:
    host = shard()

    host.feed("c", bought(START), as_of=START)

    change, snapshot = (output.event for output in host.outputs)
    assert change == Event("segment.changed", "c/1", "huitou/segmenter", START)
    assert snapshot == Event("segment.snapshot", "c", "huitou/segmenter", START, hashed=False)


def test_a_bundle_without_steps_is_passed_on_for_what_else_it_says() -> None:
    host = shard()
    host.feed("c", as_of=START)

    outcome = host.fold.on_time(host.customer("c"), host.context("c"))

    assert (host.steps, host.changes, host.snapshots) == ([], [], [])
    assert outcome.steps is None


def test_a_policy_touches_nobody() -> None:
    host = shard()
    host.feed("c", bought(START), as_of=START)
    policy = PolicyPublished(1, {})

    host.fold.adopt(policy, START)

    assert host.fold.touched(policy, host.columns()).tolist() == []
    assert host.fold.on_broadcast(host.customer("c"), policy, host.context("c")) is None


def test_only_the_first_tick_of_an_epoch_counts_and_closes_its_batch() -> None:
    host = shard()
    host.feed("c", bought(START), as_of=START)

    first, second = host.tick(START + 1), host.tick(START + 2)

    assert [type(output.value) for output in first][-1] is EpochMarked
    assert {output.partition for output in first} == {0}
    assert second == ()
    assert host.fold.closes_batch(START + 1, Tick(START + EPOCH))
    assert not host.fold.closes_batch(START + EPOCH, Tick(START + 2 * EPOCH - 1))


def test_later_epochs_publish_only_changed_chunks_and_a_restart_publishes_all() -> None:
    host = shard()
    host.feed("c", bought(START), as_of=START)
    every = host.tick(START)
    host.feed("d", bought(START, orders=2), as_of=START)

    changed, unchanged = host.tick(START + EPOCH), host.tick(START + 2 * EPOCH)
    host.fold = SegmenterFold(SHOP, epoch_ms=EPOCH, partition=0)
    after_restart = host.tick(START + 3 * EPOCH)

    assert [output.key for output in changed if output.key.startswith(("0/r", "0/f"))] == [
        "0/recency/0",
        "0/frequency/0",
    ]
    assert sum(isinstance(output.value, HistogramChunk) for output in changed) == 3
    assert [output.key for output in unchanged] == ["0/marker"]
    assert [output.key for output in after_restart] == [output.key for output in every]


def test_hand_over_keeps_the_strongers_numbers_and_tells_later_hops_to_look_again() -> None:
    host = shard()
    host.feed("weak", bought(START), as_of=START + 9 * DAY)
    host.feed("strong", bought(START, orders=2), as_of=START)

    left, fragment = host.fold.surrender(host.customer("weak"))
    outcome = host.fold.absorb(host.customer("strong"), fragment, host.context("strong"))

    assert (left.seq, left.profile.orders, left.segments.lifecycle) == (2, 0, "none")
    assert [(s.at, s.cause, s.segments.lifecycle) for s in outcome.steps or ()] == [
        (START + 7 * DAY + 1, "time", "active"),
        (START + 9 * DAY, "merge", "active"),
    ]
    assert [c.value.seq for c in outcome.outputs if isinstance(c.value, SegmentChanged)] == [2]
    assert outcome.state.profile.orders == 2


def test_a_partition_without_customers_still_marks_its_epochs() -> None:
    shards = [Shard(SHOP, epoch_ms=EPOCH, partition=number) for number in range(2)]
    shards[0].feed("c", bought(START), as_of=START)
    maker = CutMaker(partitions=2)
    [answer] = [cuts for host in shards for cuts in counted(maker, host.tick(START))]

    assert answer.cuts == Cuts((20_000,) * 4, (1,) * 4, (1000,) * 4)
    assert (answer.epoch, answer.population) == (START, 1)
