"""The commands: keys are shown once, and every refusal is a sentence that names what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ingest.__main__ import main
from services.ingest.identifiers import Pepper
from services.ingest.write_keys import Scope, WriteKeys


def test_a_key_is_printed_once_and_can_be_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys"
    monkeypatch.setenv("HUITOU_WRITE_KEYS_FILE", str(path))
    assert main(["keys", "add", "--source", "shop", "--scope", "live"]) == 0
    key = capsys.readouterr().out.strip()
    source = WriteKeys.load(path).check(key)
    assert source is not None
    assert (source.name, source.scopes) == ("shop", frozenset({Scope.LIVE}))
    assert key.partition(".")[2] not in path.read_text(encoding="utf-8")
    assert main(["keys", "revoke", source.key_id]) == 0
    assert WriteKeys.load(path).check(key) is None


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["clock"], {}, "HUITOU_KAFKA: Field required"),
        (["import", "none.csv"], {}, "none.csv"),
        (["import", "none.csv", "--zone", "Nowhere"], {}, "--zone: must be an IANA time zone"),
        (["import", "none.csv", "--from", "soon"], {}, "--from: Invalid isoformat"),
        (["import", "none.csv"], {"HUITOU_SCENARIO": "1"}, "--baseline: a scenario stack has no wall time"),
    ],
)
def test_a_refusal_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: dict[str, str],
    sentence: str,
) -> None:
    Pepper.create(tmp_path / "pepper")
    (tmp_path / "shop.json").write_text("{}", encoding="utf-8")
    given = {"HUITOU_PEPPER_FILE": str(tmp_path / "pepper"), "HUITOU_SHOP_FILE": str(tmp_path / "shop.json")}
    if arguments[0] == "import":
        given["HUITOU_KAFKA"] = "127.0.0.1:1"
    for name, value in (given | environment).items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 1
    assert sentence in capsys.readouterr().err
