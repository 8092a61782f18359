"""Memory of a step, in a process of its own: what is kept is kept for good."""

import platform
import subprocess
import sys

import pytest

# A product of 64 MiB that is there for a moment.
STEPS = """
import resource
import jax, jax.numpy as jnp
from vidpetl.training import heap

heap.keep()
a, b = jnp.ones((4096, 8)), jnp.ones((8, 4096))
step = jax.jit(lambda a, b: (a @ b) @ a)
for _ in range(3):
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  step(a, b).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='Other C libraries are left alone.'
)
def test_a_step_on_a_cpu_takes_no_memory_anew():
  words = [sys.executable, '-c', STEPS]
  pages = int(subprocess.run(words, capture_output=True, check=True).stdout)
  assert pages < 1000  # Of 16,384.
