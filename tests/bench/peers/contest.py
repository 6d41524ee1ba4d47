"""The aggregator job on our hosts and on others, one after the other on one broker: what it costs, and that all are right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from deploy.stack.stack import Stack, emptied
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka.lag import LagReader
from tests.bench.aggregator.events import events as made
from tests.bench.chain import Say
from tests.bench.figures import Sheet
from tests.bench.log import Writer, keyed
from tests.bench.peers.hosts import FAUST, FAUST_HOST, OURS, QUIX, Host, found
from tests.bench.peers.race import Ground, Result, race

PER_CUSTOMER = 15
TAIL = 100_000
"""Events that stand ready for the time around a kill."""


async def measure(sheet: Sheet, say: Say, *, directory: Path, home: Path, cache: Path, events: int) -> None:
    """A fresh broker with `events` on it; RuntimeError if our own host is not exact."""
    emptied(directory)
    hosts, absent = await found(home)
    for name, reason in absent.items():
        say(f"peers: {name} skipped: {reason}")
    stack, customers = Stack(directory=directory, cache=cache), max(1, events // PER_CUSTOMER)
    results: dict[str, list[Result]] = defaultdict(list)
    async with stack, LagReader(stack.kafka) as lag, Writer(stack.kafka) as writer:
        ground = Ground(stack, lag, writer)
        await ground.ready()
        await writer.write(keyed(CUSTOMER_EVENTS.name, made("events", events, customers)))
        tail = keyed(CUSTOMER_EVENTS.name, made("tail", TAIL, customers))
        sheet.add_load("peers", "before")
        for turn, host in _turns(hosts):
            last = turn == host.rounds
            try:
                result = await race(ground, host, f"{host.slug}-{turn}", tail=tail if last else None)
            except (TimeoutError, RuntimeError, ValueError) as error:
                if host.name in {OURS, FAUST_HOST}:
                    raise
                say(f"peers: {host.name} did not get through: {error}")
                continue
            say(f"peers: {host.name}, round {turn}: {result.pace.rate:,.0f} events/s, {result.exact}")
            results[host.name].append(result)
        sheet.add_load("peers", "after")
    report(sheet, results)


def _turns(hosts: list[Host]) -> Iterator[tuple[int, Host]]:
    """Interleaved, so that a slow minute of the machine hits everybody."""
    for turn in range(1, max(host.rounds for host in hosts) + 1):
        yield from ((turn, host) for host in hosts if turn <= host.rounds)


def report(sheet: Sheet, results: dict[str, list[Result]]) -> None:
    """Medians over the rounds; RuntimeError if a host of ours has an answer wrong or none."""
    for name, runs in results.items():
        sheet.add(f"peers: {name}", median(run.pace.rate for run in runs), "events/s")
        sheet.add(f"peers: {name}, CPU", median(run.pace.cpu for run in runs), "s per 100,000 events")
        sheet.add(f"peers: {name}, start to first output", median(run.start for run in runs) / 1000, "s")
        for back in (run.back for run in runs if run.back is not None):
            sheet.add(f"peers: {name}, kill -9 to next output", back / 1000, "s")
        sheet.add(f"peers: {name}, memory", max(run.rss for run in runs) / 2**20, "MiB")
        sheet.add(
            f"peers: {name}, answers wrong or missing", sum(r.exact.missing + r.exact.wrong for r in runs), "of all"
        )
        sheet.add(f"peers: {name}, answers repeated", sum(run.exact.repeated for run in runs), "of all")
        if name in {OURS, FAUST_HOST} and not all(run.exact.ok for run in runs):
            raise RuntimeError(f"{name}: not exact: {[run.exact for run in runs]}")
    for host, peer in ((OURS, QUIX), (OURS, FAUST), (FAUST_HOST, FAUST)):
        ours, theirs = sheet.value(f"peers: {host}"), sheet.value(f"peers: {peer}")
        if ours and theirs:
            sheet.add(f"peers: {host} against {peer}", ours, "events/s", baseline=theirs)
        cost, their_cost = sheet.value(f"peers: {host}, CPU"), sheet.value(f"peers: {peer}, CPU")
        if cost and their_cost:
            sheet.add(f"peers: {host} against {peer}, CPU", cost, "s per 100,000 events", baseline=their_cost)
