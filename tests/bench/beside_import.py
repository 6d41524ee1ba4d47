"""How long live orders take to their command while a file is imported beside them, against the same without an import."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from deploy.demo import shop
from deploy.demo.retail import QUICK, import_file
from deploy.stack.stack import Stack, emptied
from services.trigger_engine.publish import publish_policy
from shared import clock
from tests.bench import latency, workload
from tests.bench.chain import SERVICES, Say
from tests.bench.figures import Sheet, quantile
from tests.bench.wire import Client

RATE, PER_REQUEST, NEW_EACH = 200, 5, 10
CUSTOMERS = 20_000
"""Of the imported file: some 80,000 orders, more than are sent while the measurement lasts."""


async def measure(
    sheet: Sheet, say: Say, *, directory: Path, cache: Path, seconds: float, policy: dict[str, Any]
) -> None:
    """The same stack and rate twice, `seconds` each: without, then with an import. `policy` must not hold messages back."""
    emptied(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    file = directory.with_suffix(".csv")
    rows = shop.write_history(file, shop.buyers(CUSTOMERS))
    stack = Stack(directory=directory, services=(*SERVICES, "clock"), cache=cache, env=QUICK)
    async with stack, latency.Commands(stack.kafka) as commands:
        client = Client(stack.http_url, stack.secrets.read_write_key(), latency.CONNECTIONS)
        await publish_policy(stack.kafka, policy)
        each = int(seconds * RATE) // NEW_EACH
        newcomers = range(workload.MEMBERS, workload.MEMBERS + 3 * each)
        await latency.settle(stack, client, commands, newcomers)
        say(f"import: members settled; {seconds:.0f} s at {RATE} events/s without an import, then with one")
        waits = {}
        for number, name in enumerate(("warm-up", "without", "with")):
            load = workload.open_load(
                name, seconds=seconds, rate=RATE, size=PER_REQUEST, new_each=NEW_EACH,
                first_new=newcomers.start + number * each, at=clock.now_ms(),
            )  # fmt: skip
            importing = asyncio.create_task(_import(stack, file, sheet, rows)) if name == "with" else None
            answered = await client.post_on_schedule(load.bodies, every=load.every)
            beside = importing is None or not importing.done()
            await commands.all_of(load.due)
            waits[name] = [commands.read[order] - answered.start - due for order, due in load.due.items()]
            if importing is not None:
                say(f"import: the stream ended {'before' if beside else 'after'} the import")
                await importing
    file.unlink()
    for name, share in latency.SHARES.items():
        alone = quantile(waits["without"], share) * 1000
        sheet.add(f"import: request due → command read without, {name}", alone, "ms")
        sheet.add(
            f"import: the same beside an import, {name}", quantile(waits["with"], share) * 1000, "ms", baseline=alone
        )


async def _import(stack: Stack, file: Path, sheet: Sheet, rows: int) -> None:
    began = clock.monotonic()
    await import_file(stack, file, zone="Asia/Shanghai")
    sheet.add("import: lines while live events flow", rows / (clock.monotonic() - began), "lines/s")
