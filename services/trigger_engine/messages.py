"""What the engine says, commands and the reasons of decisions; knows the records' wording, decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.trigger_engine.gates import Address, address_of, may_go, send_by
from services.trigger_engine.state import Candidate
from shared.contract.commands import SendMessage
from shared.contract.public_records import CandidateDecided, Gate, Verdict
from shared.ids import command_id, derived_id
from shared.language.facts import Facts
from shared.language.policy import Message, Rule, Touch
from shared.language.rulebook import Rulebook

DAY: Final = 86_400_000


class Moment(NamedTuple):
    """Whom a decision concerns, when, and by what it is taken."""

    customer: str
    facts: Facts
    at: int
    book: Rulebook


def commands(candidate: Candidate, rule: Rule, touch: Touch, moment: Moment) -> Iterator[SendMessage]:
    """The message (position 0) and those companions that may go and arrive, under their place in the touch."""
    variables = _variables(candidate, moment)
    for position, message in enumerate((touch.message, *touch.companions)):
        address = _reach(message, rule, moment.facts)
        if address is not None:
            yield SendMessage(
                command_id=command_id(rule.id, moment.customer, candidate.key, position=position),
                customer=moment.customer,
                rule=rule.id,
                trigger_key=candidate.key,
                position=position,
                channel=message.channel,
                purpose=rule.purpose,
                template=message.template,
                alias=address.alias,
                field=address.field,
                guide=address.guide,
                variables=variables,
                effective_at=candidate.effective_at,
                decided_at=moment.at,
                send_by=send_by(candidate, rule),
                policy=moment.book.version,
            )


def decision(
    candidate: Candidate,
    moment: Moment,
    verdict: Verdict,
    reason: str,
    *,
    gates: tuple[Gate, ...] = (),
    until: int | None = None,
    sent: tuple[str, ...] = (),
) -> CandidateDecided:
    """The record of one decision, with the facts by which it was taken."""
    return CandidateDecided(
        id=derived_id("decision", moment.customer, candidate.rule, candidate.key, moment.at),
        customer=moment.customer,
        rule=candidate.rule,
        trigger_key=candidate.key,
        effective_at=candidate.effective_at,
        decided_at=moment.at,
        verdict=verdict,
        reason=reason,
        until=until,
        gates=gates,
        facts=_explained(moment.facts, moment.at),
        commands=sent,
        policy=moment.book.version,
    )


def _reach(message: Message, rule: Rule, facts: Facts) -> Address | None:
    return address_of(message.channel, facts) if may_go(message.channel, rule.purpose, facts) else None


def _variables(candidate: Candidate, moment: Moment) -> dict[str, Any]:
    """Plain values for the templates, without contact data; only those that are known."""
    facts, days = moment.facts, _days(moment.facts, moment.at)
    known: dict[str, Any] = {
        "customer": moment.customer,
        "orders": facts.orders,
        "total": format(Decimal(facts.total).scaleb(-moment.book.exponent), "f"),
        "days": days,
        "days_since_last_order": days,
        "guide": facts.guide or None,
        "product": candidate.product or None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _explained(facts: Facts, at: int) -> dict[str, Any]:
    return {
        "orders": facts.orders,
        "last_order_id": facts.last_order_id,
        "days_since_last_order": _days(facts, at),
        "lifecycle": facts.lifecycle,
        "sleep_warning": facts.sleep_warning,
        "rfm": facts.rfm,
        "consents": {name: consent.granted for name, consent in sorted(facts.consents.items())},
    }


def _days(facts: Facts, at: int) -> int | None:
    return None if facts.last_order_at is None else (at - facts.last_order_at) // DAY
