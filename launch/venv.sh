# Sourced by the other scripts, from the repository's root.
# make_venv [extra ...] makes .venv with vidpetl, its tested dependencies and
# those extras (setup.py), and does nothing if they are there already. Of the
# extra `onnx`, see add_jax2onnx.

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
  local python stamp hash extra wanted=. missing=() others=()
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
  for extra in "$@"; do
    [[ "$extra" == onnx ]] || others+=("$extra")
  done
  if ((${#others[@]})); then
    wanted=".[$(join "${others[@]}")]"
  fi
  echo "Installing vidpetl${wanted#.} into .venv"
  pip_install --editable "$wanted"
  if ((${#others[@]} < $#)); then
    add_jax2onnx
  fi
  for extra in "${missing[@]}"; do
    echo "$hash $extra" >>"$stamp"
  done
}

# It asks for an orbax-checkpoint that is older than the pinned one, and imports
# none: so it comes without what it asks for, beside what it does import.
add_jax2onnx() {
  pip_install equinox onnx onnx-ir onnxruntime
  pip_install --no-deps jax2onnx
}

pip_install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt "$@"
}

join() {
  local IFS=,
  echo "$*"
}
