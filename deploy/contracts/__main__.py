"""`python -m deploy.contracts`: writes docs/asyncapi.json and docs/schemas/ from the topic table and the models."""

from __future__ import annotations

import sys

from deploy.contracts.documents import FOLDER, documents, publish

if __name__ == "__main__":
    changed = publish(documents())
    lines = [f"{FOLDER.name}/{name}" for name in changed] or ["nothing changed"]
    sys.stdout.write("\n".join(lines) + "\n")
