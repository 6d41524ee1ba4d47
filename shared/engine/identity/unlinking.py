"""Splits an id off from a customer: the state given back, and the way of records that were under way."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from shared.contract.bundles import Bundle
from shared.contract.identity import Forwarded, Fragment, Gone, Unlinked
from shared.contract.origin import NOWHERE, Origin
from shared.engine.identity.split_off import SplitOff, given_by
from shared.engine.state.stored import SENT_BACK, Links


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
    if _came_again(links, decoded):
        return None
    root = decoded.unlinked
    returned = {a: until for a, until in decoded.returned.items() if links.marks.get(a, NOWHERE) <= until}
    early = {a: links.marks[a] for a in links.held(name) if a not in decoded.returned and _reaches(a, root, links)}
    return _leaving(links, root, returned | early)


def _came_again(links: Links, bundle: Bundle) -> bool:
    """Whether here the id that was split off has been handed over once more already: then it has never left."""
    root = bundle.unlinked
    return bool(root) and links.marks.get(root, NOWHERE) > bundle.returned[root]


def never_left(links: Links, decoded: Any, name: str) -> Links:
    """The links after a bundle that tells of a split undone meanwhile: as if it had been given back and come again."""
    if not (isinstance(decoded, Bundle) and _came_again(links, decoded)):
        return links
    return replace(links, marks=links.marks | {given_by(name, decoded.origin): decoded.origin})


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
        gone = links.gone.get(decoded.alias or decoded.source)
        return "" if gone is None else gone.root
    if type(decoded) is not Fragment:
        return ""
    gone = links.gone.get(decoded.alias or decoded.source)
    handed = decoded.marks.get(decoded.alias, NOWHERE) if decoded.alias else decoded.source_origin
    if gone is not None and Origin(*handed) <= gone.until:
        return gone.root
    return links.gone[decoded.to].root if decoded.to in links.gone else ""


def sent_back(decoded: Forwarded | Fragment, name: str, origin: Origin) -> Forwarded | Fragment:
    """The record as `name` sends it back: under a mark of its own, for its source may have gone on meanwhile."""
    alias, source = decoded.alias or decoded.source, name + SENT_BACK
    if isinstance(decoded, Forwarded):
        return replace(decoded, source=source, source_origin=origin, alias=alias)
    if decoded.back is not None:  # its source is a name of its own already
        return decoded
    marks = decoded.marks if decoded.alias else decoded.marks | {alias: decoded.source_origin}
    return replace(decoded, source=source, source_origin=origin, marks=marks, alias=alias)


def taken_back(links: Links, decoded: Any, name: str) -> bool:
    """Whether this record makes the redirect `name` a live id again: its own state is given back, or the hop before speaks of it."""
    if isinstance(decoded, Bundle):
        return True
    back = decoded.back if type(decoded) is Fragment else None
    return back is not None and decoded.to == name and links.left <= Origin(*back)


def live_again(links: Links) -> Links:
    """The links of a redirect that holds its own state from now on."""
    return replace(links, redirect="", left=NOWHERE, seen=())
