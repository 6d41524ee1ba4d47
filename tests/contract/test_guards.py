"""Each guard of the house is seen to fail on a planted fault, and to pass without it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CONFIG = ROOT / "pyproject.toml"


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("line", "banned"),
    [
        ("import datetime; x = datetime.datetime.now(datetime.UTC)", "`datetime.datetime.now` is banned"),
        ("from datetime import date; x = date.today()", "`datetime.date.today` is banned"),
        ("import time; x = time.time()", "`time.time` is banned"),
        ("from time import time_ns; x = time_ns()", "`time.time_ns` is banned"),
        ("import random; x = random.random()", "`random` is banned"),
        ("from uuid import uuid4; x = uuid4()", "`uuid.uuid4` is banned"),
        ("import numpy as np; x = np.random.default_rng()", "`numpy.random` is banned"),
    ],
)
def test_clock_and_chance_are_refused_everywhere_but_in_the_clock(tmp_path: Path, line: str, banned: str) -> None:
    code = "\n".join(line.split("; ")) + "\n"
    verdicts = {}
    for name in ("services/segmenter/logic.py", "shared/clock.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text(code, encoding="utf-8")
        shutil.copy(CONFIG, tmp_path)
        verdicts[name] = run(
            str(BIN / "ruff"),
            "check",
            "--no-cache",
            "--select",
            "TID251",
            "--output-format=concise",
            name,
            cwd=tmp_path,
        )

    assert banned in verdicts["services/segmenter/logic.py"].stdout
    assert verdicts["shared/clock.py"].returncode == 0


BORDERS = [
    ("services/profile/logic.py", "services.segmenter", "Services know each other through topics only"),
    ("services/profile/state.py", "services.rehearsal", "Services know each other through topics only"),
    ("services/rehearsal/audit.py", "services.profile", "Services know each other through topics only"),
    ("shared/ids.py", "services.notifier", "Each layer imports those below it"),
    ("services/profile/fold.py", "deploy.stack", "Each layer imports those below it"),
    ("deploy/demo/__init__.py", "tests.oracle", "Each layer imports those below it"),
    ("services/notifier/__init__.py", "tests.oracle", "Each layer imports those below it"),
    ("shared/engine/fold/batch.py", "shared.engine.host", "The rooms of the engine import to the left"),
    ("shared/contract/facts.py", "shared.engine.step", "The floors of shared code import downward"),
    ("tests/oracle/__init__.py", "services.profile", "The oracle computes by itself"),
]
"""File → a module that it must not import, and the contract that says so."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tree with the product's package names and its import contracts, without a fault."""
    root = tmp_path_factory.mktemp("tree")
    names = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    for name in (*names, "tests", "tests.oracle"):
        folder = root / name.replace(".", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
    for path, _, _ in BORDERS:
        (root / path).touch()
    shutil.copy(CONFIG, root)
    return root


@pytest.fixture(scope="module")
def planted(tree: Path) -> str:
    """The words of import-linter about a tree with every fault at once."""
    root = tree.with_name("planted")
    shutil.copytree(tree, root)
    for path, target, _ in BORDERS:
        (root / path).write_text(f"import {target}\n", encoding="utf-8")
    verdict = run(str(BIN / "lint-imports"), "--no-cache", cwd=root)
    assert verdict.returncode == 1, verdict.stdout
    return verdict.stdout


@pytest.mark.parametrize(("path", "target", "contract"), BORDERS)
def test_an_import_across_a_border_breaks_its_contract(planted: str, path: str, target: str, contract: str) -> None:
    importer = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    broken = planted[planted.index("Broken contracts") :]
    section = broken[broken.index(contract) :]
    following = [section.index(other, 1) for _, _, other in BORDERS if other != contract and other in section]

    assert f"{importer} -> {target}" in section[: min(following, default=len(section))]


def test_a_tree_without_such_imports_keeps_all_contracts(tree: Path) -> None:
    verdict = run(str(BIN / "lint-imports"), "--no-cache", cwd=tree)

    assert verdict.returncode == 0, verdict.stdout


def test_our_packages_are_those_of_this_checkout() -> None:
    import deploy  # noqa: PLC0415 - what counts is where they come from
    import services  # noqa: PLC0415
    import shared  # noqa: PLC0415

    found = [Path(str(package.__file__)).parent.parent for package in (deploy, services, shared)]

    assert found == [ROOT, ROOT, ROOT]


def test_every_package_is_listed() -> None:
    listed = set(tomllib.loads(CONFIG.read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"])
    found = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for top in ("deploy", "services", "shared")
        for file in (ROOT / top).rglob("__init__.py")
    }

    assert listed == found


LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-faust.lock", "tests/bench/peers/quix.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_every_package_by_hash_and_name_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    requirements = text.replace("\\\n", " ").splitlines()

    assert requirements
    assert all("==" in line and "--hash=sha256:" in line for line in requirements)
    assert "://" not in text
    assert "--index" not in text


def test_both_locks_agree() -> None:
    def pins(lock: str) -> set[str]:
        lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
        return {line.split(" ")[0] for line in lines if not line.startswith(" ")}

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


class Screen:
    """What the summary shows, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def section(self, title: str, **_: object) -> None:
        self.lines.append(title)

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize("run", ["one process", "shared"])
def test_a_data_test_that_is_skipped_although_the_data_is_there_fails_the_run(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: str
) -> None:
    request.node.add_marker(pytest.mark.data)
    call: pytest.CallInfo[None] = pytest.CallInfo.from_call(lambda: pytest.skip("no time"), when="call")
    report = pytest.TestReport.from_item_and_call(request.node, call)
    if run == "shared":  # as pytest-xdist sends it from a worker to the process that decides
        hook = request.config.hook
        sent = json.dumps(hook.pytest_report_to_serializable(config=request.config, report=report))
        report = hook.pytest_report_from_serializable(config=request.config, data=json.loads(sent))

    monkeypatch.setenv("HUITOU_DATA", str(tmp_path))
    there = ended(report)
    monkeypatch.setenv("HUITOU_DATA", str(tmp_path / "elsewhere"))
    elsewhere = ended(report)

    shown = ["data tests skipped although the data is there", request.node.nodeid]
    assert there == (pytest.ExitCode.TESTS_FAILED, shown)
    assert elsewhere == (pytest.ExitCode.OK, [])


def ended(report: pytest.TestReport) -> tuple[int, list[str]]:
    """Exit status and summary of a session under tests/conftest.py in which this one report came."""
    plugins, screen = pytest.PytestPluginManager(), Screen()
    config = SimpleNamespace(stash=pytest.Stash(), pluginmanager=plugins)
    session = SimpleNamespace(config=config, exitstatus=pytest.ExitCode.OK)
    plugins.register(conftest)
    conftest.pytest_configure(config)  # type: ignore[arg-type]
    plugins.hook.pytest_runtest_logreport(report=report)
    plugins.hook.pytest_sessionfinish(session=session, exitstatus=session.exitstatus)
    plugins.hook.pytest_terminal_summary(terminalreporter=screen, exitstatus=session.exitstatus, config=config)
    return session.exitstatus, [line for line in screen.lines if not line.startswith("whole-stack starts")]
