"""When Python looks for garbage: not while a program starts, nor as it ends.

Libraries and traced programs make many objects that stay. Each look at all of
them costs a good part of a second, and finds nothing.
"""

from __future__ import annotations

import atexit
import gc

_USUAL = gc.get_threshold()
# Young objects still go. It is not looked through the old ones.
_STARTING = (10_000, 10, 1_000_000)


def starting() -> None:
  """Looks at young objects alone, until `started`."""
  gc.set_threshold(*_STARTING)


def started() -> None:
  """Looks as usual; what is there by now is taken to stay."""
  if gc.get_threshold() == _STARTING:
    gc.freeze()
    gc.set_threshold(*_USUAL)


def ending() -> None:
  """Leaves what there is at the process's end to the operating system."""
  # What is registered first is called last.
  atexit.register(gc.freeze)
