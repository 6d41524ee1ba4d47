"""What a chain at rest holds, beside what the batch says; knows both, judges nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from services.profile import orders
from shared.engine.identity import linking
from tests.support.linked.batch import Told, Totals, totals
from tests.support.linked.chain import Chain


def holder_of(chain: Chain, name: str) -> str:
    """The id that holds the person of this one, by the first hop."""
    while redirect := chain.entry(0, name).links.redirect:
        name = redirect
    return name


def compared(chain: Chain, told: list[Told], holder: dict[str, str], *, kept: bool = True) -> Iterator[str]:
    """What differs from the batch, id → the id that holds its person given; `kept`: events name only ids that are linked still."""
    dead = chain.told("dead-letters-v1")
    if dead:
        yield f"dead letters: {dead[0]['reason']}"
    for name, held in sorted(holder.items()):
        links = [chain.entry(hop, name).links for hop in range(3)]
        if held != name:
            yield from (f"{name[0]}: hop {hop} is no redirect" for hop in range(3) if not links[hop].redirect)
            continue
        if any(one.redirect for one in links):
            yield f"{name[0]}: a redirect, but nobody is stronger"
        if any(one.held(name) != links[0].held(name) for one in links):
            yield f"{name[0]}: the hops hold different ids: {[one.held(name) for one in links]}"
        if kept and not linking.whole(links[2], name, 2):
            yield f"{name[0]}: half a person for ever: {links[2]}"
        if kept and any(one.until == 0 for one in chain.entry(2, name).state.waiting):
            yield f"{name[0]}: a candidate waits for ever"
        expected = totals(one for one in told if holder[one.ids[0]] == name)
        found = _found(chain, name)
        if found != expected and (found is not None or expected != Totals()):
            yield f"{name[0]}: {found}, expected {expected}"
    yield from _sent_twice(chain, holder)


def _found(chain: Chain, name: str) -> Totals | None:
    """As the last hop heard of it, the orders as the first one keeps them."""
    bundle = chain.latest(name)
    if bundle is None:
        return None
    profile, state = bundle.steps[-1].profile, chain.entry(0, name).state
    book = tuple(sorted((entry.id, entry.at, entry.net) for entry in orders.entries(state.orders)))
    consents = tuple(sorted((one, consent.granted) for one, consent in profile.consents.items()))
    assert profile.orders == len(book)
    return Totals(book, profile.total, consents, profile.birthday)


def _sent_twice(chain: Chain, holder: dict[str, str]) -> Iterator[str]:
    seen = set()
    for command in chain.told("outreach-commands-v1"):
        name = holder[command["customer"]], command["rule"], command["trigger_key"]
        if name in seen:
            yield f"sent twice: {name[1:]}"
        seen.add(name)
