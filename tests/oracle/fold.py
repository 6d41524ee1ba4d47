"""The log folded customer by customer, each life from its first record to its last; knows the oracle's other parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.contract.bundles import Segments
from shared.contract.origin import NEVER
from shared.shop import Shop
from tests.oracle.answers import Answer, CustomerAnswer
from tests.oracle.life import Life
from tests.oracle.log import CutsTold, PartitionLog, PolicyTold, SourceTold, Told, read_partition
from tests.oracle.people import Absorbed, Crowd, Place, crowd_of
from tests.oracle.reader import LogRecord
from tests.oracle.sight import PROFILE


def fold_log(
    records: Mapping[int, Sequence[LogRecord]],
    shop: Shop,
    *,
    epoch_ms: int,
    scenario: bool,
    inner: Sequence[Mapping[int, Sequence[LogRecord]]] = (),
) -> Answer:
    """The answer for customer-events-v1, given as the records of each partition in offset order.

    `scenario` says whether the stack ran with the scenario setting. `inner`: profile-updates-v1 and segment-updates-v1
    likewise, of which only the places of fragments are read: when a later hop has taken a person over, no other log says.
    """
    logs = [read_partition(number, part, scenario=scenario) for number, part in records.items()]
    lives = _Lives(logs, crowd_of(logs, inner), shop, scenario=scenario)
    customers = {customer: log for log in logs for customer in (*log.facts, *(hand[2] for hand in log.hands))}
    return Answer(
        customers={customer: lives.answer(customer) for customer in customers},
        partitions={customer: log.partition for customer, log in customers.items()},
        epochs={log.partition: log.epochs(epoch_ms) for log in logs},
        published=tuple(cuts for log in logs for cuts in log.published),
        places={
            (log.partition, told.offset): told.fact.id for log in logs for facts in log.facts.values() for told in facts
        },
        dead=tuple(place for log in logs for place in log.dead),
        unlinks=tuple(place for log in logs for place in log.unlinks),
        handovers=sum(isinstance(one, Absorbed) for hands in lives.crowd.hands[0].values() for one in hands),
    )


class _Lives:
    """Every customer's life, each folded when it is asked for: that of a person needs those of his other ids."""

    def __init__(self, logs: Sequence[PartitionLog], crowd: Crowd, shop: Shop, *, scenario: bool) -> None:
        self.crowd, self._shop, self._scenario = crowd, shop, scenario
        self._logs = {customer: log for log in logs for customer in (*log.facts, *(hand[2] for hand in log.hands))}
        self._lived: dict[str, Life] = {}
        hands = [(one, customer) for customer, came in crowd.hands[PROFILE].items() for one in came]
        self._holders = {one.source: customer for one, customer in hands if isinstance(one, Absorbed)}

    def of(self, customer: str) -> Life:
        """From the first record to the last, or to that with which he was handed over."""
        if customer not in self._lived:
            self._lived[customer] = self._live(customer)
        return self._lived[customer]

    def answer(self, customer: str) -> CustomerAnswer:
        """His life; nothing is shown of an id whose person was erased as another one."""
        answer = self.of(customer).answer()
        forgotten = customer in self.crowd.ends and self.of(self._holder(customer)).profile.erased > 0
        return msgspec.structs.replace(answer, shown=Segments()) if forgotten else answer

    def _holder(self, customer: str) -> str:
        while customer in self._holders:
            customer = self._holders[customer]
        return customer

    def _live(self, customer: str) -> Life:
        log, life = self._logs[customer], Life(customer, self._logs[customer], self._shop)
        end = self.crowd.ends.get(customer, NEVER)
        told = self.crowd.told.get(customer, [])
        front: list[Told | CutsTold | PolicyTold | SourceTold] = [*told, *log.cuts, *log.policies, *log.sources]
        story: list[tuple[Place, int, Any]] = [((one.offset, 0), 0, one) for one in front if one.offset < end]
        for hop, hands in enumerate(self.crowd.hands):
            late = min(hop, 1)  # after the front at this offset, in the order of the last hop
            story += [((one.place[0], late * one.order), hop, one) for one in hands.get(customer, [])]
        for (offset, _), hop, event in sorted(story, key=lambda chapter: chapter[:2]):
            life.pass_time(offset)
            if isinstance(event, Told):
                life.hear(life.acceptance.take(event, scenario=self._scenario, behaviour=life.decides(offset)))
            elif isinstance(event, CutsTold):
                life.be_ranked(event)
            elif isinstance(event, PolicyTold):
                life.obey(event)
            elif isinstance(event, SourceTold):
                life.hear_of(event)
            elif isinstance(event, Absorbed):
                life.absorb(self.of(event.source), hop, event.place[0])
            else:
                life.refuse(event)
        life.pass_time(end)
        if end < NEVER:
            life.leave(end)
        return life
