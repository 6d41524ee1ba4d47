"""Rules that wait for sources: the services against the oracle on random logs, and that no late report makes them false."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from services.trigger_engine import gates
from services.trigger_engine.fold import TriggerFold
from shared.contract.broadcasts import PolicyPublished, SourceCompleted, Tick
from shared.contract.codec import decode_front, encode
from shared.language.check import parse_policy
from shared.shop import DAY
from tests.oracle.answers import Answer, Decided
from tests.property.test_oracle_agrees import _differences, _services
from tests.support.random_log import random_log
from tests.unit.oracle.story import HOUR, Story, at, consent, order, sms

SEEDS = range(int(os.environ.get("HUITOU_SEEDS", "14")))
FAULT_SEEDS = range(30)
SOURCES = ("pos", "oms", "mall")
WITHOUT_PURCHASE = {("lifecycle", "silent"), ("lifecycle", "churned"), ("sleep_warning", "yes")}
SINCE_ONE = {"on": "since_last_order", "days": 1}


def declared_log(seed: int, *, waits: bool = True) -> Story:
    """A random log in which sources declare now and then, and, with `waits`, rules wait for them."""
    rnd, plain = random.Random(seed), random_log(seed)
    story = Story(scenario=plain.scenario, shop=plain.shop, epoch_ms=plain.epoch_ms)
    clock = 0
    for record in plain.records:
        told = decode_front(record.value) if record.value and record.key is None else None
        value = record.value
        if isinstance(told, PolicyPublished) and waits:
            value = encode(msgspec.structs.replace(told, document=waiting(told.document, rnd)))
        elif isinstance(told, Tick):
            clock = max(clock, told.as_of)
        story.raw(None if record.key is None else record.key.decode(), value, arrived=record.timestamp)
        if clock and rnd.random() < 0.08:
            back = rnd.choice([0, 0, HOUR, DAY, 5 * DAY, -DAY])
            story.raw(
                None, encode(SourceCompleted(rnd.choice(SOURCES), max(0, clock - back))), arrived=record.timestamp
            )
    return story


def waiting(document: dict[str, Any], rnd: random.Random) -> dict[str, Any]:
    """The policy with rules that wait, and sources that may have a grace."""
    rules = [rule | {"waits_for": _names(rnd)} if _negative(rule["when"]) else rule for rule in document["rules"]]
    graces = [name for name in SOURCES if rnd.random() < 0.4]
    terms = {name: {"grace_minutes": rnd.choice([1, 90, 26 * 60, 10 * 24 * 60])} for name in graces}
    return document | {"behaviour": 2, "rules": rules, "sources": terms}


def _names(rnd: random.Random) -> list[str]:
    return rnd.sample(SOURCES, rnd.choice([0, 1, 1, 2]))


def _negative(when: dict[str, Any]) -> bool:
    if when["on"] == "enters":
        return (when["dimension"], when["to"]) in WITHOUT_PURCHASE
    return when["on"] in {"since_last_order", "browsed"}


def decisions(answer: Answer) -> list[Decided]:
    return [one for customer in answer.customers.values() for one in customer.decisions]


def test_the_services_answer_what_the_oracle_answers() -> None:
    found = [line for seed in SEEDS for line in _lines(declared_log(seed), seed)]

    assert found == []


def test_the_logs_hold_every_way_out_of_waiting() -> None:
    """Set free and sent, dropped by a late purchase, expired: else the comparison would prove little."""
    ways: dict[str, int] = {}
    for seed in range(25):
        held: set[tuple[str, str]] = set()
        for one in decisions(declared_log(seed).fold()):
            if one.reason == "incomplete":
                held.add((one.rule, one.trigger_key))
            elif (one.rule, one.trigger_key) in held:
                ways[one.reason] = ways.get(one.reason, 0) + 1

    assert {"sent", "repurchased", "expired", "quiet-hours"} <= set(ways), ways


@pytest.mark.parametrize(
    "fault",
    [
        lambda monkeypatch: monkeypatch.setattr(gates, "lacking", lambda *_: ()),
        lambda monkeypatch: monkeypatch.setattr(TriggerFold, "touched", _nobody),
        lambda monkeypatch: monkeypatch.setattr(gates, "self_complete", lambda *_: None),
    ],
    ids=["gate open", "declarations unheard", "the end of a grace not foreseen"],
)
def test_a_planted_fault_is_caught(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)

    assert any("C decisions" in line for seed in FAULT_SEEDS for line in _lines(declared_log(seed), seed))


def test_rule_14_declarations_change_nothing_where_no_rule_waits() -> None:
    for seed in SEEDS[:5]:
        plain, declared = random_log(seed), declared_log(seed, waits=False)
        assert len(declared.records) > len(plain.records)
        assert decisions(declared.fold()) == decisions(plain.fold())
        assert list(_lines(declared, seed)) == []


def _lines(story: Story, seed: int) -> Iterator[str]:
    yield from _differences(story, _services, size=random.Random(seed).choice([1, 7, 100]))


def _nobody(*_: Any) -> Any:
    return np.empty(0, np.intp)


# ------------------------------------------------------------------------------------- told line by line, by both


def told(*rules: dict[str, Any], **more: Any) -> Story:
    """A shop whose rules wait for the tills, and one customer who bought at noon of day 0."""
    story = Story().tick(at(0)).policy(*rules, **({"behaviour": 2} | more))
    return story.tell(consent(), order("o1", at(0, hours=12))).tick(at(0, hours=13))


def complete(story: Story, until: int, source: str = "pos") -> Story:
    return story.raw(None, encode(SourceCompleted(source, until)))


def verdicts(story: Story) -> list[tuple[str, str, float]]:
    """(verdict, reason, days) of every decision, agreed by services and oracle."""
    assert list(_differences(story, _services, size=7)) == []
    return [(one.verdict, one.reason, round((one.decided_at - at(0)) / DAY, 3)) for one in story.ann().decisions]


REMIND = sms("remind", SINCE_ONE, waits_for=["pos"])


def test_a_report_by_night_arrives_before_the_declaration_and_no_false_message_goes() -> None:
    """The till of day 1 reports at 23:00: he bought in the store on the morning of day 1, before the rule's instant."""
    story = told(REMIND).tick(at(1, hours=13)).tick(at(1, hours=23))
    story.tell(order("till", at(1, hours=10)))
    complete(story, at(1, hours=23)).tick(at(2))

    assert verdicts(story) == [("defer", "incomplete", 1.5), ("skip", "repurchased", 1.958)]


def test_without_waiting_the_same_story_sends_a_false_message() -> None:
    story = told(sms("remind", SINCE_ONE)).tick(at(1, hours=13)).tick(at(1, hours=23))
    story.tell(order("till", at(1, hours=10))).tick(at(2))

    assert verdicts(story)[0][:2] == ("send", "sent")


def test_a_declaration_sets_free_what_it_covers_at_once() -> None:
    story = told(REMIND).tick(at(1, hours=13))
    complete(story, at(1, hours=12)).tick(at(1, hours=14))  # a millisecond too early
    complete(story, at(1, hours=12, ms=1)).tick(at(1, hours=15))

    assert verdicts(story) == [("defer", "incomplete", 1.5), ("send", "sent", 1.583)]
    assert story.ann().decisions[0].until is None


def test_what_was_declared_before_needs_no_waiting() -> None:
    story = complete(told(REMIND), at(5)).tick(at(1, hours=13))

    assert verdicts(story) == [("send", "sent", 1.5)]


def test_every_named_source_is_waited_for_and_each_for_itself() -> None:
    story = told(sms("remind", SINCE_ONE, waits_for=["pos", "oms"])).tick(at(1, hours=13))
    complete(story, at(2)).tick(at(1, hours=14))
    complete(complete(story, at(3), "mall"), at(1), "oms").tick(at(1, hours=15))
    complete(story, at(2), "oms").tick(at(1, hours=16))

    assert verdicts(story) == [("defer", "incomplete", 1.5), ("send", "sent", 1.625)]


def test_a_declaration_of_less_than_before_takes_nothing_back() -> None:
    story = complete(complete(told(REMIND), at(5)), at(0)).tick(at(1, hours=13))

    assert verdicts(story) == [("send", "sent", 1.5)]


def test_a_grace_stands_for_a_declaration_and_its_end_is_foreseen() -> None:
    story = told(REMIND, sources={"pos": {"grace_minutes": 90}}).tick(at(2))

    assert verdicts(story) == [("defer", "incomplete", 1.5), ("send", "sent", 1.563)]
    assert story.ann().decisions[0].until == at(1, hours=12, minutes=90, ms=1)


def test_a_declaration_comes_before_the_grace_has_passed() -> None:
    story = told(REMIND, sources={"pos": {"grace_minutes": 90}}).tick(at(1, hours=12, minutes=30))
    complete(story, at(1, hours=12, minutes=30)).tick(at(2))

    assert verdicts(story) == [("defer", "incomplete", 1.5), ("send", "sent", 1.521)]


def test_who_is_never_told_of_expires_with_a_reason() -> None:
    story = told(sms("remind", SINCE_ONE, waits_for=["pos"], ttl_hours=10)).tick(at(1, hours=13)).tick(at(2))

    assert verdicts(story) == [("defer", "incomplete", 1.5), ("skip", "expired", 1.917)]


def test_a_new_policy_judges_anew_what_is_held() -> None:
    story = told(REMIND).tick(at(1, hours=13)).policy(sms("remind", SINCE_ONE), number=2, behaviour=2)

    assert verdicts(story.tick(at(1, hours=14))) == [("defer", "incomplete", 1.5), ("send", "sent", 1.542)]


def test_what_is_held_stands_in_nobodys_way() -> None:
    """The held one is worth more, but it may never go."""
    thanks = sms("thanks", {"on": "ordered", "nth": 1}, value=1)
    rich = sms("rich", {"on": "browsed", "minutes": 1, "wait_hours": 1}, value=99, waits_for=["pos"])
    bday = sms("bday", {"on": "birthday", "at": "18:00"}, value=5)
    story = told(thanks, rich, bday)

    assert verdicts(story)[0][:2] == ("send", "sent")
    held = told(REMIND, sms("silent", {"on": "since_last_order", "days": 1}, value=1)).tick(at(1, hours=13))
    assert sorted(verdicts(held)) == [("defer", "incomplete", 1.5), ("send", "sent", 1.5)]


@pytest.mark.parametrize(
    ("rule", "more", "reason"),
    [
        (REMIND, {"behaviour": 1}, "needs behaviour 2"),
        (REMIND, {}, "needs behaviour 2"),
        (sms("t", {"on": "ordered"}, waits_for=["pos"]), {"behaviour": 2}, "he has not bought"),
        (sms("t", {"on": "birthday"}, waits_for=["pos"]), {"behaviour": 2}, "he has not bought"),
        (sms("t", SINCE_ONE, waits_for=["P S"]), {"behaviour": 2}, "regex"),
        (sms("t", SINCE_ONE, waits_for=["a"] * 9), {"behaviour": 2}, "length"),
        (REMIND, {"behaviour": 2, "sources": {"pos": {"grace_minutes": 0}}}, "grace_minutes"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_field(
    rule: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_policy({"version": 1, "rules": [rule], **more})
