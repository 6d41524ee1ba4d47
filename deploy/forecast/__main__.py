"""`python -m deploy.forecast` answers as `python -m services.rehearsal.forecast` for one version."""

from __future__ import annotations

import sys

from services.rehearsal.forecast.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
