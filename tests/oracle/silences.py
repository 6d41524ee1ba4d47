"""What the notifier is told of one customer's refusals, from his profile at every instant; knows semantics §7, no gate."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from shared.contract.bundles import Profile
from shared.contract.commands import Allow, Suppress


def is_forgotten(profile: Profile) -> bool:
    """Erased, without a yes since."""
    yes = [consent.at for consent in profile.consents.values() if consent.granted]
    return profile.erased > 0 and max(yes, default=0) <= profile.erased


class Silence:
    """All commands about one customer's silence so far; the latest about a channel and purpose holds."""

    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.told: list[Suppress | Allow] = []
        self._erased = self._number = 0
        self._silent: dict[str, bool] = {}
        """By channel and purpose, what was told of this person last, under whatever id."""

    def hear(self, profile: Profile, now: int, *, consents: bool, again: bool = False) -> None:
        """The profile at `now`; without `consents` only an erasure is told of. `again`: to other ids than before."""
        before = set(self._silent) if again else set[str]()
        if profile.erased > self._erased:
            self._erased = profile.erased
            self._say("suppress", "all/all", profile, now)
        wanted = {"all/all": is_forgotten(profile)}
        if consents:
            for name in {*self._silent, *profile.consents}:
                if name != "all/all" and not name.startswith("staff_task"):
                    wanted[name] = name in profile.consents and not profile.consents[name].granted
        for name in sorted(wanted):
            if wanted[name] != self._silent.get(name, False) or name in before:
                self._say("suppress" if wanted[name] else "allow", name, profile, now)

    def unite(self, other: Silence) -> None:
        """What the notifier was told of another id of the person."""
        self._silent = other._silent | self._silent
        self._number = max(self._number, other._number)

    def _say(self, what: Literal["suppress", "allow"], name: str, profile: Profile, now: int) -> None:
        channel, purpose = name.split("/")
        self._number += 1
        self._silent[name] = what == "suppress"
        kind: dict[str, Any] = {"type": what, "customer": self.customer, "channel": channel, "purpose": purpose}
        kind |= {"decided_at": now, "number": self._number, "ids": profile.ids}
        if what == "allow":
            self.told.append(msgspec.convert(kind, Allow))
            return
        erased = profile.erased if name == "all/all" else 0
        kind |= {"reason": "erased" if erased else "consent", "erased": erased}
        self.told.append(msgspec.convert(kind, Suppress))
