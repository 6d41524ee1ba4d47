"""Two checkpoints anywhere in histories of linked people: the fold between them is the later snapshot; what is not is named."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.rehearsal.audit import Audit, Folded
from services.rehearsal.checkpoints import CheckpointError, Place
from services.rehearsal.pipeline import folds
from shared.contract import topics
from shared.contract.broadcasts import Checkpoint
from shared.contract.bundles import Bundle, ProfileUpdated
from shared.contract.codec import encode
from shared.engine.fold.batch import Batch
from shared.engine.recovery import snapshot
from shared.engine.recovery.checkpoints import Checkpoints
from shared.engine.state.head import PARTITION_KEY
from shared.engine.step.partition import Partition
from shared.log import Log
from shared.shop import DAY
from tests.property.test_rebuild import Reader
from tests.support.linked.chain import HOMES, SHOP, Chain
from tests.support.linked.history import history, live
from tests.support.world import Stored

SEEDS = range(12)
EARLIER, LATER = 100, 200


class Checked(Chain):
    """Two checkpoints among the records written, each at its own place of every partition; snapshots are files."""

    def __init__(self, folder: Path, rnd: random.Random) -> None:
        super().__init__()
        self.folder, self.rnd, self.written = folder, rnd, 0
        self.repeats = random.Random(rnd.random())
        self.due: dict[int, int] = {}

    def write(self, key: str, record: Any) -> None:
        super().write(key, record)
        self.written += 1
        if self.written in self.due:
            for home in self.rnd.sample(HOMES, len(HOMES)):
                self.broadcast(Checkpoint(self.due[self.written]), [home])

    def checkpoint(self, core: Partition[Any], batch: Batch) -> None:
        keeper = Checkpoints(self.folder, Log("test"))
        keeper.take(core, batch)
        keeper._thread.shutdown()

    def paths(self, place: int) -> dict[Place, Path]:
        """Of the earlier checkpoint (1) or the later one (0)."""
        return {
            (service, home): snapshot.paths(self.folder, service, home)[place]
            for service in topics.STATEFUL
            for home in HOMES
        }


def lived(seed: int, folder: Path) -> Checked:
    rnd = random.Random(seed)
    chain, told = Checked(folder, rnd), history(rnd).told
    early, late = sorted(rnd.sample(range(1, len(told)), 2))
    chain.due = {early: EARLIER, late: LATER}
    live(told, rnd, chain, lag=True)
    return chain


def audited(chain: Checked) -> list[Folded]:
    async def run() -> list[Folded]:
        reader: Any = Reader(chain, {})  # type: ignore[arg-type]  # of a world it asks for the logs
        audit = Audit(folds(SHOP, epoch_ms=10_000 * DAY), reader, scenario=True)
        earlier, later = chain.paths(1), chain.paths(0)
        return [folded for home in HOMES async for folded in audit.partition(home, earlier, later)]

    return asyncio.run(run())


def different(chain: Checked) -> list[str]:
    return [str(difference) for folded in audited(chain) for difference in folded.differences]


def altered(path: Path, change: Callable[[list[snapshot.Stored]], list[snapshot.Stored]]) -> None:
    """The snapshot with other records, written as a snapshot is."""
    header, records = snapshot.read(path)
    records = change(list(records))
    path.unlink()
    snapshot.write(path.parents[2], msgspec.structs.replace(header, customers=len(records) - 1), records)


def test_the_fold_between_two_checkpoints_is_the_later_snapshot(tmp_path: Path) -> None:
    customers = fragments = repeats = 0
    for seed in SEEDS:
        chain = lived(seed, tmp_path / str(seed))
        found = audited(chain)

        assert [str(each) for folded in found for each in folded.differences] == [], f"seed {seed}"
        customers += sum(folded.customers for folded in found)
        repeats += sum(folded.records - folded.said for folded in found if folded.service != "profile")
        fragments += sum(b'"fragment"' in stored.value for log in chain.logs.values() for stored in log)
    assert customers > 100
    assert fragments > 30
    assert repeats > 30


def _rich(folder: Path) -> tuple[Checked, str, Path]:
    """A history with a snapshot of the trigger engine that holds a customer; the customer, and the file."""
    for seed in SEEDS:
        chain = lived(seed, folder / str(seed))
        for (service, _), path in chain.paths(0).items():
            _, records = snapshot.read(path)
            if service == "trigger_engine" and len(records) > 2:
                return chain, records[0][0].decode(), path
    raise AssertionError("no history leaves two customers in one partition")


def test_an_altered_state_is_named_with_the_part_that_differs(tmp_path: Path) -> None:
    chain, customer, path = _rich(tmp_path)

    def raised(records: list[snapshot.Stored]) -> list[snapshot.Stored]:
        key, value = records[0]
        return [(key, value[:18] + (7).to_bytes(8, "big") + value[26:]), *records[1:]]

    altered(path, raised)
    (found,) = different(chain)
    assert found.startswith(f"trigger_engine[{path.parent.name}] {customer}: counter ")
    assert found.endswith(", in the snapshot 7")


def test_a_customer_who_is_missing_is_named(tmp_path: Path) -> None:
    chain, customer, path = _rich(tmp_path)
    altered(path, lambda records: records[1:])

    assert different(chain) == [f"trigger_engine[{path.parent.name}] {customer}: is not in the snapshot"]


def test_partition_values_that_differ_are_named(tmp_path: Path) -> None:
    chain, _, path = _rich(tmp_path)

    def later(records: list[snapshot.Stored]) -> list[snapshot.Stored]:
        values = msgspec.msgpack.decode(records[-1][1])
        values[2] += 1
        return [*records[:-1], (PARTITION_KEY, msgspec.msgpack.encode(values))]

    altered(path, later)
    assert different(chain) == [f"trigger_engine[{path.parent.name}] partition values: clock"]


def test_a_record_between_two_services_that_was_not_said_or_not_kept_is_named(tmp_path: Path) -> None:
    for seed in SEEDS:
        chain = lived(seed, tmp_path / str(seed))
        found = [
            (home, stored)
            for home in HOMES
            for place, stored in enumerate(chain.log(topics.PROFILE_UPDATES.name, home))
            if b'"profile.updated"' in stored.value and _between(chain, home, place)
        ]
        if found:
            break
    home, stored = found[-1]
    bundle: Bundle = msgspec.json.decode(stored.value, type=ProfileUpdated)
    other = encode(msgspec.structs.replace(bundle, as_of=bundle.as_of + 1))
    for same in [
        n for n, each in enumerate(chain.log(topics.PROFILE_UPDATES.name, home)) if each.value == stored.value
    ]:
        chain.log(topics.PROFILE_UPDATES.name, home)[same] = Stored(same, stored.key, other)

    told = [line for line in different(chain) if line.startswith(f"segmenter[{home}] {(stored.key or b'').decode()}: ")]
    assert any(f"of {topics.PROFILE_UPDATES.name} was not said by profile" in line for line in told)
    assert any(f"profile says what is not in {topics.PROFILE_UPDATES.name}" in line for line in told)


def _between(chain: Checked, home: int, place: int) -> bool:
    earlier, later = (int(chain.paths(n)["segmenter", home].stem) for n in (1, 0))
    return earlier < place < later


def test_a_snapshot_of_another_log_is_refused(tmp_path: Path) -> None:
    chain, _, path = _rich(tmp_path)
    header, records = snapshot.read(path)
    path.unlink()
    snapshot.write(path.parents[2], msgspec.structs.replace(header, checksum="0:00000000"), records)

    with pytest.raises(CheckpointError, match="is not that of the log"):
        audited(chain)
