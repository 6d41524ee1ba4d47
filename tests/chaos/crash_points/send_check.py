"""What must hold of the notifier wherever it died: once per provider that can be asked, every fact out, one end each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from shared.contract.contact_points import ContactPoint
from shared.contract.facts import CustomerFact, MessageReported
from shared.contract.public_records import CandidateDecided, DeliveryDecided
from shared.contract.topics import CONTACT_POINTS, CUSTOMER_EVENTS, OUTREACH_DECISIONS

from .sends import Sent

ENDS: Final = {
    "sms": {"delivered"},
    "wecom": {"delivered"},
    "staff_task": {"sent"},
    "email": {"sent", "assumed_sent"},
}
"""Channel → where its commands may end when providers take everything; only mail cannot be asked about."""
_decode = msgspec.json.Decoder(CustomerFact | CandidateDecided | DeliveryDecided).decode


def differences(sent: Sent) -> list[str]:
    """One line per command and law that does not hold; empty where all is well."""
    if sent.stuck:
        return [f"no end: {sent.stuck}"]
    return [*_ends(sent), *_once(sent), *_facts(sent), *_addresses(sent)]


def _addresses(sent: Sent) -> Iterator[str]:
    """T10: compaction keeps the last record of a key, which must be the latest address."""
    told: dict[bytes | None, list[int]] = defaultdict(list)
    for (topic, _), log in sent.world.logs.items():
        for stored in log if topic == CONTACT_POINTS.name else []:
            told[stored.key].append(msgspec.json.decode(stored.value, type=ContactPoint).at)
    for key, instants in told.items():
        if instants[-1] != max(instants):
            yield f"addresses: {key!r} ends with the address of {instants[-1]}, the latest is of {max(instants)}"


def _ends(sent: Sent) -> Iterator[str]:
    known = {command.command_id for command in sent.commands}
    if set(sent.states) != known:
        yield f"conservation: {len(known)} commands, {len(sent.states)} in the outbox"
    for command in sent.commands:
        state = sent.states.get(command.command_id, "missing")
        if state not in ENDS[command.channel]:
            yield f"conservation: {command.channel} {command.command_id} ended {state}"
        if sent.ledger[command.command_id] != 1:
            yield f"ledger: {command.channel} {command.command_id} entered {sent.ledger[command.command_id]} times"
    doubts = sum(state == "assumed_sent" for state in sent.states.values())
    if doubts > len(sent.points.died):
        yield f"doubts: {doubts} mails assumed sent after {len(sent.points.died)} crashes"


def _once(sent: Sent) -> Iterator[str]:
    for command in sent.commands:
        times, state = sent.accepted[command.command_id], sent.states.get(command.command_id)
        if times > 1 or (times == 0 and state != "assumed_sent"):
            yield f"sends: {command.channel} {command.command_id} accepted {times} times, {state}"


def _facts(sent: Sent) -> Iterator[str]:
    contents: dict[str, set[bytes]] = defaultdict(set)
    reported: dict[str, set[str]] = defaultdict(set)
    decided: dict[str, set[str]] = defaultdict(set)
    for (topic, _), log in sent.world.logs.items():
        for stored in log if topic in {CUSTOMER_EVENTS.name, OUTREACH_DECISIONS.name} else []:
            fact: Any = _decode(stored.value)
            contents[fact.id].add(stored.value)
            if isinstance(fact, MessageReported):
                reported[fact.command_id].add(fact.status)
            else:
                decided[fact.command_id].add(fact.state)
    for name, different in contents.items():
        if len(different) > 1:
            yield f"facts: {name} has {len(different)} contents"
    for command in sent.commands:
        name, state = command.command_id, sent.states.get(command.command_id, "missing")
        if state not in reported[name]:
            yield f"facts: {command.channel} {name} reported {sorted(reported[name])}, ended {state}"
        if state not in decided[name]:
            yield f"facts: {command.channel} {name} decided {sorted(decided[name])}, ended {state}"
