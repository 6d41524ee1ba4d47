"""`make demo`: the demo of deploy/demo with the oracle as its judge."""

from __future__ import annotations

import sys

from deploy.demo.__main__ import main
from tests.demo.judge import findings

if __name__ == "__main__":
    sys.exit(main(findings))
