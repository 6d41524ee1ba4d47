"""Two checkpoints are found by number, whole or not at all; the command says what is wrong in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.rehearsal.__main__ import main
from services.rehearsal.checkpoints import PLACES, CheckpointError, taken, two
from shared.contract.broadcasts import Checkpoint
from shared.contract.codec import encode
from shared.engine.recovery import snapshot
from shared.engine.state.head import PARTITION_KEY, encode_values
from shared.engine.state.stored import PartitionValues


def take(folder: Path, number: int, *, but: int = 0) -> None:
    """A checkpoint that all places but the first few have written."""
    values = encode_values(PartitionValues(next=number + 1, broadcasts={"checkpoint": (encode(Checkpoint(number)), 0)}))
    for service, partition in sorted(PLACES)[but:]:
        header = snapshot.Header(
            service=service, partition=partition, next=number + 1, checksum="", schema=1, customers=0
        )
        snapshot.write(folder, header, [(PARTITION_KEY, values)])


def test_the_latest_two_that_are_whole_are_taken(tmp_path: Path) -> None:
    take(tmp_path, 5)
    take(tmp_path, 9)

    earlier, later = two(tmp_path, None, None)

    assert (earlier.number, later.number) == (5, 9)
    assert earlier.paths.keys() == later.paths.keys() == PLACES
    assert {path.stem for path in earlier.paths.values()} == {"5"}


def test_one_that_is_not_whole_is_no_default_and_is_refused_by_number(tmp_path: Path) -> None:
    take(tmp_path, 5)
    take(tmp_path, 9, but=1)

    with pytest.raises(
        CheckpointError, match=r"two whole checkpoints are needed, there are 5 \(36 of 36 snapshots\), 9 \(35"
    ):
        two(tmp_path, None, None)
    with pytest.raises(CheckpointError, match="checkpoint 9 is not there as a whole"):
        two(tmp_path, 5, 9)
    with pytest.raises(CheckpointError, match="checkpoint 7 is not there as a whole"):
        two(tmp_path, 7, 5)


def test_the_order_is_that_of_the_numbers(tmp_path: Path) -> None:
    take(tmp_path, 5)
    take(tmp_path, 9)

    with pytest.raises(CheckpointError, match="checkpoint 9 is not before 5"):
        two(tmp_path, 9, 5)


def test_a_damaged_file_makes_its_checkpoint_less_than_whole(tmp_path: Path) -> None:
    take(tmp_path, 5)
    snapshot.paths(tmp_path, "profile", 3)[0].write_bytes(b"damaged")

    assert [(each.number, len(each.paths)) for each in taken(tmp_path)] == [(5, len(PLACES) - 1)]


def test_without_checkpoints_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUITOU_KAFKA", "localhost:1")
    monkeypatch.setenv("HUITOU_SHOP_FILE", str(tmp_path / "shop.json"))
    monkeypatch.setenv("HUITOU_SNAPSHOTS", str(tmp_path))
    assert main(["audit"]) == 2
    assert "two whole checkpoints are needed, there is none" in capsys.readouterr().err

    monkeypatch.delenv("HUITOU_SNAPSHOTS")
    assert main(["audit"]) == 2
    assert "HUITOU_SNAPSHOTS: Field required" in capsys.readouterr().err


def test_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("python -m services.rehearsal audit [--from CHECKPOINT]")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("HUITOU_EPOCH_MS", "0", "HUITOU_EPOCH_MS: Input should be greater than 0"),
        ("HUITOU_SHOP_FILE", "{", "HUITOU_SHOP_FILE: Input data was truncated"),
        ("HUITOU_SHOP_FILE", '{"currency": 5}', "HUITOU_SHOP_FILE: Expected `str`, got `int` - at `$.currency`"),
    ],
)
def test_what_it_cannot_judge_by_is_a_sentence_and_no_difference(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    sentence: str,
) -> None:
    for number in (5, 6):
        take(tmp_path / "snapshots", number)
    shop = tmp_path / "shop.json"
    shop.write_text(value if name == "HUITOU_SHOP_FILE" else "{}", encoding="utf-8")
    monkeypatch.setenv("HUITOU_KAFKA", "localhost:1")
    monkeypatch.setenv("HUITOU_SNAPSHOTS", str(tmp_path / "snapshots"))
    monkeypatch.setenv("HUITOU_SHOP_FILE", str(shop))
    if name != "HUITOU_SHOP_FILE":
        monkeypatch.setenv(name, value)

    assert main(["audit"]) == 2
    assert sentence in capsys.readouterr().err
