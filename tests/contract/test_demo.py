"""`make demo` brings its judge from tests/, in an environment that has the product's packages alone."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from deploy.demo import retail
from tests.oracle.known_answers import SHOP

ROOT = Path(__file__).parents[2]


def test_the_demo_with_its_judge_needs_no_package_of_the_tests() -> None:
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    names = {line.split(">")[0].split("=")[0].split("[")[0].replace("-", "_") for line in dev}
    code = f"import sys, tests.demo.__main__; print(sorted(sys.modules.keys() & {names!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert {"pytest", "hypothesis", "pytest_asyncio"} <= names
    assert done.stdout.strip() == "[]"


def test_the_real_shops_facts_are_those_of_the_known_answers() -> None:
    assert retail.SHOP == SHOP
