"""The profile of a customer at an instant, from everything told about him so far; knows no segments and no rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from shared.contract.bundles import Consent, Profile
from shared.contract.facts import (
    ConsentSet,
    MessageReported,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    TagsSet,
    TraitsSet,
)
from shared.shop import Shop
from tests.oracle.acceptance import Taken, without_forgotten
from tests.oracle.purchases import Account, account_of, account_told
from tests.oracle.statements import ANEW, Statements, united

_Sealed = tuple[str, int]
"""Id under which a contact was sealed, and the step's instant."""


def _always(*_: _Sealed) -> bool:
    return True


def _later(new: _Sealed, known: _Sealed) -> bool:
    return new[1] >= known[1]


def _higher(new: _Sealed, known: _Sealed) -> bool:
    return (new[1], new[0]) > (known[1], known[0])


class _Left(NamedTuple):
    purchases: list[Taken]
    persons: list[Taken]
    contacts: dict[str, tuple[str, int]]


class History:
    """All facts of one customer so far that count; beats tell nothing of the person unless they carry contacts."""

    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.contacts: dict[str, tuple[str, int]] = {}
        """Field → id under which it was sealed, and the step's instant."""
        self.purchases: list[Taken] = []
        self.persons: list[Taken] = []
        self.aliases: set[str] = set()
        """Ids under which orders, refunds and contacts came."""
        self.erased = 0
        self.statements: Statements | None = None
        """From the first fact of behaviour 4 on: what was told, without an order."""
        self._account = Account()

    def add(self, taken: Taken) -> None:
        """Take one more fact in, in the order of the log."""
        if taken.fate == "duplicate":
            return
        anew = self.anew() if taken.behaviour >= ANEW else None
        if taken.erased:
            self._keep(self._left(taken.erased, nothing=taken.nothing_left))
            self.erased = taken.erased
            if anew is not None:
                anew.forget(taken.erased, nothing=taken.nothing_left, refuse=True)
        alias = taken.told.alias or self.customer
        if taken.fact.contacts or (isinstance(taken.fact, OrderPlaced | OrderRefunded) and not taken.completes):
            self.aliases.add(alias)
        self._reach(dict.fromkeys(taken.fact.contacts, (alias, taken.instant)), _always if anew is None else _higher)
        if anew is not None:
            anew.tell(taken.fact, taken.at)
            self._account = account_told(anew)
            if isinstance(taken.fact, MessageReported):
                self.persons.append(taken)
            return
        if isinstance(taken.fact, OrderPlaced | OrderRefunded | OrderCancelled):
            self.purchases.append(taken)
            self._account = account_of(self.purchases)
        if isinstance(taken.fact, TraitsSet | TagsSet | ConsentSet | MessageReported):
            self.persons.append(taken)

    def absorb(self, other: History, nows: tuple[int, int], behaviour: int = 1) -> None:
        """Everything of another id of the person; below behaviour 4, of values with one instant its own, which came later, holds.

        `nows`: how far both had come, for what one of them was erased of the other loses as well.
        """
        erased = max(self.erased, other.erased)
        anew = self.anew() if behaviour >= ANEW else None
        if anew is not None:
            united((anew, self.erased, nows[0]), (other.anew(), other.erased, nows[1]), erased)
        self._keep(self._left(erased, nothing=nows[0] <= erased))
        left = other._left(erased, nothing=nows[1] <= erased)
        self.erased = erased
        self.aliases |= other.aliases
        self.purchases = self.purchases + left.purchases
        self._account = account_of(self.purchases) if anew is None else account_told(anew)
        self.persons = self.persons + left.persons
        self._reach(left.contacts, _later if anew is None else _higher)

    def _reach(self, contacts: dict[str, _Sealed], holds: Callable[[_Sealed, _Sealed], bool]) -> None:
        for field, sealed in contacts.items():
            if field not in self.contacts or holds(sealed, self.contacts[field]):
                self.contacts[field] = sealed

    def anew(self) -> Statements:
        """What was told, without an order; of facts from before behaviour 4 what held of them."""
        if self.statements is None:
            told = [(one.fact, one.at) for one in (*self.purchases, *self.persons)]
            self.statements = Statements.from_before(told)
        return self.statements

    def account(self) -> Account:
        """What he has bought so far."""
        return self._account

    def _keep(self, left: _Left) -> None:
        self.purchases, self.persons, self.contacts = left.purchases, left.persons, left.contacts
        self._account = account_of(self.purchases)

    def _left(self, erased: int, *, nothing: bool) -> _Left:
        """What remains once everything up to `erased` is forgotten: what happened later, and what has no instant of its own."""
        if erased == self.erased:
            return _Left(self.purchases, self.persons, dict(self.contacts))
        if nothing:
            return _Left([], [], {})
        return _Left(
            without_forgotten(self.purchases, erased),
            [one for one in self.persons if isinstance(one.fact, MessageReported) or one.at > erased],
            {field: sealed for field, sealed in self.contacts.items() if sealed[1] > erased},
        )


def portrait(history: History, now: int, shop: Shop) -> Profile:
    """The profile at `now` (ms)."""
    account = history.account()
    window_orders, window_amount = account.window(now, shop)
    first, last = (account.orders[0], account.orders[-1]) if account.orders else (None, None)
    anew = history.statements
    if anew is None:
        traits = {name: value if isinstance(value, str) else "" for name, value in _traits(history.persons).items()}
        tags, consents = _tags(history.persons), _consents(history.persons)
    else:
        traits = {name: max(told)[1] for name, told in anew.traits.items()}
        tags = tuple(sorted(name for name, told in anew.tags.items() if not max(told)[1]))
        consents = anew.all_consents()
    statuses = [taken.fact.status for taken in history.persons if isinstance(taken.fact, MessageReported)]
    return Profile(
        orders=len(account.orders),
        total=account.total,
        first_order_at=first.at if first else None,
        last_order_at=last.at if last else None,
        first_order_id=first.id if first else "",
        last_order_id=last.id if last else "",
        window_orders=window_orders,
        window_amount=window_amount,
        birthday=traits.get("birthday", ""),
        guide=traits.get("guide", ""),
        zone=traits.get("zone", ""),
        level=traits.get("level", ""),
        tags=tags,
        consents=consents,
        contacts={field: alias for field, (alias, _) in history.contacts.items()},
        messages=dict(Counter(statuses)),
        ids=tuple(sorted(history.aliases - {history.customer})),
        erased=history.erased,
    )


def _traits(persons: Sequence[Taken]) -> dict[str, object]:
    told = [taken.fact for taken in _by_instant(persons) if isinstance(taken.fact, TraitsSet)]
    return {name: value for fact in told for name, value in fact.traits.items()}


def _tags(persons: Sequence[Taken]) -> tuple[str, ...]:
    has: set[str] = set()
    for taken in _by_instant(persons):
        if isinstance(taken.fact, TagsSet):
            has = (has | set(taken.fact.add)) - set(taken.fact.remove)
    return tuple(sorted(has))


def _consents(persons: Sequence[Taken]) -> dict[str, Consent]:
    return {
        f"{taken.fact.channel}/{taken.fact.purpose}": Consent(taken.fact.granted, taken.at)
        for taken in _by_instant(persons)
        if isinstance(taken.fact, ConsentSet)
    }


def _by_instant(persons: Sequence[Taken]) -> list[Taken]:
    """Sorted by when it happened, ties in the order of the log: the last word on a name is the one that holds."""
    return sorted(persons, key=lambda taken: taken.at)
