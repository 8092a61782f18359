"""TPUs that are not there: programs for them, where their compiler is."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

needed = pytest.mark.skipif(
  importlib.util.find_spec('libtpu') is None, reason='needs libtpu'
)


def told(script: str) -> str:
  """Returns what Python prints that compiles for them in its own process."""
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(script)],
    env={**os.environ, 'ALLOW_MULTIPLE_LIBTPU_LOAD': '1'},
    capture_output=True,
    text=True,
    check=True,
  )
  return done.stdout
