"""Random logs of one partition, by seed: imports, late and repeated facts, cuts and new policies, both ways to keep time."""

from __future__ import annotations

import random
from typing import Any

from shared.contract.broadcasts import Cuts
from shared.contract.facts import (
    ConsentSet,
    CustomerErased,
    CustomerFact,
    MessageReported,
    OrderCancelled,
    ProductViewed,
    TagsSet,
    TraitsSet,
)
from shared.ids import command_id
from shared.shop import DAY, Shop
from tests.support.kept_facts import kept_facts
from tests.unit.oracle.story import HOUR, MINUTE, Story, at, consent, order, refund, sms

PEOPLE = ("c0", "c1", "c2", "c3")
PRODUCTS = "pq"
ZONES = ("Asia/Tokyo", "America/New_York", "bad", "Australia/Lord_Howe")


def random_log(seed: int) -> Story:
    """The same log for the same seed: 4 customers over 50 to 250 ticks of ten minutes to a day."""
    return _Log(random.Random(seed)).told()


def random_rules(rnd: random.Random) -> list[dict[str, Any]]:
    """3 to 10 rules in random order, every kind of trigger among those drawn from."""
    either = rnd.choice
    purposes = ("service", "marketing")
    rules = [
        sms("remind", {"on": "since_last_order", "days": either([3, 30])}, value=30),
        sms("silent", _enters("lifecycle", "silent"), value=either([10, 30, 50])),
        sms("warn", _enters("sleep_warning", "yes"), value=40),
        sms("churn", _enters("lifecycle", "churned"), touches=[_touch("email"), _touch("sms", "wecom")]),
        sms("newbie", _enters("lifecycle", "new")),
        sms("vip", _enters("rfm", "important_value") | {"causes": ["cuts", "event", "time"]}),
        sms(
            "bday",
            {"on": "birthday", "at": either(["09:30", "02:30", "22:00"]), "days_before": either([0, 3, 40])},
            value=50,
            touches=[_touch("staff_task", "sms", "email"), _touch("sms")],
            purpose=either(purposes),
        ),
        sms(
            "looked",
            {"on": "browsed", "minutes": 1, "wait_hours": either([1, 24])},
            value=20,
            ttl_hours=either([5, 72]),
        ),
        sms("thanks", {"on": "ordered", "nth": 1}, value=5),
        sms("every", {"on": "ordered"}, value=either([1, 60]), purpose=either(purposes)),
    ]
    rnd.shuffle(rules)
    return rules[: rnd.randint(3, 10)]


def _enters(dimension: str, to: str) -> dict[str, Any]:
    return {"on": "enters", "dimension": dimension, "to": to}


def _touch(*channels: str) -> dict[str, Any]:
    message, *companions = [{"channel": name, "template": f"t-{name.replace('_', '-')}"} for name in channels]
    return {"message": message, "companions": companions}


class _Log:
    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.scenario = rnd.random() < 0.7
        shop = Shop(zone=rnd.choice(["UTC", "Asia/Shanghai", "Europe/Berlin"]), window_days=rnd.choice([10, 60, 365]))
        self.story = Story(shop=shop, scenario=self.scenario, epoch_ms=DAY)
        self.now = at(rnd.randint(0, 300))
        self.step = rnd.choice([10 * MINUTE, HOUR, 6 * HOUR, DAY])
        self.facts = 0
        self.policies = 1
        self.erasing = random.Random(rnd.getstate()[1][0])
        """Beside the other chances: what else a seed tells stays as it was before anybody was erased."""
        chance = self.erasing.random()
        self.behaviour = 4 if chance < 0.3 else 3 if chance < 0.6 else 1
        self.orders: dict[str, list[str]] = {who: [] for who in PEOPLE}

    def told(self) -> Story:
        if self.rnd.random() < 0.8:
            self.story.tick(self.now, scenario=self.scenario, arrived=self.now)
        self._history()
        self._policy()
        for _ in range(self.rnd.randint(50, 250)):
            for _ in range(self.rnd.choice([0, 0, 1, 2, 4])):
                self._fact()
            self._time()
            if self.rnd.random() < 0.05:
                self._cuts()
            if self.rnd.random() < 0.02:
                self.policies += self.rnd.choice([0, 1, 1])  # the same number again changes nothing
                self._policy()
        return self.story

    # --- what everything starts from

    def _history(self) -> None:
        rnd = self.rnd
        for who in PEOPLE:
            for number in range(rnd.choice([0, rnd.randint(1, 4)])):
                more: dict[str, Any] = {"mode": "import"}
                if rnd.random() < 0.7:
                    more |= {"baseline": self.now, "confirmed": rnd.random() < 0.7}
                name, amount = f"{who}h{number}", rnd.randint(1, 5000) * rnd.choice([1, 1000])
                self.orders[who].append(name)
                self._tell(who, order(name, self.now - rnd.randint(0, 100 * DAY), amount, **more))
            if rnd.random() < 0.7:
                born = f"--{rnd.randint(1, 12):02}-03"
                self._tell(who, consent(), TraitsSet(id="g0", at=at(0), traits={"guide": "g", "birthday": born}))

    def _policy(self) -> None:
        rnd, more = self.rnd, dict[str, Any]()
        if rnd.random() < 0.7:
            more["caps"] = [{"count": rnd.randint(1, 3), "hours": rnd.choice([5, 24, 168])}]
        if rnd.random() < 0.5:
            more["min_gap_hours"] = rnd.choice([1, 24])
        if rnd.random() < 0.6:
            start, end = rnd.choice([("21:00", "09:00"), ("01:30", "02:45"), ("12:00", "13:00")])
            more["quiet_hours"] = {"start": start, "end": end}
        if rnd.random() < 0.3:
            more["holdout"] = {"share": 0.3, "salt": "s"}
        more["max_trigger_age_hours"] = rnd.choice([1, 24, 72])
        more["behaviour"] = self.behaviour
        self.story.policy(*random_rules(rnd), number=self.policies, **more)

    # --- what goes on

    def _fact(self) -> None:
        rnd, who = self.rnd, self.rnd.choice(PEOPLE)
        self.facts += 1
        name = f"e{self.facts}" if rnd.random() > 0.08 else f"e{rnd.randint(1, self.facts)}"
        near = [rnd.randint(0, self.step) for _ in range(3)]
        far = [-rnd.randint(0, 3 * DAY), -rnd.randint(0, 50 * DAY), rnd.randint(0, 3 * DAY), self.step]
        when, chance = self.now + rnd.choice([0, *near, *far]), rnd.random()
        if chance < 0.2:
            self._tell(who, self._order(who, name, when))
        elif chance < 0.26:
            names = rnd.choice(["", "x", *(self.orders[who] or [""])])
            self._tell(who, refund(f"r{rnd.randint(1, 40)}", when, rnd.randint(1, 3000), names, id=name))
        elif chance < 0.3:
            self._tell(who, OrderCancelled(id=name, at=when, order_id=self._known(who, "zz")))
        elif chance < 0.6:
            self._views(who, when)
        elif chance < 0.65:
            self._tell(who, rnd.choice(kept_facts(name, when, contacts=rnd.choice([(), ("email",)]))))
        elif chance < 0.72:
            self._tell(who, self._traits(name, when))
        elif chance < 0.75:
            self._tell(who, self._tags(name, when))
        elif chance < 0.93:
            self._tell(who, self._consent(name, when))
            if self.erasing.random() < 0.06:
                self._tell(who, CustomerErased(id=f"x{name}", at=when))
        else:
            self._tell(who, self._report(who, name, when))

    def _order(self, who: str, name: str, when: int) -> CustomerFact:
        rnd = self.rnd
        imported: dict[str, Any] = {"mode": "import"}
        confirmed = imported | {"baseline": self.now + DAY, "confirmed": True}
        order_id = f"{who}o{self.facts}" if rnd.random() < 0.7 else self._known(who, f"{who}o{self.facts}")
        self.orders[who].append(order_id)
        amount, version = rnd.randint(1, 9000) * rnd.choice([1, 1000]), rnd.choice([1, 1, 1, 2, 3])
        return order(order_id, when, amount, version=version, id=name, **rnd.choice([{}] * 8 + [imported, confirmed]))

    def _known(self, who: str, otherwise: str) -> str:
        return self.rnd.choice(self.orders[who] or [otherwise])

    def _views(self, who: str, when: int) -> None:
        product = self.rnd.choice(PRODUCTS)
        for beat in range(self.rnd.randint(1, 6)):
            self.facts += 1
            then = when + beat * self.rnd.choice([30_000, 59_000, 60_000, 61_000])
            seen = ProductViewed(id=f"e{self.facts}", at=then, product=product)
            self._tell(who, seen, arrived=self.now if self.scenario else when)

    def _traits(self, name: str, when: int) -> CustomerFact:
        rnd = self.rnd
        born = f"--{rnd.randint(1, 12):02}-{rnd.randint(1, 28):02}"
        given: list[dict[str, Any]] = [
            {"birthday": born},
            {"birthday": "2000-02-29"},
            {"zone": rnd.choice(ZONES)},
            {"guide": "g"},
            {"guide": ""},
            {"level": 3},
        ]
        contacts = rnd.choice([(), ("phone",), ("external_userid",)])
        return TraitsSet(id=name, at=when, traits=rnd.choice(given), contacts=contacts)

    def _tags(self, name: str, when: int) -> CustomerFact:
        some = [tuple(self.rnd.sample("uvw", self.rnd.randint(0, 2))) for _ in range(2)]
        return TagsSet(id=name, at=when, add=some[0], remove=some[1])

    def _consent(self, name: str, when: int) -> CustomerFact:
        rnd = self.rnd
        return ConsentSet(
            id=name,
            at=when,
            channel=rnd.choice(["sms", "sms", "sms", "email", "wecom", "all"]),
            purpose=rnd.choice(["marketing", "marketing", "service"]),
            granted=rnd.random() < 0.8,
            contacts=rnd.choice([(), ("phone",), ("email",)]),
        )

    def _report(self, who: str, name: str, when: int) -> CustomerFact:
        command = command_id(self.rnd.choice(["thanks", "every", "newbie"]), who, self._known(who, "x"))
        status: Any = self.rnd.choice(["sent", "failed", "expired", "opened"])
        return MessageReported(id=name, at=when, command_id=command, rule="r", channel="sms", status=status)

    def _time(self) -> None:
        """The next tick; now and then a leap, one ahead of its own arrival, one back, one of the other way to keep time."""
        rnd = self.rnd
        self.now += self.step if rnd.random() < 0.95 else self.step * rnd.randint(2, 30)
        if rnd.random() < 0.02:
            self.story.tick(self.now - 5, scenario=not self.scenario, arrived=self.now)
        else:
            ahead = 0 if rnd.random() < 0.97 else 10**8
            self.story.tick(self.now + ahead, scenario=self.scenario, arrived=self.now)

    def _cuts(self) -> None:
        rnd, today = self.rnd, self.now // DAY
        recency = sorted((today - rnd.randint(0, 90) for _ in range(4)), reverse=True)
        frequency = sorted(rnd.randint(1, 4) for _ in range(4))
        monetary = sorted(rnd.randint(1, 9_000_000) for _ in range(4))
        cuts = Cuts(tuple(recency), tuple(frequency), tuple(monetary)) if rnd.random() < 0.9 else None
        self.story.cuts(cuts, epoch=today * DAY, digest=rnd.choice("ab"))

    def _tell(self, who: str, *facts: CustomerFact, arrived: int | None = None) -> None:
        self.story.tell(*facts, customer=who, arrived=self.now if arrived is None else arrived)
