"""The ids and links that an unlink takes away from a live id."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.contract.identity import Fragment
from shared.contract.origin import Origin
from shared.engine.state.stored import Links


class SplitOff(msgspec.Struct, frozen=True):
    """What an unlink takes away from a live id."""

    root: str
    returned: dict[str, Origin]
    """`root` and every id below it, up to these origins."""
    links: Links
    """The links afterwards."""

    @property
    def told(self) -> dict[str, Any]:
        """What the bundle tells the next hop."""
        return {"unlinked": self.root, "returned": self.returned}

    def fragment(self, name: str, origin: Origin, links: Links, body: bytes) -> Fragment:
        """What goes back to the root from `name`, whose links were `links`."""
        below = self.returned.keys() - {self.root}
        return Fragment(
            given_by(name, origin),
            origin,
            {alias: links.marks[alias] for alias in sorted(below & links.marks.keys())},
            body,
            to=self.root,
            under={alias: links.under[alias] for alias in sorted(below & links.under.keys()) if links.under[alias] != self.root},
            back=self.returned[self.root],
        )  # fmt: skip


def given_by(name: str, origin: Origin) -> str:
    """Source name of a fragment given back: never an id."""
    return f"{name}/{origin.epoch}.{origin.partition}.{origin.offset}"
