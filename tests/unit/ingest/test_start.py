"""What ingest's processes load at their start."""

from __future__ import annotations

import subprocess
import sys


def test_no_process_loads_the_library_of_workbooks_before_it_reads_one() -> None:
    code = (
        "import sys, services.ingest.__main__; assert not {'openpyxl', 'numpy'} & sys.modules.keys(); "
        "import services.ingest.imports.excel_file; assert 'openpyxl' in sys.modules"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
