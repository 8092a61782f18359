"""TPUs and GPUs that are not there: programs for them, where compilers are."""

import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping

import pytest

from vidpetl.studies.pods import topologies

needed = pytest.mark.skipif(
  importlib.util.find_spec('libtpu') is None, reason='needs libtpu'
)

gpus_needed = pytest.mark.skipif(
  importlib.util.find_spec('jax_cuda12_plugin') is None,
  reason="needs JAX's plugin for CUDA 12",
)


TPUS = topologies.Slice.environment


def told(script: str, env: Mapping[str, str] = TPUS) -> str:
  """Returns what Python prints that compiles for them in its own process."""
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(script)],
    env={**os.environ, **env},
    capture_output=True,
    text=True,
    check=True,
  )
  return done.stdout
