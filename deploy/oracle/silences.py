"""What the notifier is told of one customer's refusals, from his profile at every instant; knows semantics §7, no gate."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from shared.chain import Profile
from shared.outreach import Allow, Suppress


def is_forgotten(profile: Profile) -> bool:
    """Erased, without a yes since."""
    yes = [consent.at for consent in profile.consents.values() if consent.granted]
    return profile.erased > 0 and max(yes, default=0) <= profile.erased


class Silence:
    """All commands about one customer's silence so far; the latest about a channel and purpose holds."""

    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.told: list[Suppress | Allow] = []
        self._erased = 0

    def hear(self, profile: Profile, now: int, *, consents: bool) -> None:
        """The profile at `now`; without `consents` only an erasure is told of."""
        if profile.erased > self._erased:
            self._erased = profile.erased
            self._say("suppress", "all/all", profile, now)
        wanted = {"all/all": is_forgotten(profile)}
        if consents:
            for name in {f"{one.channel}/{one.purpose}" for one in self.told} | set(profile.consents):
                if name != "all/all" and not name.startswith("staff_task"):
                    wanted[name] = name in profile.consents and not profile.consents[name].granted
        for name in sorted(wanted):
            if wanted[name] != self._silent(name):
                self._say("suppress" if wanted[name] else "allow", name, profile, now)

    def _silent(self, name: str) -> bool:
        about = [one for one in self.told if f"{one.channel}/{one.purpose}" == name]
        return bool(about) and isinstance(about[-1], Suppress)

    def _say(self, what: Literal["suppress", "allow"], name: str, profile: Profile, now: int) -> None:
        channel, purpose = name.split("/")
        kind: dict[str, Any] = {"type": what, "customer": self.customer, "channel": channel, "purpose": purpose}
        kind |= {"decided_at": now, "number": len(self.told) + 1}
        if what == "allow":
            self.told.append(msgspec.convert(kind, Allow))
            return
        erased = profile.erased if name == "all/all" else 0
        kind |= {"reason": "erased" if erased else "consent", "erased": erased}
        self.told.append(msgspec.convert(kind, Suppress))
