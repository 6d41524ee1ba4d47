"""The profile of a customer at an instant, from everything told about him so far; knows no segments and no rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deploy.oracle.acceptance import Taken, without_forgotten
from deploy.oracle.purchases import Account, account_of
from shared.chain import Consent, Profile
from shared.events import (
    ConsentSet,
    MessageReported,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    TagsSet,
    TraitsSet,
)
from shared.shop import Shop


class History:
    """All facts of one customer so far that count; beats tell nothing of the person unless they carry contacts."""

    def __init__(self) -> None:
        self.purchases: list[Taken] = []
        self.persons: list[Taken] = []
        self.contacts: dict[str, int] = {}
        """Field → instant of the latest record that brought it."""
        self.aliases: set[str] = set()
        self.erased = 0
        self._account = Account()

    def add(self, taken: Taken) -> None:
        """Take one more fact in, in the order of the log."""
        if taken.fate == "duplicate":
            return
        self.aliases |= set(taken.fact.aliases)
        if taken.erased:
            self._forget(taken)
        if isinstance(taken.fact, OrderPlaced | OrderRefunded | OrderCancelled):
            self.purchases.append(taken)
            self._account = account_of(self.purchases)
        self.contacts |= dict.fromkeys(taken.fact.contacts, taken.instant)
        if isinstance(taken.fact, TraitsSet | TagsSet | ConsentSet | MessageReported):
            self.persons.append(taken)

    def account(self) -> Account:
        """What he has bought so far."""
        return self._account

    def _forget(self, taken: Taken) -> None:
        """Nothing, or what happened later and what has no instant of its own, is left."""
        self.erased = taken.erased
        if taken.nothing_left:
            self.purchases, self.persons, self.contacts = [], [], {}
        else:
            self.purchases = without_forgotten(self.purchases, taken.erased)
            self.persons = [
                one for one in self.persons if isinstance(one.fact, MessageReported) or one.at > taken.erased
            ]
            self.contacts = {field: at for field, at in self.contacts.items() if at > taken.erased}
        self._account = account_of(self.purchases)


def portrait(customer: str, history: History, now: int, shop: Shop) -> Profile:
    """The profile at `now` (ms)."""
    account = history.account()
    window_orders, window_amount = account.window(now, shop)
    first, last = (account.orders[0], account.orders[-1]) if account.orders else (None, None)
    traits = {name: value if isinstance(value, str) else "" for name, value in _traits(history.persons).items()}
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
        tags=_tags(history.persons),
        consents=_consents(history.persons),
        contacts=dict.fromkeys(history.contacts, customer),
        messages=dict(Counter(statuses)),
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
