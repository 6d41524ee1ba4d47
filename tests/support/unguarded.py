"""`python -m tests.support.unguarded SERVICE --off FENCE,…`: a service of the product without these guards.

The words are rules of the engine (`Rule`), gates against imports of the trigger engine (`SWITCHES`) and guards of the
notifier (`Guard`). The service reads its settings from the environment as always.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping
from typing import Final

from deploy.stack.plan import Entry
from services.notifier.guards import Guard
from services.trigger_engine.gates import SWITCHES
from shared.engine.fold.rules import Rule

RULES: Final = frozenset(Rule.__members__)
WORDS: Final[Mapping[str, frozenset[str]]] = {
    "profile": RULES,
    "segmenter": RULES,
    "trigger-engine": RULES | SWITCHES,
    "notifier": frozenset(Guard.__members__),
}
"""Service of the plan → what can be taken out of it."""


def entries(off: Collection[str]) -> dict[str, Entry]:
    """Service → the program that runs it without what it has of `off`; ValueError names a word that no service has."""
    unknown = set(off).difference(*WORDS.values())
    if unknown:
        raise ValueError(f"off: {', '.join(sorted(unknown))} unknown")
    found = {service: sorted(words.intersection(off)) for service, words in WORDS.items()}
    return {
        service: Entry(module="tests.support.unguarded", arguments=(service, "--off", ",".join(words)))
        for service, words in found.items()
        if words
    }


def main() -> None:
    """Run the service until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.unguarded", description=__doc__)
    parser.add_argument("service", choices=tuple(WORDS))
    parser.add_argument("--off", required=True, help="what is taken out, by comma")
    given = parser.parse_args()
    words = frozenset(given.off.split(","))
    if words - WORDS[given.service]:
        parser.error(f"{given.service} has no {', '.join(sorted(words - WORDS[given.service]))}")
    del sys.argv[1:]  # these words are not the service's own
    _run(given.service, words)


def _run(service: str, words: frozenset[str]) -> None:
    """The service alone is imported: another one's libraries would change its start and its memory."""
    off = frozenset(Rule[word] for word in words & RULES)
    if service == "profile":
        from services.profile.__main__ import main as profile  # noqa: PLC0415

        profile(off=off)
    elif service == "segmenter":
        from services.segmenter.__main__ import main as segmenter  # noqa: PLC0415

        segmenter(off=off)
    elif service == "trigger-engine":
        from services.trigger_engine.__main__ import main as trigger_engine  # noqa: PLC0415

        trigger_engine(off=off, gates_off=words & SWITCHES)
    else:
        from services.notifier.__main__ import main as notifier  # noqa: PLC0415

        notifier(off=frozenset(Guard[word] for word in words))


if __name__ == "__main__":
    main()
