"""What a step on a CPU frees stays with the process, for the next step.

XLA asks the C library for a program's temporary memory at each call. glibc
takes blocks of that size from the operating system, and gives them back as they
are freed; then the system zeroes each page anew at every step.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

# As <malloc.h> numbers them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8
_NEVER = -1
# What glibc has unless told otherwise, and its largest threshold.
_MAPS, _LARGE = 65536, 32 << 20
# Parts of the machine's memory, of which a step may keep one.
_PARTS = 8


def keep() -> None:
  """Keeps what is freed, in a process that is told to compute on its CPU.

  So says `JAX_PLATFORMS=cpu`. glibc keeps large blocks in its first arena
  alone, so that there is no other. It is to be called before there are threads,
  each of which may open an arena. With another C library it does nothing.

  Where something small is put into a freed block, the next large one takes new
  memory: in its first steps a process may come to have that of several steps
  (`spare`).
  """
  tune = _tune()
  if tune:
    tune(_ARENA_MAX, 1)
    tune(_MMAP_MAX, 0)
    tune(_TRIM_THRESHOLD, _NEVER)


def ram() -> int:
  """Returns the bytes of memory of this machine."""
  return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


def spare(size: int) -> None:
  """Has blocks of more than 32 MiB given back, if a step takes too much.

  Args:
    size: bytes of a step's temporary memory. Too much is more than an eighth of
      the machine's.
  """
  tune = _tune()
  if tune and size > ram() / _PARTS:
    tune(_MMAP_THRESHOLD, _LARGE)
    tune(_MMAP_MAX, _MAPS)


def _tune() -> Callable[[int, int], int] | None:
  """Returns glibc's `mallopt`, in a process that computes on its CPU."""
  if os.environ.get('JAX_PLATFORMS') != 'cpu':
    return None
  return getattr(ctypes.CDLL(None), 'mallopt', None)
