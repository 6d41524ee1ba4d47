"""Rule 3: a producer has one batch in flight, so that none overtakes a refused one; kept and taken out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from shared.engine.fold.batch import Emit
from shared.engine.fold.rules import ALL_ON, Off, Rule
from shared.engine.recovery.cluster import KafkaSink
from shared.engine.recovery.effects import Targets


class RefusingClient:
    """A producer whose first batch is refused and whose later ones would be taken."""

    def __init__(self) -> None:
        self.taken = 0

    def create_batch(self) -> Any:
        class Batch:
            records = 0

            def append(self, **_: Any) -> object | None:
                self.records += 1
                return self if self.records <= 2 else None

            def close(self) -> None: ...

        return Batch()

    async def send_batch(self, *_: Any, **__: Any) -> asyncio.Future[None]:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken += 1
        if self.taken == 1:
            answer.set_exception(MessageSizeTooLargeError())
        else:
            answer.set_result(None)
        return answer


@pytest.mark.parametrize(("one_in_flight", "handed_over"), [(True, 1), (False, 3)])
async def test_rule_3_a_refused_batch_is_not_overtaken_by_the_next(*, one_in_flight: bool, handed_over: int) -> None:
    client = RefusingClient()
    records = [Emit("t", 0, b"k", b"v")] * 5

    with pytest.raises(MessageSizeTooLargeError):
        await KafkaSink(client, one_in_flight=one_in_flight).send("t", 0, records)

    assert client.taken == handed_over


async def _most_at_once(off: Off) -> int:
    at_once = most = 0

    class Slow:
        async def send(self, *_: Any) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.001)
            at_once -= 1

    targets = Targets(Slow(), off=off)
    await asyncio.gather(*(targets.send("t", 0, []) for _ in range(5)))
    return most


async def test_rule_3_holds_over_all_input_partitions_of_a_worker() -> None:
    assert await _most_at_once(ALL_ON) == 1
    assert await _most_at_once(frozenset({Rule.ONE_IN_FLIGHT})) == 5
