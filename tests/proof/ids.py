"""`python -m tests.proof.ids BEFORE.xml AFTER.xml [PROOF.xml …]`: test ids of junit files side by side, by what became of them.

The figures and each id that is lost, moved to the proof, or new; exit code 1 if one is lost.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import parse


def cases(file: Path) -> dict[str, str]:
    """Test id → `passed`, `failed` or `skipped`."""
    root = parse(file).getroot()
    assert root is not None
    return {f"{case.get('classname')}::{case.get('name')}": _verdict(case) for case in root.iter("testcase")}


def _verdict(case: Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def compared(before: dict[str, str], after: dict[str, str], proof: dict[str, str]) -> dict[str, list[str]]:
    """Ids by their fate: `kept`, `elsewhere` (in another file), `moved` to the proof, `lost`, `new`, `skipped` since."""
    gone = before.keys() - after.keys() - proof.keys()
    fresh = (after.keys() | proof.keys()) - before.keys()
    names = {_name(each) for each in fresh}
    elsewhere = {each for each in gone if _name(each) in names}
    found = {_name(each) for each in elsewhere}
    return {
        "kept": sorted(before.keys() & after.keys()),
        "elsewhere": sorted(elsewhere),
        "moved": sorted(before.keys() & proof.keys() - after.keys()),
        "lost": sorted(gone - elsewhere),
        "new": sorted(each for each in fresh if _name(each) not in found),
        "skipped": sorted(
            name for name, verdict in after.items() if (verdict, before.get(name)) == ("skipped", "passed")
        ),
    }


def _name(test_id: str) -> str:
    """Function and parameters, without the file."""
    return test_id.partition("::")[2]


def page(found: dict[str, list[str]], before: int) -> str:
    """The table as Markdown."""
    lines = ["| ids | count | share of those before |", "|---|---:|---:|"]
    lines += [f"| {name} | {len(ids)} | {len(ids) / before:.1%} |" for name, ids in found.items()]
    for name in ("lost", "moved", "elsewhere", "new", "skipped"):
        lines += ["", f"## {name}", *(f"- `{each}`" for each in found[name])] if found[name] else []
    return "\n".join(lines) + "\n"


def main(files: Sequence[str]) -> int:
    """Print the table; 1 if an id is lost."""
    before, after, *proof = (cases(Path(name)) for name in files)
    found = compared(before, after, {name: verdict for one in proof for name, verdict in one.items()})
    sys.stdout.write(page(found, len(before)))
    return 1 if found["lost"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
