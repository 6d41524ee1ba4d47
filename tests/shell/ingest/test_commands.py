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
    limited = ["keys", "add", "--source", "till", "--scope", "live", "--per-second", "5", "--burst", "9"]
    assert main(limited) == 0
    other = capsys.readouterr().out.strip()
    assert main(["keys", "list"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        f"{source.key_id}\tshop\tlive\trevoked",
        f"{other.partition('.')[0]}\ttill\tlive\tactive\t5 events/s, burst 9",
    ]
    assert other.partition(".")[2] not in shown


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["clock"], {}, "HUITOU_KAFKA: Field required"),
        (["import", "none.csv"], {}, "none.csv"),
        (["import", "none.csv", "--zone", "Nowhere"], {}, "--zone: must be an IANA time zone"),
        (["import", "none.csv", "--from", "soon"], {}, "--from: Invalid isoformat"),
        (["keys", "add", "--source", "a", "--scope", "live", "--burst", "5"], {}, "--burst: needs --per-second"),
        (
            ["keys", "add", "--source", "a", "--scope", "live", "--per-second", "0"],
            {},
            "--per-second, --burst: Expected",
        ),
        (
            ["http"],
            {"HUITOU_CORS_ORIGINS": "shop.example"},
            "HUITOU_CORS_ORIGINS: Value error, shop.example is no origin",
        ),
        (
            ["http"],
            {"HUITOU_PUBLIC_URL": "https://shop.example/x"},
            "HUITOU_PUBLIC_URL: Value error, must be an address",
        ),
        (["http"], {"HUITOU_EVENTS_BURST": "0"}, "HUITOU_EVENTS_BURST: Input should be greater"),
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
    given["HUITOU_WRITE_KEYS_FILE"] = str(tmp_path / "keys")
    if arguments[0] == "import":
        given["HUITOU_KAFKA"] = "127.0.0.1:1"
    for name, value in (given | environment).items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 1
    assert sentence in capsys.readouterr().err
