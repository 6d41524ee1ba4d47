"""A request is written until every partition has acknowledged it, under one number."""

from __future__ import annotations

from typing import Any, Self

import msgspec
import pytest
from aiokafka.errors import MessageSizeTooLargeError, RequestTimedOutError

from shared.contract.broadcasts import Checkpoint, ResyncRequested
from shared.contract.codec import decode_front
from shared.contract.topics import PARTITIONS
from shared.engine.host import announce as announcing


class Producer:
    """Refuses what `refusals` says, in order; keeps what it took."""

    def __init__(self, refusals: list[Exception]) -> None:
        self.refusals, self.taken = refusals, list[tuple[int, bytes]]()

    def __call__(self, _: str) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def send_and_wait(self, _: str, value: bytes, *, partition: int) -> None:
        if partition == 5 and self.refusals:
            raise self.refusals.pop()
        self.taken.append((partition, value))


def _producer(monkeypatch: pytest.MonkeyPatch, *refusals: Exception) -> Producer:
    producer = Producer(list(refusals))
    monkeypatch.setattr(announcing, "producer", producer)
    monkeypatch.setattr(announcing, "RETRY_SECONDS", 0)
    return producer


@pytest.mark.parametrize(("name", "kind"), [("resync", ResyncRequested), ("checkpoint", Checkpoint)])
async def test_every_partition_gets_it_once_whatever_was_refused(
    name: str, kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = _producer(monkeypatch, RequestTimedOutError(), RequestTimedOutError())
    number = await announcing.announce("", name)

    assert sorted(partition for partition, _ in producer.taken) == list(range(PARTITIONS))
    assert {decode_front(value) for _, value in producer.taken} == {kind(number)}
    assert not msgspec.structs.asdict(kind(number)).get("clock")


async def test_what_will_never_be_taken_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _producer(monkeypatch, MessageSizeTooLargeError())

    with pytest.raises(MessageSizeTooLargeError):
        await announcing.announce("", "resync")
