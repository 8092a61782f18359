#!/usr/bin/env bash
# Looks after what vidpetl depends on, with pip-audit and uv in .venv-supply:
#
#   bash launch/supply.sh audit
#   bash launch/supply.sh lock [extra ...] >requirements.lock
#
# audit asks the registry for known vulnerabilities of every version in
# constraints.txt. Where there are none it writes date and pins into that file;
# otherwise, also where the registry does not answer, it ends with status 1.
#
# lock prints those versions, and all that they need, with the hashes of their
# files, for Linux on Python 3.11 (PYTHON_VERSION=3.12 is another one):
#   pip install --require-hashes -r requirements.lock
#   pip install --no-deps -e .
set -euo pipefail
cd "$(dirname "$0")/.."

TOOLS=(pip-audit==2.10.1 uv==0.13.9)

tools() {
  if [[ ! -x .venv-supply/bin/pip-audit || ! -x .venv-supply/bin/uv ]]; then
    "${PYTHON:-python3}" -m venv .venv-supply
    .venv-supply/bin/python -m pip install --quiet \
      --disable-pip-version-check "${TOOLS[@]}"
  fi
}

# A hash of the pins alone, so that no date outlives a change of them.
pins() {
  grep -v '^#' constraints.txt | sha256sum | cut -c1-16
}

audit() {
  # --strict: a version that could not be asked about is no clean one.
  .venv-supply/bin/pip-audit --strict --disable-pip --no-deps \
    --requirement constraints.txt
  sed -i.bak "s/^# audited: .*/# audited: $(date -u +%F), pins $(pins)/" \
    constraints.txt
  rm constraints.txt.bak
  grep '^# audited: ' constraints.txt
}

lock() {
  local extra extras=()
  for extra in "$@"; do
    extras+=(--extra "$extra")
  done
  .venv-supply/bin/uv pip compile setup.py ${extras[@]+"${extras[@]}"} \
    --quiet --no-header --generate-hashes --constraints constraints.txt \
    --python-version "${PYTHON_VERSION:-3.11}" --python-platform linux
}

case "${1:-}" in
  audit | lock)
    tools
    "$@"
    ;;
  *)
    echo 'audit or lock? See the head of launch/supply.sh.' >&2
    exit 2
    ;;
esac
