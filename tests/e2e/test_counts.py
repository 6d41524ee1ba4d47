"""T4 on the whole product: a customer with several ids is counted once, by a foreign subscriber and by the console alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest

from services.ingest.identifiers import Kind
from shared.contract import topics
from shared.contract.public_records import SegmentChanged, SegmentSnapshot
from tests.support.shop_house import ShopHouse

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="session")]

GUESTS = [f"139770055{number:02}" for number in range(10)]
MEMBERS = [f"M-COUNT-{number}" for number in range(10)]
SERVICES = ("profile", "segmenter", "trigger-engine")
_snapshot = msgspec.json.Decoder(SegmentSnapshot).decode
_change = msgspec.json.Decoder(SegmentChanged).decode


class Sums(NamedTuple):
    customers: int
    orders: int
    amount: int


async def test_guests_who_become_members_are_counted_once(house: ShopHouse) -> None:
    phones = [house.id_of(Kind.PHONE, phone) for phone in GUESTS]
    ids = [*phones, *(house.id_of(Kind.MEMBER, member) for member in MEMBERS)]
    await house.tell(*(_order(f"guest-{place}", {"phone": phone}) for place, phone in enumerate(GUESTS)))
    await _counts(house, ids, Sums(10, 10, 12_500))

    both = [{"member": member, "phone": phone} for member, phone in zip(MEMBERS, GUESTS, strict=True)]
    await house.tell(*(_order(f"member-{one['member']}", one) for one in both[:5]))
    for service in SERVICES:
        house.stack.supervisor.kill(service)
    await house.tell(*(_order(f"member-{one['member']}", one) for one in both[5:]))
    await _counts(house, ids, Sums(10, 20, 25_000))

    await house.command("services.ingest", "unlink", "--phone", GUESTS[0])
    for service in SERVICES:
        house.stack.supervisor.kill(service)
    await _counts(house, ids, Sums(11, 20, 25_000))
    await house.tell(_order("late-guest", {"phone": GUESTS[0]}), _order("late-other", {"phone": GUESTS[1]}))
    await _counts(house, ids, Sums(11, 22, 27_500))
    await house.tell(_order("again", both[0]))
    await _counts(house, ids, Sums(10, 23, 28_750))

    changes = await _changes(house, ids)
    assert [who for who, told in changes.items() if [one.seq for one in told] != list(range(1, len(told) + 1))] == []
    left = {who: [one.into for one in told if one.dimension == "identity"] for who, told in changes.items()}
    assert left == {one: [ids[10 + place]] * (2 if place == 0 else 1) for place, one in enumerate(phones)} | {
        one: [] for one in ids[10:]
    }


async def _counts(house: ShopHouse, ids: Sequence[str], wanted: Sums) -> None:
    """Until subscriber and console have come to these sums, and rest there."""

    async def there() -> bool:
        return await _subscribed(house, ids) == wanted == await _shown(house, ids)

    await house.until(there)
    await house.until_still()
    assert (await _subscribed(house, ids), await _shown(house, ids)) == (wanted, wanted)


async def _subscribed(house: ShopHouse, ids: Sequence[str]) -> Sums:
    """What a fold of the compacted topic holds: the last value of each key, none after a null."""
    held: dict[str, SegmentSnapshot] = {}
    for record in await house.topic(topics.SEGMENTS.name):
        key = (record.key or b"").decode()
        if record.value:
            held[key] = _snapshot(record.value)
        else:
            held.pop(key, None)
    mine = [held[one] for one in ids if one in held]
    return Sums(len(mine), sum(one.orders for one in mine), sum(one.total for one in mine))


async def _shown(house: ShopHouse, ids: Sequence[str]) -> Sums:
    query = "SELECT count(*), coalesce(sum(orders), 0)::int, coalesce(sum(amount), 0)::int FROM console.customer WHERE customer = ANY($1)"
    return Sums(*(await house.rows(query, list(ids)))[0])


async def _changes(house: ShopHouse, ids: Sequence[str]) -> Mapping[str, list[SegmentChanged]]:
    """By customer, each seq once: a killed worker tells again what it told."""
    told: dict[str, dict[int, SegmentChanged]] = defaultdict(dict)
    for record in await house.topic(topics.SEGMENT_CHANGES.name):
        change = _change(record.value or b"")
        if change.customer in ids:
            assert told[change.customer].setdefault(change.seq, change) == change
    return {who: [told[who][seq] for seq in sorted(told[who])] for who in ids}


def _order(name: str, customer: dict[str, str]) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    placed = {"type": "order.placed", "id": f"e-{name}", "at": at, "order_id": name, "amount": "12.50"}
    return placed | {"customer": customer}
