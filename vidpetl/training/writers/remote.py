"""Writing to a service that may be away: it costs no step, and says so once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from etils import epy

from vidpetl import mistakes
from vidpetl.training.writers import scalars_only

with epy.lazy_imports():
  from clu import metric_writers

# Seconds until a service that failed is tried again, and that a run's end waits
# for what is still to be written.
AGAIN, PATIENCE = 60.0, 120.0
# Writes that may wait, before pictures and texts are left to the run's files.
MANY = 2000


class Remote(scalars_only.ScalarsOnly):
  """Passes on what is written, in a thread of its own.

  A write that raises an error is tried again, behind those that wait. The first
  error is told. `flush` does not wait; `close` does, no longer than `PATIENCE`.
  """

  def __init__(
    self, name: str, connect: Callable[[], metric_writers.MetricWriter]
  ):
    """Starts the thread.

    Args:
      name: of the service.
      connect: returns the writer that writes are passed to; called at the first
        one, and again if it raises an error.
    """
    self._name, self._connect = name, connect
    self._writer: metric_writers.MetricWriter | None = None
    # (method, its arguments) each; None ends them.
    self._calls: queue.Queue[tuple[str, tuple[Any, ...]] | None] = queue.Queue()
    self._closing = threading.Event()
    self._left = 0
    self._told = False
    self._thread = threading.Thread(target=self._work, daemon=True)
    self._thread.start()

  def write_scalars(self, step, scalars) -> None:
    self._calls.put(('write_scalars', (step, dict(scalars))))

  def write_hparams(self, hparams) -> None:
    self._calls.put(('write_hparams', (dict(hparams),)))

  def write_images(self, step, images) -> None:
    self._put_if_few('write_images', step, dict(images))

  def write_texts(self, step, texts) -> None:
    self._put_if_few('write_texts', step, dict(texts))

  def _put_if_few(self, method: str, *arguments: Any) -> None:
    if self._calls.qsize() < MANY:
      self._calls.put((method, arguments))
    else:
      self._left += 1

  def close(self) -> None:
    self._closing.set()
    self._calls.put(None)
    self._thread.join(PATIENCE)
    if left := self._left + self._calls.qsize() + self._thread.is_alive():
      mistakes.note(
        f'{self._name} did not take {left} writes of this run; metrics.jsonl '
        'and pictures/ have all of them.'
      )

  def _work(self) -> None:
    """Passes calls on until the last one, and tries once more what failed."""
    while (call := self._calls.get()) is not None:
      if not self._passed(*call):
        self._calls.put(call)
        self._closing.wait(AGAIN)
    while not self._calls.empty():
      self._left += not self._passed(*self._calls.get())
    if self._writer is not None:
      self._passed('close', ())

  def _passed(self, method: str, arguments: tuple[Any, ...]) -> bool:
    """Returns whether a call went well; tells of the first that did not."""
    try:
      if self._writer is None:
        self._writer = self._connect()
      getattr(self._writer, method)(*arguments)
      return True
    # A service's package raises what it likes.
    except Exception as error:
      if not self._told:
        reason = str(error).strip().partition('\n')[0] or type(error).__name__
        mistakes.note(
          f'{self._name} cannot be written to; it is tried again every '
          f'{AGAIN:.0f} s, and the run goes on. Its error: {reason}'
        )
      self._told = True
      return False
