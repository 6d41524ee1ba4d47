"""A request is written until every partition has acknowledged it, under one number."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiokafka.errors import MessageSizeTooLargeError, RequestTimedOutError

from shared.contract.broadcasts import Checkpoint, ResyncRequested
from shared.contract.codec import decode_front
from shared.contract.topics import PARTITIONS
from shared.engine.host import announce as announcing
from tests.support.refusing import refusing


@pytest.mark.parametrize(("name", "kind"), [("resync", ResyncRequested), ("checkpoint", Checkpoint)])
async def test_every_partition_gets_it_once_whatever_was_refused(
    name: str, kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = refusing(monkeypatch, RequestTimedOutError(), RequestTimedOutError())
    number = await announcing.announce("", name)

    assert sorted(partition for _, partition, _ in broker.taken) == list(range(PARTITIONS))
    assert {decode_front(value) for _, _, value in broker.taken} == {kind(number)}
    assert not msgspec.structs.asdict(kind(number)).get("clock")


async def test_what_will_never_be_taken_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(monkeypatch, MessageSizeTooLargeError())

    with pytest.raises(MessageSizeTooLargeError):
        await announcing.announce("", "resync")
