"""Enumerates the crash points of the notifier: one life after the other on one database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from shared.contract.commands import SendMessage

from .points import Point
from .results import Result
from .send_check import differences
from .sends import Post, Sent


async def quiet(post: Post, commands: Sequence[SendMessage]) -> Sent:
    """A life without a crash; RuntimeError if even that differs."""
    sent = await post.live(commands)
    found = differences(sent)
    if found:
        raise RuntimeError(f"without any crash: {'; '.join(found)}")
    return sent


async def enumerate_points(
    post: Post,
    commands: Sequence[SendMessage],
    wanted: Iterable[frozenset[Point]],
    *,
    naive: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Result:
    """One life for each set of crashes."""
    result, tried = Result("notifier"), list(wanted)
    for number, crashes in enumerate(tried, 1):
        sent = await post.live(commands, crashes, naive=naive)
        result.add(crashes, sent.points.died, differences(sent))
        if number % 50 == 0:
            say(f"notifier: {number} of {len(tried)}, {len(result.findings)} violations")
    return result
