"""Memory of a step, in a process of its own."""

import platform
import subprocess
import sys

import pytest

# A product of 64 MiB that is there for a moment.
STEPS = """
import resource
from vidpetl import heap

heap.keep()
import jax, jax.numpy as jnp

a, b = jnp.ones((4096, 8)), jnp.ones((8, 4096))
step = jax.jit(lambda a, b: (a @ b) @ a)
taken = []
for _ in range(8):
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  step(a, b).block_until_ready()
  taken.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(taken[-4:]))
"""


@pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='Other C libraries are left alone.'
)
def test_a_step_on_a_cpu_takes_no_memory_anew(monkeypatch):
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  words = [sys.executable, '-c', STEPS]
  pages = int(subprocess.run(words, capture_output=True, check=True).stdout)
  assert pages < 1000  # Of 16,384.
