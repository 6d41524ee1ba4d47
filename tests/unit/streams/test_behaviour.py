"""Rule 14: a new version of the code changes nothing until a policy record switches its behaviour on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.contract.broadcasts import BEHAVIOUR, PolicyPublished, Standing, Tick
from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.engine.fold.batch import Batch
from shared.engine.fold.fold import Context, Outcome
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule
from shared.engine.state import in_force as engine
from shared.engine.state.head import PARTITION_KEY
from shared.engine.step.partition import Partition
from shared.instants import parse_zone
from shared.language.check import parse_policy
from tests.support.tally import Tally, TallyFold
from tests.support.world import Stored

NEXT = BEHAVIOUR + 1
SWITCH = 5
"""Place of the policy in the log."""


class NewTallyFold(TallyFold):
    """The next version: from the next behaviour on an order of an even amount counts double."""

    behaviour = 1

    def adopt(self, broadcast: Standing, clock: int) -> None:
        super().adopt(broadcast, clock)
        if isinstance(broadcast, PolicyPublished):
            self.behaviour = broadcast.behaviour

    def on_record(self, state: Tally, record: Any, context: Context) -> Outcome[Tally] | None:
        if self.behaviour >= NEXT and isinstance(record, OrderPlaced) and record.amount % 2 == 0:
            record = OrderPlaced(
                id=record.id, at=record.at, order_id=record.order_id, amount=2 * record.amount, currency="CNY"
            )
        return super().on_record(state, record, context)


def _log() -> list[Stored]:
    def order(number: int) -> OrderPlaced:
        return OrderPlaced(id=f"e{number}", at=number, order_id=f"o{number}", amount=2, currency="CNY")

    records = [order(n) if n % 4 else Tick(n * 3_000, scenario=True) for n in range(12)]
    policy = PolicyPublished(1, {"factor": 1, "behaviour": NEXT})
    return [
        Stored(n, b"ann" if isinstance(record, OrderPlaced) else None, encode(record))
        for n, record in enumerate([*records[:SWITCH], policy, *records[SWITCH:]])
    ]


def _fold(fold: TallyFold, off: Off = ALL_ON) -> list[Batch]:
    core = Partition(fold, partition=0, seal=lambda *_: "", scenario=True, off=off)
    batches = []
    for record in _log():
        core.apply(record)
        batches.append(core.drain())
    return batches


def test_rule_14_two_versions_of_the_code_agree_on_every_record_until_the_policy_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "BEHAVIOUR", NEXT)
    old, new = _fold(TallyFold()), _fold(NewTallyFold())

    assert old[: SWITCH + 1] == new[: SWITCH + 1]
    assert old[SWITCH + 1] != new[SWITCH + 1]


def test_rule_14_code_that_does_not_know_the_behaviour_stops_rather_than_decide_by_the_old_one() -> None:
    with pytest.raises(BrokenInvariantError, match=f"behaviour {NEXT} on, this code knows up to {BEHAVIOUR}"):
        _fold(TallyFold())
    assert len(_fold(TallyFold(), frozenset({Rule.BEHAVIOUR}))) == 13


def test_rule_14_it_stops_at_its_start_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(engine, "BEHAVIOUR", NEXT)
        values = _fold(NewTallyFold())[-1].values
    core = Partition(TallyFold(), partition=0, seal=lambda *_: "")
    core.restore(PARTITION_KEY, values)

    with pytest.raises(BrokenInvariantError, match="deploy before publishing"):
        core.restored()


def test_a_policy_cannot_be_published_for_a_behaviour_that_this_code_has_not() -> None:
    assert parse_policy({"version": 1, "rules": []}).behaviour == 1
    with pytest.raises(ValueError, match="behaviour"):
        parse_policy({"version": 1, "rules": [], "behaviour": NEXT})


def test_zones_are_pinned_by_the_lock() -> None:
    lock = (Path(__file__).parents[3] / "requirements.lock").read_text(encoding="utf-8")
    assert re.search(r"^tzdata==\d+\.\d+ ", lock, re.MULTILINE)


def test_zones_are_read_from_the_package_not_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    class FromFile:
        from_file = ZoneInfo.from_file

    parse_zone.cache_clear()
    monkeypatch.setattr("shared.instants.ZoneInfo", FromFile)
    assert parse_zone("Asia/Shanghai").key == "Asia/Shanghai"


class WatchingFold(TallyFold):
    """Notes by which behaviour each record is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def on_record(self, state: Tally, record: Any, context: Context) -> Outcome[Tally] | None:
        self.seen.append(context.behaviour)
        return super().on_record(state, record, context)


def test_f8_the_highest_behaviour_ever_named_holds_over_lower_ones_and_over_a_recovery() -> None:
    def order(number: int) -> bytes:
        return encode(OrderPlaced(id=f"e{number}", at=number, order_id=f"o{number}", amount=2, currency="CNY"))

    named = [PolicyPublished(n, {"factor": 1, "behaviour": behaviour}) for n, behaviour in enumerate((2, 4, 3), 1)]
    values = [order(0)] + [value for n, policy in enumerate(named, 1) for value in (encode(policy), order(n))]
    log = [Stored(n, b"ann" if n % 2 == 0 else None, value) for n, value in enumerate(values)]
    fold = WatchingFold()
    core = Partition(fold, partition=0, seal=lambda *_: "", scenario=True)
    for record in log:
        core.apply(record)
    after = WatchingFold()
    again = Partition(after, partition=0, seal=lambda *_: "", scenario=True)
    again.restore(PARTITION_KEY, core.drain().values)
    again.restored()
    again.apply(Stored(7, b"ann", order(9)))

    assert (fold.seen, after.seen) == ([1, 2, 4, 4], [4])
