#!/bin/sh
# structlog 26.1.0: `import structlog` imports rich wherever rich is installed, also in a process that logs JSON.
#
# Guess: rich is an extra for tracebacks in the development console and is imported when a console renderer is made.
# Seen: structlog/dev.py imports it at the top, and structlog/__init__.py imports dev. A service that renders JSON and
# never makes a console renderer has 66 modules of rich and pygments in memory at start.
# shared/log.py hides rich during that one import (measured there: 0.14 s of CPU and 8 MB for each process).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'structlog==26.1.0' 'rich==15.0.0'
"$folder/venv/bin/python" - <<'PY'
import subprocess
import sys

def imported(before):
    code = f"{before}\nimport structlog\nstructlog.configure(processors=[structlog.processors.JSONRenderer()])\n"
    code += "import sys; print(sum(m.split('.')[0] in ('rich', 'pygments') for m, v in sys.modules.items() if v))"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

plain, hidden = imported(""), imported("import sys; sys.modules['rich'] = None")
print(f"modules of rich and pygments after `import structlog`: {plain}; with rich hidden: {hidden}")
assert plain > 10 and hidden == 0, "structlog no longer imports rich by itself"
PY
