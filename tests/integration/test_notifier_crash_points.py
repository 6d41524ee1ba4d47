"""The notifier dies between database, provider and log; what was sent naively shows, what went through the outbox does not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.migrate import upgrade
from shared.contract.commands import SendMessage
from tests.chaos.crash_points import engine, notifier
from tests.chaos.crash_points.inputs import to_send
from tests.chaos.crash_points.points import Point
from tests.chaos.crash_points.sends import Post

pytestmark = pytest.mark.asyncio(loop_scope="session")
LOST_ANSWER = Point("provider SendSms before the answer is read", 3)
POINTS = (
    LOST_ANSWER,
    Point("provider SendSms before it is written", 2),
    Point("provider smtp mail before the answer is read", 2),
    Point("provider add_msg_template before the answer is read", 2),
    Point("db attempt after commit", 9),
    Point("fact customer-events-v1 after produce", 4),
    Point("offset before commit", 2),
    Point("fact contact-points-v1 before produce", 1),
)


@pytest.fixture(scope="module")
def commands() -> list[SendMessage]:
    return to_send(engine.judge().quiet.world)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def post(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Post]:
    await upgrade(database_url)
    async with Post.open(tmp_path_factory.mktemp("post") / "keys", database_url) as opened:
        yield opened


async def test_wherever_it_dies_every_command_ends_once(post: Post, commands: list[SendMessage]) -> None:
    result = await notifier.enumerate_points(post, commands, [frozenset({point}) for point in POINTS])

    assert result.lines()[-1] == f"notifier: {len(POINTS)} crashes, 0 not reached, 0 violations", result.lines()


async def test_naive_sending_shows(post: Post, commands: list[SendMessage]) -> None:
    result = await notifier.enumerate_points(post, commands, [frozenset({LOST_ANSWER})], naive=True)

    assert "accepted 2 times" in str(result.findings[0])
