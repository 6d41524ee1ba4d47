"""`python -m services.console`: the console; `letters …` and `operators …`: commands. The only reader of the environment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

import uvloop

from services.console import letters_command, operators
from services.console.operators import OperatorsError
from services.console.process import run
from services.console.settings import ConsoleSettings, OperatorsSettings
from shared import usage
from shared.telemetry.process import begin

COMMANDS: Final = {
    "letters …": "rejected events and dead letters: search, show, mend, replay (letters --help)",
    "operators …": "who may open letters over HTTP (operators --help)",
}


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    usage.answer("services.console", "serves the console", COMMANDS, arguments)
    if arguments[:1] == ["letters"]:
        return uvloop.run(letters_command.run(arguments[1:]))
    if arguments[:1] == ["operators"]:
        return _operators(arguments[1:])
    telemetry = begin("console")
    uvloop.run(run(ConsoleSettings(), telemetry))
    return 0


def _operators(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="services.console operators", description="Who may open letters over HTTP.")
    parser.add_argument("action", choices=("add", "remove"))
    parser.add_argument("name")
    given = parser.parse_args(arguments)
    file = OperatorsSettings().operators_file
    try:
        if given.action == "remove":
            operators.remove(file, given.name)
            return 0
        sys.stdout.write(operators.add(file, given.name) + "\n")
    except OperatorsError as error:
        sys.stderr.write(f"console: {error}\n")
        return 1
    sys.stderr.write("this secret is shown once and kept nowhere 此密钥只显示一次\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
