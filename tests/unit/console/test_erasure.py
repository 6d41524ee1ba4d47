"""The read side of a person's will: consents with their proof, and nothing of who was erased, in whichever order topics are read."""

from __future__ import annotations

from itertools import permutations

from shared.contract.commands import Suppress
from shared.contract.facts import ConsentSet
from shared.contract.public_records import CandidateDecided
from shared.contract.topics import CUSTOMER_EVENTS, OUTREACH_COMMANDS, OUTREACH_DECISIONS
from tests.unit.console.records import Tables, log_of


def consent(name: str, at: int) -> ConsentSet:
    told = {"text_version": "v3", "operator": "g-1", "proof": "form 7", "source": "pos"}
    return ConsentSet(id=name, at=at, channel="sms", purpose="marketing", granted=True, **told)  # type: ignore[arg-type]


def decided(name: str, at: int) -> CandidateDecided:
    return CandidateDecided(
        id=name, customer="c1", rule="r", trigger_key="k", effective_at=at, decided_at=at, verdict="skip",
        reason="cap", policy=1,
    )  # fmt: skip


def test_a_consent_is_kept_with_all_that_proves_it() -> None:
    tables = Tables()
    tables.take(log_of(CUSTOMER_EVENTS.name, ("c1", consent("y", 5)), ("c1", consent("n", 9))))

    one, _ = tables.consents.values()
    assert (one.customer, one.event, one.granted, one.at, one.arrived) == ("c1", "y", True, 5, 1_000_000)
    assert (one.source, one.proof, one.text_version, one.operator) == ("pos", "form 7", "v3", "g-1")


def test_of_an_erased_person_only_figures_are_left_in_whichever_order_topics_are_read() -> None:
    erased = Suppress(
        customer="c9", ids=("c1",), channel="all", purpose="all", reason="erased", erased=7, decided_at=8, number=1
    )
    logs = [
        log_of(CUSTOMER_EVENTS.name, ("c1", consent("old", 5)), ("c1", consent("new", 9))),
        log_of(OUTREACH_COMMANDS.name, ("c9", erased)),
        log_of(OUTREACH_DECISIONS.name, ("c1", decided("old", 5)), ("c1", decided("new", 9))),
    ]
    for order in permutations(logs):
        tables = Tables()
        for log in order:
            tables.take(log)
        assert [one.event for one in tables.consents.values()] == ["new"]
        assert {one.id: one.customer for one in tables.decisions.values()} == {"old": "", "new": "c1"}
        assert tables.counted("decision_count") == {("r", "skip", "cap"): (2,)}
        assert tables.erased == {"c1": 7, "c9": 7}
