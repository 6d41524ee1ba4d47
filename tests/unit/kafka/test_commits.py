"""Commits of a group: an error of the coordinator is no group without commits."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError, KafkaError
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3
from aiokafka.structs import OffsetAndMetadata

from shared.kafka import commits

LOADING, MOVED, FORBIDDEN, UNKNOWN_TOPIC = 14, 16, 30, 3
TOLD = [("t", [(0, 7, "note", 0), (1, -1, "", 0)])]


class Admin:
    """Gives these answers, in order: an error of the search for the coordinator, or (error, topics) of the group."""

    def __init__(self, *answers: KafkaError | tuple[int, list[Any]]) -> None:
        self._answers = list(answers)

    async def find_coordinator(self, _: str) -> int:
        if isinstance(error := self._answers[0], KafkaError):
            self._answers.pop(0)
            raise error
        return 1

    async def _send_request(self, request: OffsetFetchRequest, node: int) -> OffsetFetchResponse_v3:
        error, topics = self._answers.pop(0)
        return OffsetFetchResponse_v3(0, topics, error)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "PAUSE_SECONDS", 0)


async def test_partitions_that_were_committed_are_told_with_their_metadata() -> None:
    assert await commits.committed(Admin((0, TOLD)), "g") == {TopicPartition("t", 0): OffsetAndMetadata(7, "note")}
    assert await commits.committed(Admin((0, [])), "g") == {}


@pytest.mark.parametrize("passing", [GroupCoordinatorNotAvailableError(), (LOADING, []), (MOVED, [])], ids=repr)
async def test_a_coordinator_that_is_not_ready_is_asked_again(passing: Any) -> None:
    found = await commits.committed(Admin(passing, passing, (0, TOLD)), "g")

    assert found == {TopicPartition("t", 0): OffsetAndMetadata(7, "note")}


async def test_any_other_error_is_raised() -> None:
    with pytest.raises(GroupAuthorizationFailedError):
        await commits.committed(Admin((FORBIDDEN, [])), "g")
    with pytest.raises(KafkaError):
        await commits.committed(Admin((0, [("t", [(0, -1, "", UNKNOWN_TOPIC)])])), "g")


async def test_a_coordinator_that_never_gets_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "COORDINATOR_SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        await commits.committed(Admin(*[(LOADING, [])] * 1_000_000), "g")
