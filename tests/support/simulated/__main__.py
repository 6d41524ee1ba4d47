"""`SEED=123 python -m tests.support.simulated`: one history again, with what its processes said; OFF=FENCE,MARKS takes rules out."""

from __future__ import annotations

import os
import sys

from shared.engine.fold.rules import Rule
from tests.support.simulated.history import run


def main() -> int:
    """0 if all was well."""
    off = frozenset(Rule[name] for name in os.environ.get("OFF", "").split(",") if name)
    outcome = run(int(os.environ["SEED"]), off)
    sys.stdout.write(outcome.said)
    sys.stdout.write(f"faults {outcome.faults}, requests {outcome.requests}, digest {outcome.digest:08x}\n")
    sys.stdout.write("".join(f"WRONG {line}\n" for line in outcome.wrong) or "all is well\n")
    return bool(outcome.wrong)


if __name__ == "__main__":
    sys.exit(main())
