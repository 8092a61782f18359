#!/usr/bin/env bash
# Checks the style and runs the tests, in .venv:
#
#   bash launch/test.sh [--torch] [pytest arguments]
#
# --torch also runs the comparisons with PyTorch and installs it for them. Any
# build of it will do; to spare the download of the CUDA one, install the CPU
# build of the version in constraints.txt into .venv beforehand.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/venv.sh

extras=(test)
marked=(-m 'not torch')
if [[ "${1:-}" == --torch ]]; then
  shift
  extras+=(torch)
  marked=()
fi
make_venv "${extras[@]}"

export JAX_PLATFORMS="${JAX_PLATFORMS:-cpu}"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/python -m pytest -n auto -q ${marked[@]+"${marked[@]}"} "$@"
