"""Hand-over between ids of one person: marks, redirects, fragments (design: docs/architecture.md, rule 5); knows no time and no broker."""

from __future__ import annotations

from typing import Any

from shared.chain import NEVER, NOWHERE, Bundle, Forwarded, Fragment, Linked, Origin
from shared.events import CustomerErased, Fact
from shared.streams.entry import Entry
from shared.streams.fold import Fold, S
from shared.streams.head import NO_LINKS, Links
from shared.streams.outgoing import Outgoing


def mark_of(decoded: Any) -> tuple[str, Origin] | None:
    """Source key and source origin of a record on a feedback edge."""
    if type(decoded) is Fragment or type(decoded) is Forwarded:
        return decoded.source, Origin(*decoded.source_origin)
    return None


def wants_hand_over(decoded: Any) -> bool:
    """A link, or a bundle that tells that the hop before has handed this customer over."""
    return type(decoded) is Linked or (isinstance(decoded, Bundle) and bool(decoded.linked))


def erases(decoded: Any) -> bool:
    """An erasure, forwarded or not: it makes a state small, so that it is taken by a frozen one, too."""
    return type(decoded.event if type(decoded) is Forwarded else decoded) is CustomerErased


def whole(links: Links) -> bool:
    """Every hop so far has absorbed the same ids, and all that events have named."""
    if links is NO_LINKS:
        return True
    own = tuple(sorted(links.marks))
    return all(theirs == own for theirs in links.absorbed) and set(links.seen) <= set(own)


def links_after(links: Links, decoded: Any, mark: tuple[str, Origin] | None) -> Links:
    """The links once this record is taken; the same object if nothing changes."""
    fact = decoded.event if type(decoded) is Forwarded else decoded
    named: tuple[str, ...] = fact.aliases if isinstance(fact, Fact) else fact.seen
    absorbed = fact.absorbed if isinstance(fact, Bundle) else links.absorbed
    if mark is None and not named and absorbed == links.absorbed:
        return links
    marks = dict(links.marks)
    if type(decoded) is Fragment:
        for source, at in decoded.marks.items():
            marks[source] = max(marks.get(source, NOWHERE), Origin(*at))
    if mark is not None:
        marks[mark[0]] = mark[1]
    return Links("", marks, tuple(sorted({*links.seen, *named})), absorbed)


def surrender(fold: Fold[S], entry: Entry[S], decoded: Any, origin: Origin, clock: int, out: Outgoing[S]) -> None:  # noqa: PLR0917
    """Hand the state to the stronger id and become a redirect; a link to a weaker id goes on to that one instead."""
    to = decoded.other if type(decoded) is Linked else decoded.linked
    if type(decoded) is Linked and to <= entry.name:
        if to < entry.name:
            out.feedback(to, Linked(entry.name))
        return
    left, body = fold.surrender(entry.state)
    out.feedback(to, Fragment(entry.name, origin, entry.links.marks, body, entry.links.seen))
    if fold.output is not None:
        out.emits.append(out.bundle(entry, origin, entry.links, as_of=clock, linked=to))
    entry.state, entry.due = left, NEVER
    entry.links = Links(to, entry.links.marks, entry.links.seen, entry.links.absorbed)


def redirect(entry: Entry[S], decoded: Any, origin: Origin, arrived: int, out: Outgoing[S]) -> None:
    """Send on what reached a redirect. Bundles end here: the state that they speak of is elsewhere."""
    to = entry.links.redirect
    if type(decoded) is Linked:
        weaker, stronger = sorted((to, decoded.other))
        if weaker != stronger:  # derived links carry no mark
            out.feedback(weaker, Linked(stronger))
    elif isinstance(decoded, Fragment | Forwarded):
        out.feedback(to, decoded)
    elif not isinstance(decoded, Bundle):
        out.feedback(to, Forwarded(entry.name, origin, decoded, arrived))
