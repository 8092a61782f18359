#!/usr/bin/env bash
# Runs the tests on the oldest versions that setup.py claims, in .venv-oldest:
#
#   bash launch/oldest.sh [pytest arguments]
#
# Runs what `bash launch/test.sh --fast` does. Needs Python 3.11; another one is
# named by PYTHON=/path/to/python.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3.11}"
if [[ ! -x .venv-oldest/bin/python ]]; then
  "$python" -m venv .venv-oldest
fi
.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check \
  --constraint constraints-oldest.txt --editable '.[test]'

export JAX_PLATFORMS="${JAX_PLATFORMS:-cpu}"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
.venv-oldest/bin/python -m pytest -n auto -q -m 'not torch and not slow' "$@"
