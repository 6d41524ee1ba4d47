"""Seeded people for member numbers: contacts, consents, birthdays, guides; made up, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from shared.instants import format_instant

FAMILY = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何林高罗"
GIVEN = "伟芳娜敏静丽强磊洋勇艳杰娟涛明超秀霞平刚桂英华玉兰"
GUIDES = 24
DAY = 86_400_000


class Person(msgspec.Struct, frozen=True):
    """A made-up customer; empty where he told nothing."""

    member: str
    name: str
    phone: str
    email: str
    external_userid: str
    birthday: str
    guide: str
    consents: tuple[tuple[str, str], ...]
    """(channel, purpose) granted."""

    def customer(self) -> dict[str, str]:
        """The typed API's `customer`."""
        return {"member": self.member}


def person(seed: int, number: int, member: str) -> Person:
    """The person behind a member number; `number` keeps phones apart."""
    rnd = random.Random(f"{seed}/person/{member}")
    granted = [
        (channel, "marketing")
        for channel, share in (("sms", 0.62), ("email", 0.7), ("wecom", 0.45))
        if rnd.random() < share
    ]
    return Person(
        member=member,
        name=rnd.choice(FAMILY) + "".join(rnd.choices(GIVEN, k=rnd.choice((1, 2)))),
        phone=f"+8613{rnd.randrange(10)}{number:08d}" if rnd.random() < 0.9 else "",
        email=f"m{number}@customers.example" if rnd.random() < 0.8 else "",
        external_userid=f"wm{number:08x}" if rnd.random() < 0.5 else "",
        birthday=f"{rnd.randrange(1950, 2008)}-{rnd.randrange(1, 13):02d}-{rnd.randrange(1, 29):02d}",
        guide=f"guide-{rnd.randrange(GUIDES):02d}" if rnd.random() < 0.75 else "",
        consents=tuple(granted),
    )


def introduction(one: Person, at: int) -> Iterator[dict[str, Any]]:
    """What the shop's member system tells of a person: traits with contacts, then each consent."""
    traits = {"birthday": one.birthday, "name": one.name} | ({"guide": one.guide} if one.guide else {})
    contacts = {"phone": one.phone, "email": one.email, "external_userid": one.external_userid}
    known = {field: value for field, value in contacts.items() if value}
    yield event("traits.set", f"traits-{one.member}", at, one.customer() | known, traits=traits)
    for channel, purpose in one.consents:
        yield event(
            "consent.set",
            f"consent-{one.member}-{channel}",
            at,
            one.customer(),
            channel=channel,
            purpose=purpose,
            granted=True,
            proof="membership form",
        )


def event(kind: str, event_id: str, at: int, customer: dict[str, str], **body: Any) -> dict[str, Any]:
    """One event of the typed API."""
    return {"type": kind, "id": event_id, "at": format_instant(at), "customer": customer, **body}
