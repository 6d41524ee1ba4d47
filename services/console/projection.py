"""From a batch and the rows it touches to the rows and amounts to write; pure, knows no database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from services.console.consent_records import Consented
from services.console.records import Batch, Decision, Message, Standing, merged

Amounts = Mapping[tuple[object, ...], tuple[int, ...]]
"""Key of a counting table → what is added to its other columns."""


class Known(NamedTuple):
    """What the tables hold about the keys of a batch."""

    customers: Mapping[str, Standing]
    marks: Mapping[str, int]
    """Customer → seq of the latest change that was counted."""
    messages: Mapping[str, Message]
    decisions: Mapping[str, Decision]
    erased: Mapping[str, int] = {}
    """Customers of this batch who were erased before, with the instant up to which."""


class Rows(NamedTuple):
    """What is to be written. Rows replace those of their key; amounts are added."""

    customers: Mapping[str, Standing]
    gone: Collection[str]
    """Customers that were taken out."""
    marks: Mapping[str, int]
    messages: Mapping[str, Message]
    decisions: Collection[Decision]
    amounts: Mapping[str, Amounts]
    """By name of the counting table."""
    consents: Collection[Consented] = ()
    erased: Mapping[str, int] = {}
    """Customers of whom nothing up to this instant is kept: consents go, decisions are nobody's."""


class _Sums:
    """Amounts of one counting table."""

    def __init__(self) -> None:
        self._sums: dict[tuple[object, ...], tuple[int, ...]] = {}

    def add(self, key: tuple[object, ...], *amounts: int) -> None:
        before = self._sums.get(key, (0,) * len(amounts))
        self._sums[key] = tuple(old + new for old, new in zip(before, amounts, strict=True))

    def moved(self) -> Amounts:
        return {key: amounts for key, amounts in self._sums.items() if any(amounts)}


def project(batch: Batch, known: Known) -> Rows:
    """The rows after the batch. `known` must hold what is stored about every key that the batch names."""
    sums: dict[str, _Sums] = defaultdict(_Sums)
    customers, gone = _customers(batch, known, sums["population"])
    marks = _movements(batch, known, sums["movement"])
    messages = _messages(batch, known, sums["message_count"])
    decisions = []
    for new in batch.decisions.values():
        old = known.decisions.get(new.id)
        if old is not None and _said(old) == _said(new):
            continue  # told twice
        if old is not None:  # the candidate was looked at again at the same instant: the last word counts
            sums["decision_count"].add((old.rule, old.verdict, old.reason), -1)
        sums["decision_count"].add((new.rule, new.verdict, new.reason), 1)
        decisions.append(new)
    for (second, kind), events in batch.events.items():
        sums["event_second"].add((second, kind), events)
        sums["event_total"].add((kind,), events)
    amounts = {name: found.moved() for name, found in sums.items()}
    erased = {**known.erased, **{each: max(at, known.erased.get(each, 0)) for each, at in batch.erased.items()}}
    decisions = [_nobodys(new) if new.decided_at <= erased.get(new.customer, -1) else new for new in decisions]
    consents = [one for one in batch.consents if one.at > erased.get(one.customer, -1)]
    return Rows(customers, gone, marks, messages, decisions, amounts, consents, batch.erased)


def _said(decision: Decision) -> tuple[object, ...]:
    return decision.verdict, decision.reason, decision.detail, decision.until, decision.command_id


def _nobodys(decision: Decision) -> Decision:
    """It stays in the figures."""
    return decision._replace(customer="")


def _customers(batch: Batch, known: Known, sums: _Sums) -> tuple[dict[str, Standing], list[str]]:
    placed: dict[str, Standing] = {}
    gone: list[str] = []
    for customer, new in batch.customers.items():
        old = known.customers.get(customer)
        if new == old or (new is not None and old is not None and new.as_of < old.as_of):
            continue  # an older snapshot is one that was told twice
        if old is not None:
            sums.add((old.lifecycle, old.sleep_warning, old.rfm), -1, -old.orders, -old.amount)
        if new is None:
            gone.append(customer)
        else:
            sums.add((new.lifecycle, new.sleep_warning, new.rfm), 1, new.orders, new.amount)
            placed[customer] = new
    return placed, gone


def _movements(batch: Batch, known: Known, sums: _Sums) -> dict[str, int]:
    marks: dict[str, int] = {}
    for customer, changes in batch.changes.items():
        mark = known.marks.get(customer, 0)
        for change in changes:
            if change.seq > mark:
                mark = marks[customer] = change.seq
                sums.add((change.dimension, change.before, change.after), 1)
    return marks


def _messages(batch: Batch, known: Known, sums: _Sums) -> dict[str, Message]:
    told: dict[str, Message] = {}
    for command_id, found in batch.messages.items():
        old = known.messages.get(command_id)
        new = found if old is None else merged(old, found)
        if new == old:
            continue
        if old is not None:
            sums.add((old.rule, old.channel, old.state), -1, -int(old.opened), -int(old.clicked))
        sums.add((new.rule, new.channel, new.state), 1, int(new.opened), int(new.clicked))
        told[command_id] = new
    return told
