"""Memory of a step, in a process of its own."""

import platform
import subprocess
import sys

import pytest

# A product of 64 MiB that is there for a moment.
STEPS = """
import resource, sys
from vidpetl import heap

heap.keep()
import jax, jax.numpy as jnp

a, b = jnp.ones((4096, 8)), jnp.ones((8, 4096))
step = jax.jit(lambda a, b: (a @ b) @ a).lower(a, b).compile()
heap.spare(int(sys.argv[1]) << 30)
taken = []
for _ in range(80):
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  step(a, b).block_until_ready()
  taken.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*taken[-20:])
"""


@pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='Other C libraries are left alone.'
)
@pytest.mark.parametrize('gigabytes, kept', [(0, True), (1 << 20, False)])
def test_a_step_on_a_cpu_takes_memory_anew_only_if_it_is_large(
  monkeypatch, gigabytes, kept
):
  """In its first steps it may take some, where a freed block was broken."""
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  words = [sys.executable, '-c', STEPS, str(gigabytes)]
  told = subprocess.run(words, capture_output=True, check=True).stdout
  anew = [int(pages) > 16_000 for pages in told.split()]
  assert sum(anew) <= 5 if kept else all(anew)
