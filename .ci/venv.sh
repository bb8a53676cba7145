#!/usr/bin/env bash
# Makes the virtual environment with $PYTHON if it is given, else with the first fitting Python on the PATH. Usage: venv.sh FOLDER
set -euo pipefail
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' # the range of pyproject.toml
for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
    if "$python" -c "$fits" 2>/dev/null; then
        exec "$python" -m venv --clear "$1"
    fi
done
found=$("${PYTHON:-python3}" -c 'import platform; print("Python", platform.python_version())' 2>/dev/null || echo none)
echo "make: need Python 3.11, 3.12 or 3.13; got $found. Install one and run make PYTHON=/path/to/python3.13." >&2
exit 2
