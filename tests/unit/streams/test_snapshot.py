"""Snapshot files are whole or not there, the latest two stay, and a disk that refuses holds nobody up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.contract.broadcasts import Checkpoint, Tick
from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.engine.recovery import snapshot
from shared.engine.recovery.checkpoints import Checkpoints
from shared.engine.recovery.snapshot import Header
from shared.engine.state.head import PARTITION_KEY
from shared.engine.step.partition import Partition
from shared.log import Log
from tests.support.tally import Tally, TallyFold
from tests.support.world import Stored

RECORDS = [*((f"c{number}".encode(), os.urandom(number % 50)) for number in range(5_000)), (PARTITION_KEY, b"values")]


def _header(following: int, customers: int = len(RECORDS) - 1) -> Header:
    return Header(service="profile", partition=3, next=following, checksum="7:aa", schema=1, customers=customers)


def test_a_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path, _header(8), RECORDS)

    assert path == tmp_path / "profile" / "3" / "7.snap"
    assert snapshot.read(path) == (_header(8), RECORDS)


def test_the_partition_values_come_back_alone(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path, _header(8), RECORDS)
    whole = path.read_bytes()

    assert snapshot.values(path) == (_header(8), b"values")
    assert snapshot.values(snapshot.write(tmp_path, _header(9, 0), RECORDS[-1:])) == (_header(9, 0), b"values")
    for rest in (whole[:-1], whole[:-1] + b"?", whole[: len(whole) // 2], whole[:9], b""):
        path.write_bytes(rest)
        with pytest.raises(ValueError, match=r"\.snap"):
            snapshot.values(path)


def test_the_latest_two_stay(tmp_path: Path) -> None:
    for following in (9, 100, 11, 1000):
        snapshot.write(tmp_path, _header(following, 0), [(PARTITION_KEY, b"")])

    assert [path.stem for path in snapshot.paths(tmp_path, "profile", 3)] == ["999", "99"]


def test_any_damage_is_noticed(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path, _header(8), RECORDS)
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"\.snap"):
            snapshot.read(path)
        path.write_bytes(whole[:place])
        with pytest.raises(ValueError, match=r"\.snap"):
            snapshot.read(path)


def test_a_last_block_that_claims_more_than_the_file_holds_is_noticed(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path, _header(8), RECORDS)
    whole = path.read_bytes()
    last = place = len(snapshot.MAGIC)
    while place < len(whole):
        last, size = place, int.from_bytes(whole[place : place + 4], "big")
        place += 8 + size
    path.write_bytes(whole[:last] + (size + 1).to_bytes(4, "big") + whole[last + 4 :])
    with pytest.raises(ValueError, match="a block is damaged"):
        snapshot.read(path)


def test_a_block_that_is_missing_is_noticed(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path, _header(8, customers=len(RECORDS)), RECORDS)

    with pytest.raises(ValueError, match="holds 5001 records, 5002 were written"):
        snapshot.read(path)


def test_a_writer_that_dies_leaves_no_snapshot_and_harms_none(tmp_path: Path) -> None:
    snapshot.write(tmp_path, _header(5), RECORDS)

    def dying() -> object:
        yield from RECORDS[:4_500]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        snapshot.write(tmp_path, _header(8), dying())  # type: ignore[arg-type]

    assert [path.name for path in (tmp_path / "profile" / "3").iterdir()] == ["4.snap"]


def _checked(numbers: tuple[int, ...]) -> tuple[Partition[Tally], list[int]]:
    """A partition after an order and these checkpoints; for each, whether it closed its batch."""
    core = Partition(TallyFold(), partition=0, seal=lambda *_: "", scenario=True)
    order = OrderPlaced(id="e", at=1, order_id="o", amount=5, currency="CNY")
    core.apply(Stored(0, b"ann", encode(order)))
    core.apply(Stored(1, None, encode(Tick(3, scenario=True))))
    return core, [core.apply(Stored(place, None, encode(Checkpoint(n)))) for place, n in enumerate(numbers, 2)]


def test_a_checkpoint_applies_once_and_goes_on() -> None:
    core, closed = _checked((7, 7, 6, 8))
    batch = core.drain()

    assert closed == [True, False, False, True]
    assert batch.checkpoint
    assert not batch.quiet
    assert [emit.key for emit in batch.emits].count(None) == 1 + 2
    assert not core.drain().checkpoint


def test_the_snapshot_is_the_state_at_the_checkpoint_and_restores_the_partition(tmp_path: Path) -> None:
    core, _ = _checked((7,))
    checkpoints = Checkpoints(tmp_path, Log("test"))
    batch = core.drain()
    checkpoints.take(core, batch)
    core.apply(Stored(3, b"bob", encode(OrderPlaced(id="f", at=1, order_id="p", amount=9, currency="CNY"))))
    core.drain()
    checkpoints._thread.shutdown()

    header, records = snapshot.read(snapshot.paths(tmp_path, "profile", 0)[0])
    again = Partition(TallyFold(), partition=0, seal=lambda *_: "", scenario=True)
    for key, value in records:
        again.restore(key, value)
    again.restored()
    assert (header.next, header.checksum, header.customers) == (3, batch.metadata, 1)
    assert (again.next, again.clock, len(again.store)) == (3, 3, 1)
    assert not again.apply(Stored(3, None, encode(Checkpoint(7))))


def test_a_disk_that_refuses_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "profile").write_text("a file where the folder should be")
    core, _ = _checked((7,))
    checkpoints = Checkpoints(tmp_path, Log("test"))
    checkpoints.take(core, core.drain())
    checkpoints._thread.shutdown()

    assert "snapshot not written" in caplog.text


def test_without_a_directory_nothing_is_written() -> None:
    core, _ = _checked((7,))
    checkpoints = Checkpoints(None, Log("test"))
    checkpoints.take(core, core.drain())

    assert checkpoints._writing == {}


def test_wherever_a_file_is_cut_its_values_are_not_read(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path, _header(8), RECORDS)
    whole = path.read_bytes()
    for place in {*range(len(whole) - 40, len(whole)), *range(0, len(whole), len(whole) // 40)}:
        path.write_bytes(whole[:place])
        with pytest.raises(ValueError):  # noqa: PT011 (msgspec and ours; each is one)
            snapshot.values(path)
    path.write_bytes(whole + b"abc")
    with pytest.raises(ValueError, match="ends within a block"):
        snapshot.values(path)
