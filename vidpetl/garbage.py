"""When Python looks for garbage: not while a program starts, nor as it ends.

Libraries and traced programs make many objects that stay. Each look at all of
them costs a good part of a second, and finds nothing.
"""

from __future__ import annotations

import atexit
import gc

# Young objects still go. It is not looked through the old ones.
_STARTING = (10_000, 10, 1_000_000)
_before: list[tuple[int, int, int]] = []


def starting() -> None:
  """Looks at young objects alone, until `started`."""
  if not _before:
    _before.append(gc.get_threshold())
    gc.set_threshold(*_STARTING)


def started() -> None:
  """Looks as it did before; what is there by now is taken to stay."""
  if _before:
    gc.freeze()
    gc.set_threshold(*_before.pop())


def ending() -> None:
  """Leaves what there is at the process's end to the operating system."""
  # What is registered first is called last.
  atexit.register(gc.freeze)
