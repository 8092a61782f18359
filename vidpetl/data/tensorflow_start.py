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
_LOADING = threading.Lock()
_TRIED = threading.Event()


def load() -> None:
  """Imports TensorFlow, if it was not, and leaves accelerators to JAX."""
  with _LOADING:
    hides = not {'tensorflow', _KERAS} & sys.modules.keys()
    if hides:  # Where there is none, TensorFlow goes without.
      sys.modules[_KERAS] = None
    try:
      import tensorflow as tf  # noqa: PLC0415

      tf.config.set_visible_devices([], 'GPU')
    finally:
      if hides:
        del sys.modules[_KERAS]
      _TRIED.set()


def begin() -> None:
  """Loads it in a thread, if none does so."""
  if not (_LOADING.locked() or _TRIED.is_set()):
    threading.Thread(target=_try, name='tensorflow').start()


def was_tried() -> bool:
  """Whether `load` takes no time: it has ended once, if with an error."""
  return _TRIED.is_set()


def _try() -> None:
  with contextlib.suppress(Exception):  # Of whoever loads it next.
    load()
