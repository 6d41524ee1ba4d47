"""Splitting an id off again: what is given back, and where records go that were on their way meanwhile; knows no time and no broker."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from shared.chain import NOWHERE, Bundle, Forwarded, Fragment, Gone, Origin, Unlinked
from shared.streams.head import Links


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
            f"{name}/{origin.epoch}.{origin.partition}.{origin.offset}",
            origin,
            {alias: links.marks[alias] for alias in sorted(below & links.marks.keys())},
            body,
            to=self.root,
            under={alias: links.under[alias] for alias in sorted(below & links.under.keys()) if links.under[alias] != self.root},
            back=self.returned[self.root],
        )  # fmt: skip


def split_off(links: Links, decoded: Any, name: str) -> SplitOff | None:
    """What this record splits off from the live id `name`; None where it does not, or not any more."""
    if type(decoded) is Unlinked:
        if decoded.alias not in links.held(name):
            return None
        root = decoded.alias
        below = {root, *(alias for alias in links.held(name) if _reaches(alias, root, links))}
        return _leaving(links, root, {alias: links.marks[alias] for alias in sorted(below)})
    if not (isinstance(decoded, Bundle) and decoded.unlinked):
        return None
    returned = {a: until for a, until in decoded.returned.items() if links.marks.get(a, NOWHERE) <= until}
    return _leaving(links, decoded.unlinked, returned) if decoded.unlinked in returned else None


def _reaches(alias: str, root: str, links: Links) -> bool:
    while alias in links.under:
        alias = links.under[alias]
        if alias == root:
            return True
    return False


def _leaving(links: Links, root: str, returned: dict[str, Origin]) -> SplitOff:
    after = replace(
        links,
        seen=tuple(alias for alias in links.seen if alias not in returned),
        under={alias: to for alias, to in links.under.items() if alias not in returned},
        gone=links.gone | {alias: Gone(root, until) for alias, until in returned.items()},
    )
    return SplitOff(root, returned, after)


def elsewhere(links: Links, decoded: Any) -> str:
    """The id to which a record belongs that has just reached a live id from which its source was split off; else empty."""
    if type(decoded) is Forwarded:
        return links.gone[decoded.source].root if decoded.source in links.gone else ""
    if type(decoded) is not Fragment:
        return ""
    gone = links.gone.get(decoded.source)
    if gone is not None and Origin(*decoded.source_origin) <= gone.until:
        return gone.root
    return links.gone[decoded.to].root if decoded.to in links.gone else ""


def taken_back(links: Links, decoded: Any, name: str) -> bool:
    """Whether this record makes the redirect `name` a live id again: its own state is given back, or the hop before speaks of it."""
    if isinstance(decoded, Bundle):
        return True
    back = decoded.back if type(decoded) is Fragment else None
    return back is not None and decoded.to == name and links.left <= Origin(*back)


def live_again(links: Links) -> Links:
    """The links of a redirect that holds its own state from now on."""
    return replace(links, redirect="", left=NOWHERE)
