"""What a step on a CPU frees stays with the process, for the next step.

XLA asks the C library for a program's temporary memory at each call. glibc
takes blocks of that size from the operating system, and gives them back as they
are freed; then the system zeroes each page anew at every step.
"""

from __future__ import annotations

import ctypes
import os

# As <malloc.h> numbers them.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = -1


def keep() -> None:
  """Keeps what is freed, in a process that is told to compute on its CPU.

  So says `JAX_PLATFORMS=cpu`. Such a process has as much memory as it ever
  needed at once. glibc keeps large blocks in its first arena alone, so that
  there is no other. It is to be called before there are threads, each of which
  may open an arena. With another C library it does nothing.
  """
  tune = getattr(ctypes.CDLL(None), 'mallopt', None)
  if tune and os.environ.get('JAX_PLATFORMS') == 'cpu':
    tune(_ARENA_MAX, 1)
    tune(_MMAP_MAX, 0)
    tune(_TRIM_THRESHOLD, _NEVER)
