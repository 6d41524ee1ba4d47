"""`python -m deploy.contracts`: writes docs/asyncapi.json, openapi.json, vocabulary.md and schemas/ from the code."""

from __future__ import annotations

import sys

from deploy.contracts.documents import FOLDER, documents, publish

if __name__ == "__main__":
    changed = publish(documents())
    lines = [f"{FOLDER.name}/{name}" for name in changed] or ["nothing changed"]
    sys.stdout.write("\n".join(lines) + "\n")
