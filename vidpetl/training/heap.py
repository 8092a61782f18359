"""What a step frees on a CPU stays with the process, for the next step.

XLA asks the C library for a program's temporary memory at each call. glibc
takes blocks of that size from the operating system, and gives them back as they
are freed; then the system zeroes each page anew at every step.
"""

from __future__ import annotations

import ctypes

import jax

# As <malloc.h> numbers them.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = -1


def keep() -> None:
  """Keeps what is freed, from now on; call it before JAX computes.

  A process then has as much memory as it ever needed at once. glibc keeps large
  blocks for its main thread alone, so that on a CPU programs run in the thread
  that calls them. Where accelerators compute, or with another C library, memory
  is left as it is.
  """
  jax.config.update('jax_cpu_enable_async_dispatch', False)
  tune = getattr(ctypes.CDLL(None), 'mallopt', None)
  if tune and jax.default_backend() == 'cpu':
    tune(_MMAP_MAX, 0)
    tune(_TRIM_THRESHOLD, _NEVER)
