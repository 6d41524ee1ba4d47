"""Snapshots written by a thread while the stream goes on; a disk that refuses costs a snapshot, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

from shared.engine.fold.batch import Batch
from shared.engine.recovery import snapshot
from shared.engine.state.head import PARTITION_KEY
from shared.engine.step.partition import Partition
from shared.log import Log


class Checkpoints:
    """Writes the partitions of a worker one after the other; without a directory it does nothing."""

    def __init__(self, directory: Path | None, log: Log) -> None:
        self._directory, self._log = directory, log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="snapshots")
        self._writing: dict[int, Future[None]] = {}

    def take(self, core: Partition[Any], batch: Batch) -> None:
        """Write the state as it is now, right after `batch` was drained; returns at once, the values are immutable."""
        if self._directory is None or not batch.checkpoint:
            return
        earlier = self._writing.get(core.partition)
        if earlier is not None and not earlier.done():
            self._log.warning("snapshot passed over, the one before is not written yet", partition=core.partition)
            return
        header = snapshot.Header(
            service=core.fold.name,
            partition=core.partition,
            next=batch.next,
            checksum=batch.metadata,
            schema=core.fold.schema,
            customers=len(core.store),
        )
        states = zip(
            core.store.keys[:], core.store.values[:], strict=True
        )  # two lists of references: no value is copied
        records = chain(states, [(PARTITION_KEY, batch.values)])
        self._writing[core.partition] = self._thread.submit(self._write, self._directory, header, records)

    def close(self) -> None:
        """What has not begun is not written; what has begun is finished before the process ends."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _write(self, directory: Path, header: snapshot.Header, records: Iterable[snapshot.Stored]) -> None:
        try:
            path = snapshot.write(directory, header, records)
        except OSError as error:
            self._log.warning("snapshot not written", partition=header.partition, error=error)
            return
        self._log.info("snapshot", path=path, customers=header.customers, bytes=path.stat().st_size)
