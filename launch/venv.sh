# Sourced by the other scripts, from the repository's root.
# make_venv [extra ...] makes .venv with vidpetl, its tested dependencies and
# those extras (setup.py), and does nothing if they are there already.

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
      >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "vidpetl needs Python 3.11 or newer; tried:" \
    "${PYTHON:-python3.11 python3.12 python3.13 python3}." \
    "Install one, or name it: PYTHON=/path/to/python bash $0" >&2
  return 1
}

make_venv() {
  local python stamp hash extra wanted=. missing=()
  if ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(find_python)
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
  fi
  # A virtual environment does not survive being moved, hence $PWD.
  hash=$(
    {
      cat setup.py constraints.txt pyproject.toml
      .venv/bin/python --version
      echo "$PWD"
    } | .venv/bin/python -c \
      'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
  )
  stamp=.venv/vidpetl-installed
  for extra in base "$@"; do
    grep -qsx "$hash $extra" "$stamp" || missing+=("$extra")
  done
  if ((${#missing[@]} == 0)); then
    return
  fi
  if (($#)); then
    wanted=".[$(join "$@")]"
  fi
  echo "Installing vidpetl${wanted#.} into .venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable "$wanted"
  for extra in "${missing[@]}"; do
    echo "$hash $extra" >>"$stamp"
  done
}

join() {
  local IFS=,
  echo "$*"
}
