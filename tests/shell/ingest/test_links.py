"""An event that names several identifiers: links stand in the log before it, once while the broker keeps them in mind; members stay apart."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from services.ingest.identifiers import Identifier, Kind, Pepper, identify
from services.ingest.link_memory import FRESH_SECONDS, LinkMemory, Links
from services.ingest.people import Named, person
from shared.contract.codec import decode_front
from shared.contract.identity import IdentityConflict, Linked, Unlinked
from tests.shell.ingest.harness import Shopfront

PEPPER = Pepper(bytes(range(32)))


def of(kind: Kind, value: str) -> str:
    return identify([Identifier(kind, value)], PEPPER).customer_id


MEMBER, PHONE = of(Kind.MEMBER, "m1"), of(Kind.PHONE, "13912345678")
OTHER, ANONYMOUS = of(Kind.MEMBER, "m2"), of(Kind.ANONYMOUS, "a1")


async def typed(shop: Shopfront, event_id: str, **customer: str) -> None:
    event = {"type": "order.cancelled", "id": event_id, "at": "2025-06-30T09:21:33Z", "order_id": "o"}
    answer = await shop.typed(json.dumps(event | {"customer": customer}).encode())
    assert answer.status_code == 200


def log(shop: Shopfront) -> list[tuple[str, Any]]:
    records = shop.publisher.of("customer-events-v1")
    return [((record.key or b"").decode(), decode_front(record.value)) for record in records]


async def test_a_link_stands_in_each_weaker_ids_partition_before_the_event_that_names_it(shop: Shopfront) -> None:
    await typed(shop, "e1", member="m1", phone="13912345678", anonymous="a1")
    *links, (key, fact) = log(shop)
    assert links == [(PHONE, Linked(MEMBER)), (ANONYMOUS, Linked(MEMBER))]
    assert (key, fact.aliases) == (MEMBER, (PHONE, ANONYMOUS))


async def test_a_link_is_written_once_until_it_is_old_and_only_an_acknowledged_one_counts(shop: Shopfront) -> None:
    async def links(event_id: str) -> int:
        before = len(log(shop))
        await shop.typed(
            json.dumps(
                {
                    "type": "tracked",
                    "name": "x",
                    "id": event_id,
                    "at": "2025-06-30T09:21:33Z",
                    "customer": {"member": "m1", "anonymous": "a1"},
                }
            ).encode()
        )
        return sum(isinstance(record, Linked) for _, record in log(shop)[before:])

    shop.publisher.away = True
    assert await links("e1") == 0
    shop.publisher.away = False
    assert [await links("e1"), await links("e2")] == [1, 0]
    shop.seconds += FRESH_SECONDS
    assert await links("e3") == 1


async def test_two_member_numbers_are_a_conflict_and_no_link(shop: Shopfront) -> None:
    alias = {
        "type": "alias",
        "userId": "m1",
        "previousId": "a1",
        "messageId": "e1",
        "timestamp": "2025-06-30T09:21:33Z",
    }
    identified = {"type": "identify", "userId": "m1", "messageId": "e2", "traits": {"phone": "13912345678"}}
    await shop.segment(msgspec.json.encode({"batch": [alias, identified]}))
    assert [(key, record) for key, record in log(shop) if isinstance(record, Linked)] == [
        (ANONYMOUS, Linked(MEMBER)),
        (PHONE, Linked(MEMBER)),
    ]
    assert "previousId" not in str(log(shop)[-1][1].extra)


def test_member_numbers_named_together_are_told_to_the_one_the_event_goes_to() -> None:
    someone = person(
        [Named(Kind.MEMBER, "a", "m1"), Named(Kind.MEMBER, "b", "m2"), Named(Kind.ANONYMOUS, "c", "a1")], {}, [], PEPPER
    )
    weaker, stronger = sorted((MEMBER, OTHER))
    records = [(record.key.decode(), decode_front(record.value)) for record in Links(None).of(someone) if record.key]
    assert records == [
        (ANONYMOUS, Linked(stronger)),
        (stronger, IdentityConflict(weaker, (weaker, stronger))),
    ]


def test_the_memory_is_bounded() -> None:
    memory = LinkMemory(lambda: 0.0, capacity=2)
    for number in range(3):
        memory.acknowledged((str(number), "m"))
    assert [memory.knows((str(number), "m")) for number in range(3)] == [False, True, True]


async def test_an_identifier_is_split_off_by_a_key_that_may(shop: Shopfront) -> None:
    async def unlink(body: object, key: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        answer = await shop.client.post("/api/v1/identity/unlink", content=json.dumps(body), headers=headers)
        return answer.status_code

    body = {"customer": {"phone": "139 1234 5678"}}
    assert [await unlink(body, shop.key), await unlink(body, "nobody")] == [403, 401]
    assert [await unlink(body, shop.identity_key), await unlink({"id": ANONYMOUS}, shop.identity_key)] == [202, 202]
    assert log(shop) == [(PHONE, Unlinked(PHONE)), (ANONYMOUS, Unlinked(ANONYMOUS))]
    refused = [{}, [], {"id": "x"}, {"customer": {"phone": "1", "email": "2"}}, {"customer": {"phone": "139****5678"}}]
    assert [await unlink(one, shop.identity_key) for one in refused] == [400, 400, 422, 422, 422]
