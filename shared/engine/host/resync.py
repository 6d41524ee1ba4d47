"""A long answer to one record, sent on in parts; decides nothing."""

from __future__ import annotations

from typing import Any

from shared.engine.fold.batch import Batch
from shared.engine.recovery.effects import Targets, emit
from shared.engine.step.partition import Partition


async def emit_parts(targets: Targets, core: Partition[Any]) -> None:
    """Emit what the record just taken says beyond a batch, each part acknowledged before the next is made.

    Nothing is persisted in between: after a crash the record is taken again, and the next hop's fences drop the repeats.
    """
    while told := core.part():
        part = Batch(told, customers=[], values=b"", next=core.next, metadata="", quiet=True, records=0, poison=0)
        await emit(targets, part)
