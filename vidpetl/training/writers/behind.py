"""Writing in a thread of its own, so that no step waits for files.

Nor does the first step wait for the packages that write them, which take longer
to load than it: what is written is held until `begin`.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vidpetl.training.writers import scalars_only

if TYPE_CHECKING:
  from clu import metric_writers


class Silent(scalars_only.ScalarsOnly):
  """Writes nothing."""

  def begin(self) -> None:
    pass

  def flush(self, wait: bool = True) -> None:
    pass

  def write_scalars(self, step, scalars) -> None:
    pass


class Behind(scalars_only.ScalarsOnly):
  """Passes on what is written, in order, in one thread.

  What the writer raises is raised by the next call.
  """

  def __init__(self, connect: Callable[[], metric_writers.MetricWriter]):
    """Holds what is written.

    Args:
      connect: returns the writer; called in the thread, once it begins.
    """
    self._connect = connect
    self._writer: metric_writers.MetricWriter | None = None
    self._error: Exception | None = None
    self._held: list[tuple[str, tuple[Any, ...]]] = []
    self._lock = threading.Lock()
    self._pool: concurrent.futures.ThreadPoolExecutor | None = None

  def begin(self) -> None:
    """Writes what was held, and from now on whatever comes."""
    with self._lock:
      if self._pool is None:
        self._pool = concurrent.futures.ThreadPoolExecutor(1, 'writers')
        self._pool.submit(self._open)
        for call in self._held:
          self._pool.submit(self._pass, *call)
        self._held.clear()

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    self._put('write_scalars', step, dict(scalars))

  def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
    self._put('write_texts', step, dict(texts))

  def write_images(self, step: int, images: Mapping[str, Any]) -> None:
    self._put('write_images', step, dict(images))

  def write_hparams(self, hparams: Mapping[str, Any]) -> None:
    self._put('write_hparams', dict(hparams))

  def flush(self, wait: bool = True) -> None:
    """Writes all at once, and waits for it if that is wanted."""
    if wait:
      self._finish('flush')
    else:
      self.begin()
      self._put('flush')

  def close(self) -> None:
    self._finish('close')
    self._pool.shutdown()

  def _put(self, method: str, *arguments: Any) -> None:
    self._raise()
    with self._lock:
      if self._pool is None:
        self._held.append((method, arguments))
      else:
        self._pool.submit(self._pass, method, arguments)

  def _finish(self, method: str) -> None:
    self.begin()
    self._pool.submit(self._pass, method, ()).result()
    self._raise()

  def _open(self) -> None:
    try:
      self._writer = self._connect()
    except Exception as error:  # Of the caller's thread.
      self._error = error

  def _pass(self, method: str, arguments: tuple[Any, ...]) -> None:
    try:
      if self._writer is not None:
        getattr(self._writer, method)(*arguments)
    except Exception as error:  # Of the caller's thread.
      self._error = self._error or error

  def _raise(self) -> None:
    error, self._error = self._error, None
    if error is not None:
      raise error
