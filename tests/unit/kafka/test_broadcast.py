"""A broadcast reaches every partition, remembers which are left, and repeats what time can mend."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    TopicAuthorizationFailedError,
)

from shared.kafka.broadcast import Broadcast, NobodyTookItError, until_acknowledged
from tests.support.refusing import RefusingBroker, refusing


class Four(NamedTuple):
    name: str = "four"
    partitions: int = 4


async def test_each_partition_gets_value_and_headers() -> None:
    broker = RefusingBroker(down=())
    record = Broadcast(Four(), b"value", [("name", b"header")])
    await record.over(broker.producer(""))

    assert broker.taken == [("four", partition, b"value") for partition in range(4)]
    assert broker.headers == [[("name", b"header")]] * 4
    assert record.left == set()


async def test_t8_a_roll_record_has_a_key_no_value_and_no_headers() -> None:
    """T8: into each partition, whatever the key's own would be."""
    sent: list[tuple[object, ...]] = []

    class Taking:
        async def send(self, *record: object, partition: int, headers: object) -> asyncio.Future[None]:
            sent.append((*record, partition, headers))
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done

    await Broadcast(Four(), None, key=b"roll").over(Taking())  # type: ignore[arg-type]

    assert sent == [("four", None, b"roll", partition, ()) for partition in range(4)]


async def test_a_refusal_is_raised_after_all_have_answered_and_the_next_call_writes_what_is_left() -> None:
    broker = RefusingBroker(KafkaTimeoutError(), down={1, 3})
    record = Broadcast(Four(), b"value")
    with pytest.raises(KafkaTimeoutError):
        await record.over(broker.producer(""))
    left = set(record.left)
    await record.over(broker.producer(""))

    assert left == {1, 3}
    assert broker.asked == [[0, 1, 2, 3], [1, 3]]
    assert record.left == set()


async def test_a_producer_that_takes_no_more_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = RefusingBroker(down=())
    send = broker.send

    async def full(topic: str, value: bytes | None, *_: object, partition: int | None = None, **__: object) -> object:
        if partition == 2:
            raise KafkaTimeoutError
        return await send(topic, value, partition=partition)

    monkeypatch.setattr(broker, "send", full)
    record = Broadcast(Four(), b"value")
    with pytest.raises(KafkaTimeoutError):
        await record.over(broker.producer(""))

    assert record.left == {2, 3}


@pytest.mark.parametrize("refusal", [KafkaTimeoutError(), KafkaConnectionError(), NotEnoughReplicasError()], ids=repr)
async def test_what_time_can_mend_is_tried_with_a_new_producer(
    monkeypatch: pytest.MonkeyPatch, refusal: KafkaError
) -> None:
    broker = refusing(monkeypatch, refusal, refusal, down={0})
    record = Broadcast(Four(), b"value")
    await until_acknowledged("", record, name="it")

    assert broker.asked == [[0, 1, 2, 3], [0], [0]]
    assert (record.left, broker.open) == (set(), 0)


@pytest.mark.parametrize("refusal", [MessageSizeTooLargeError(), TopicAuthorizationFailedError()], ids=repr)
async def test_what_no_attempt_can_mend_is_raised(monkeypatch: pytest.MonkeyPatch, refusal: KafkaError) -> None:
    broker = refusing(monkeypatch, refusal, down={0})
    with pytest.raises(type(refusal)):
        await until_acknowledged("", Broadcast(Four(), b"value"), name="it")

    assert broker.open == 0


async def test_a_command_gives_up_where_nobody_takes_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = refusing(monkeypatch, *[KafkaTimeoutError()] * 1_000, down={0, 1, 2, 3})
    with pytest.raises(
        NobodyTookItError, match=r"policy: the broker at host:1 has not taken it within 0 s, nothing is"
    ):
        await until_acknowledged("host:1", Broadcast(Four(), b"value"), name="policy", within=0.0)

    assert (len(broker.asked), broker.open) == (1, 0)


async def test_what_one_partition_has_is_written_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = refusing(monkeypatch, KafkaTimeoutError(), down={0})
    record = Broadcast(Four(), b"value")
    await until_acknowledged("host:1", record, name="policy", within=0.0)

    assert (len(broker.asked), record.left) == (2, set())


async def test_stop_ends_the_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, stop = refusing(monkeypatch, *[KafkaTimeoutError()] * 1_000, down={0}), asyncio.Event()
    record = Broadcast(Four(), b"value")
    writing = asyncio.create_task(until_acknowledged("", record, name="it", stop=stop))
    while len(broker.asked) < 3:
        await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(writing, 1)

    assert record.left == {0}
