"""Hand-over between ids of one person: marks, redirects, fragments (design: docs/architecture.md, rule 5); knows no time and no broker."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from shared.contract.bundles import Bundle
from shared.contract.facts import CustomerErased, Fact
from shared.contract.identity import Forwarded, Fragment, Gone, IdentityConflict, Linked, Unlinked
from shared.contract.origin import NEVER, NOWHERE, Origin
from shared.engine.fold.fold import Context, Fold, S
from shared.engine.state.entry import Entry
from shared.engine.state.outgoing import Outgoing
from shared.engine.state.stored import NO_LINKS, Links
from shared.ids import is_protected


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


def whole(links: Links, name: str, hop: int) -> bool:
    """Every hop before this one (the first is 0) holds the same ids as the live id `name` does here, and all that events have named."""
    if links is NO_LINKS:
        return True
    own = links.held(name)
    return all(theirs == own for theirs in links.told(hop)) and set(links.seen) <= set(own)


def links_after(links: Links, decoded: Any, mark: tuple[str, Origin] | None, name: str) -> Links:
    """The links of the live id `name` once this record is taken; the same object if nothing changes."""
    if type(decoded) is Fragment:
        return _joined(links, decoded, name)
    if isinstance(decoded, Bundle):  # absolute, like all that comes from upstream
        if decoded.seen == links.seen and decoded.absorbed == links.absorbed:
            return links
        return replace(links, seen=decoded.seen, absorbed=decoded.absorbed)
    if type(decoded) is IdentityConflict:
        return _refusing(links, decoded.alias, name)
    fact = decoded.event if type(decoded) is Forwarded else decoded
    named = set(fact.aliases) - set(links.refused) if isinstance(fact, Fact) else set()
    if mark is None and named <= set(links.seen):
        return links
    marks = links.marks if mark is None else links.marks | {mark[0]: mark[1]}
    return replace(links, marks=marks, seen=tuple(sorted({*links.seen, *named})))


def named_anew(links: Links, decoded: Any, name: str) -> tuple[str, ...]:
    """Ids that a fact names for the live id `name`, of which the log may hold no link after their last parting.

    Ingest writes the link of two ids once in a while, not with every event that names both.
    """
    if not (links.gone or links.marks):
        return ()
    fact = decoded.event if type(decoded) is Forwarded else decoded
    if not isinstance(fact, Fact) or not fact.aliases:
        return ()
    known = {name, *links.held(name), *links.refused, *links.seen}
    return tuple(alias for alias in fact.aliases if alias not in known)


def _joined(links: Links, fragment: Fragment, name: str) -> Links:
    """With what a fragment brings: its marks, and its memory of who was refused, split off, or handed over to whom."""
    came = {*(fragment.marks.keys() - fragment.gone.keys()), fragment.source}
    marks = dict(links.marks)
    for source, at in (*fragment.marks.items(), (fragment.source, fragment.source_origin)):
        marks[source] = max(marks.get(source, NOWHERE), Origin(*at))
    here = came | set(links.held(name))
    under = links.under | fragment.under
    giver = fragment.alias or fragment.source
    under.pop(giver, None)
    if fragment.to not in {"", name} and fragment.back is None:
        under[giver] = fragment.to
    refused = {*links.refused, *fragment.refused} - came
    return replace(
        links,
        marks=marks,
        seen=tuple(sorted({*links.seen, *fragment.seen} - refused)),
        refused=tuple(sorted(refused)),
        under=under,
        gone={alias: gone for alias, gone in (fragment.gone | links.gone).items() if alias not in here},
    )


def _refusing(links: Links, alias: str, name: str) -> Links:
    if alias in links.refused or alias in links.held(name):
        return links
    seen = tuple(one for one in links.seen if one != alias)
    return replace(links, seen=seen, refused=tuple(sorted({*links.refused, alias})))


def surrender(fold: Fold[S], entry: Entry[S], decoded: Any, context: Context, out: Outgoing[S]) -> None:
    """Hand the state to the stronger id and become a redirect; a link to a weaker id goes on to that one instead."""
    to = decoded.other if type(decoded) is Linked else decoded.linked
    if type(decoded) is Linked and (to <= entry.name or _both_members(entry.name, to)):
        _link(entry.name, entry.name, decoded, out)
        return
    links, origin = entry.links, context.origin
    state, outputs = fold.leave(entry.state, to, context)
    left, body = fold.surrender(state)
    fragment = Fragment(
        entry.name,
        origin,
        links.marks,
        body,
        links.seen,
        to=to,
        refused=links.refused,
        under={alias: links.under.get(alias, entry.name) for alias in links.held(entry.name)},
        gone=links.gone,
    )
    out.feedback(to, fragment)
    if fold.output is not None:
        out.emits.append(out.bundle(entry, origin, links, as_of=context.clock, linked=to))
    out.emits += out.leaving(entry, outputs, origin, None)
    entry.state, entry.due = left, NEVER
    gone = {alias: Gone(to, links.marks[alias]) for alias in links.held(entry.name)}  # should this id be taken back
    entry.links = replace(links, redirect=to, left=origin, gone=links.gone | gone)


def redirect(entry: Entry[S], decoded: Any, origin: Origin, arrived: int, out: Outgoing[S]) -> None:
    """Send on what reached a redirect. Bundles end here: the state that they speak of is elsewhere."""
    to = entry.links.redirect
    if type(decoded) is Linked:
        _link(to, entry.name, decoded, out)
    elif isinstance(decoded, Fragment | Forwarded | Unlinked | IdentityConflict):
        out.feedback(to, decoded)
    elif not isinstance(decoded, Bundle):
        out.feedback(to, Forwarded(entry.name, origin, decoded, arrived))


def _link(holder: str, key: str, link: Linked, out: Outgoing[S]) -> None:
    """Link the id that stands for the record's key with the other one, smaller to larger. Derived links carry no mark."""
    weaker, stronger = sorted((holder, link.other))
    named = (link.weaker, link.stronger) if link.weaker else (min(key, link.other), max(key, link.other))
    if weaker == stronger:
        return
    if _both_members(weaker, stronger):
        out.feedback(named[1], IdentityConflict(named[0], (weaker, stronger)))
    else:
        out.feedback(weaker, Linked(stronger) if named == (weaker, stronger) else Linked(stronger, *named))


def _both_members(one: str, other: str) -> bool:
    return one != other and is_protected(one) and is_protected(other)
