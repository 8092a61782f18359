"""TensorFlow, for data: loaded beside other work, and without Keras.

Its import takes seconds, of which Keras is a quarter, with matplotlib and
pandas behind it. Data need none of that. `tf.keras` still loads Keras where it
is asked for.
"""

from __future__ import annotations

import contextlib
import sys
import threading

_KERAS = 'keras'


def load() -> None:
  """Imports TensorFlow, if it was not."""
  hides = not {'tensorflow', _KERAS} & sys.modules.keys()
  if hides:  # Where there is none, TensorFlow goes without.
    sys.modules[_KERAS] = None
  try:
    import tensorflow  # noqa: F401, PLC0415
  finally:
    if hides:
      del sys.modules[_KERAS]


def begin() -> None:
  """Imports it in a thread; whoever needs it meanwhile waits for that.

  What goes wrong is raised where it is needed.
  """
  threading.Thread(target=_try, name='tensorflow').start()


def _try() -> None:
  with contextlib.suppress(Exception):
    load()
