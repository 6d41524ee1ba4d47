"""The parts of a stored customer state that the engine owns, and the values of a partition."""

from __future__ import annotations

import msgspec

from shared.contract.identity import Gone
from shared.contract.origin import NEVER, NOWHERE, Origin

SENT_BACK = "/"
"""Ends the source of records that an id sent back, so that their marks are no absorbed ids."""


class Links(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What hand-over leaves on a key: only ids that were ever linked have one."""

    redirect: str = ""
    """The id that holds the state now."""
    marks: dict[str, Origin] = {}
    """Highest origin taken over per source id."""
    seen: tuple[str, ...] = ()
    """Ids that events named for this person."""
    absorbed: tuple[tuple[str, ...], ...] = ()
    """What the earlier hops had absorbed, by the latest bundle."""
    refused: tuple[str, ...] = ()
    """Ids that events named, but that belong to another member."""
    under: dict[str, str] = {}
    """Absorbed id → the id to which it was handed, where that is not this one."""
    gone: dict[str, Gone] = {}
    """Ids once absorbed, or on their way here, that were split off."""
    left: Origin = NOWHERE
    """Of a redirect: the origin of the hand-over."""

    def told(self, hop: int) -> tuple[tuple[str, ...], ...]:
        """What each of the `hop` hops before had absorbed; nothing where one has never spoken of it."""
        return self.absorbed + ((),) * (hop - len(self.absorbed))

    def held(self, name: str) -> tuple[str, ...]:
        """The ids whose state `name`, the owner of these links, has absorbed and still holds, ascending."""
        ids = self.marks.keys() - self.gone.keys() - {name}
        return tuple(sorted(alias for alias in ids if not alias.endswith(SENT_BACK)))


NO_LINKS = Links()


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the engine keeps beside the service's body."""

    schema: int = 1
    origin: Origin = NOWHERE
    counter: int = 0
    """Rises with every applied step; the highest wins at recovery."""
    due: int = NEVER
    frozen: bool = False
    links: Links = NO_LINKS


class PartitionValues(msgspec.Struct, frozen=True, array_like=True):
    """What the partition itself remembers, stored as ONE changelog record, last of its batch; `next` is its counter (rule 2)."""

    next: int = 0
    """Next input offset."""
    last: Origin = NOWHERE
    """Highest origin taken, raised by fragments (rule 5)."""
    clock: int = 0
    broadcasts: dict[str, tuple[bytes, int]] = {}
    """Tag → the broadcast in force and the clock when it came into force."""
    balance: int = 0
    """Failures beyond successes (shared/engine/fold/poison_limit.py): a restart must not forget them."""
