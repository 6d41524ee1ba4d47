"""One partition an hour behind while people become one: nobody is judged by half of what is known, and the messages are the same."""

from __future__ import annotations

import os
import random
from typing import Any

import msgspec
import pytest

from services.ingest.link_memory import Links
from services.trigger_engine import gates
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.facts import ConsentSet, OrderPlaced, ProductViewed
from shared.contract.partitioner import partition_of
from shared.engine.identity import linking
from shared.shop import DAY
from tests.property.test_oracle_people import differences
from tests.support.linked.batch import Told
from tests.support.linked.chain import HOMES, Chain
from tests.support.linked.history import HOUR, IDS, T0, person_of
from tests.unit.oracle.story import sms

SEEDS = range(int(os.environ.get("HUITOU_SEEDS", "40")))
MINUTE = 60_000
POLICY: dict[str, Any] = {
    "version": 1,
    "max_trigger_age_hours": 72,
    "rules": [
        sms("first", {"on": "ordered", "nth": 1}, value=5, purpose="service", ttl_hours=24),
        sms("thanks", {"on": "ordered"}, value=5, purpose="service", ttl_hours=24),
        sms("remind", {"on": "since_last_order", "days": 1}, value=30, purpose="service", ttl_hours=24),
        sms("looked", {"on": "browsed", "minutes": 1, "wait_hours": 1}, value=9, purpose="service", ttl_hours=24),
    ],
}


def test_a_partition_an_hour_behind_changes_no_message() -> None:
    assert {seed: wrong for seed in SEEDS if (wrong := _wrong(seed))} == {}


def test_without_the_deferral_somebody_is_judged_by_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "whole", lambda *_: True)
    assert any(_wrong(seed) for seed in SEEDS)


def test_without_the_second_look_what_half_a_person_raised_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "still_wanted", lambda *_: True)
    assert any(_wrong(seed) for seed in SEEDS)


def _wrong(seed: int) -> list[str]:
    behind, prompt = _lived(seed, lag=True), _lived(seed, lag=False)
    found = [f"oracle: {line}" for line in (*differences(behind), *differences(prompt))]
    late, told = (_messages(chain) for chain in (behind, prompt))
    return found + [f"only behind: {late - told}, only prompt: {told - late}"] * (late != told)


def _messages(chain: Chain) -> set[tuple[str, str, str]]:
    told = chain.told("outreach-commands-v1")
    return {(one["customer"], one["rule"], one["trigger_key"]) for one in told}


def _lived(seed: int, *, lag: bool) -> Chain:
    """Six hours in which somebody buys and looks under a weaker id, then names both; the weaker id's partition comes an hour late."""
    rnd, chance, chain = random.Random(f"half {seed}"), random.Random(f"turns {seed}"), Chain()
    pairs = [(weak, strong) for weak in IDS["a"] + IDS["c"] for strong in IDS["f"] + IDS["g"] if _apart(weak, strong)]
    weak, strong = rnd.choice(pairs)
    slow = partition_of(weak.encode()) if lag else -1
    chain.broadcast(Tick(T0, scenario=True))
    chain.broadcast(PolicyPublished(1, POLICY))
    for name in (weak, strong):
        consent = ConsentSet(id=f"c{name}", at=T0, channel="sms", purpose="service", granted=True, contacts=("phone",))
        _tell(chain, consent, name)
    _run(chain, chance)
    bought = rnd.randint(1, 2)
    for number in range(bought):
        _tell(chain, _order(f"u{number}", T0 + number), weak)
    for beat in range(4 * rnd.randint(0, 1)):
        _tell(chain, ProductViewed(id=f"v{beat}", at=T0 + 10 + beat * 30_000, product="p"), weak)
    for minute in range(0, 6 * 60, 10):
        if minute == 10:
            _tell(chain, _order("k", T0 + 10 * MINUTE), strong, weak)
        if minute == 40 and rnd.random() < 0.5:
            _tell(chain, _order("k2", T0 + 40 * MINUTE), strong)
        chain.broadcast(Tick(T0 + minute * MINUTE + MINUTE, scenario=True))
        _run(chain, chance, without=slow if minute < 70 else -1)
    for days in (1, 2, 3):
        chain.broadcast(Tick(T0 + days * DAY + HOUR, scenario=True))
        _run(chain, chance)
    return chain


def _apart(weak: str, strong: str) -> bool:
    return partition_of(weak.encode()) != partition_of(strong.encode())


def _order(name: str, at: int) -> OrderPlaced:
    return OrderPlaced(id=f"e{name}", at=at, order_id=name, amount=100, currency="CNY")


def _tell(chain: Chain, fact: Any, *ids: str) -> None:
    told = Told(fact, ids)
    person = person_of(told.ids)
    for record in Links().of(person):
        chain.put(record)
    chain.write(person.customer, msgspec.structs.replace(fact, aliases=person.aliases))


def _run(chain: Chain, rnd: random.Random, *, without: int = -1) -> None:
    """Until everybody is at rest but the workers of one partition."""
    busy = True
    while busy:
        turns = [(hop, home) for hop in range(3) for home in HOMES if home != without]
        busy = max(chain.turn(hop, home, 20) for hop, home in rnd.sample(turns, len(turns)))
