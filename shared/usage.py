"""What a service's command line offers, told before any setting is read; knows no service."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence


def answer(module: str, runs: str, commands: Mapping[str, str], arguments: Sequence[str]) -> None:
    """End with the list where help is asked for; Faust answers for itself.

    `runs`: what the module does without arguments; empty: nothing, one of `commands` must be named.
    """
    if arguments and arguments[0] in {"-h", "--help"} and os.environ.get("HUITOU_HOST") != "faust":
        name = f"python -m {module}"
        lines = {name: f"{runs}, until SIGTERM or SIGINT"} if runs else {}
        lines |= {f"{name} {each}": told for each, told in commands.items()}
        width = max(map(len, lines))
        sys.stdout.writelines(f"{line.ljust(width)}  {told}\n" for line, told in lines.items())
        sys.stdout.write("Settings come from the environment (HUITOU_…): docs/operations.md\n")
        sys.exit(0)
    if arguments and not commands:
        sys.stderr.write(f"{module}: takes no arguments; --help says what it does\n")
        sys.exit(2)
