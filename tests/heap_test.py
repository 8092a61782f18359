"""Memory of a step, in a process of its own."""

import platform
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from vidpetl import heap
from vidpetl.training import programs

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
  pages = [int(each) for each in told.split()]
  if kept:
    assert sum(each < 1000 for each in pages) >= 15
  else:
    assert min(pages) > 16_000


def test_a_step_that_is_compiled_tells_its_memory(monkeypatch):
  told = []
  monkeypatch.setattr(heap, 'spare', told.append)
  a, b = jnp.ones((512, 8)), jnp.ones((8, 512))
  programs.ready(jax.jit(lambda a, b: (a @ b) @ a).lower(a, b))
  assert len(told) == 1 and 2**20 <= told[0] < 2**21
