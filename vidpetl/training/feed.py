"""Walks the schedule, and keeps batches ready on the devices."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

from vidpetl.training import shares

_POLL = 0.005  # Seconds; the resolution of `Feed.starved`.


class Feed:
  """Iterator of (step, task, device batch) over a range of steps.

  One background thread takes the next batch of whichever task the schedule
  names, and starts its transfer, while the devices are busy with earlier ones.

  Attributes:
    starved: seconds, in all, during which the devices had finished what they
      were given and the next batch was not there yet.
  """

  def __init__(
    self,
    steps: range,
    task_of: Callable[[int], str],
    batches: Mapping[str, Iterator[Mapping[str, np.ndarray]]],
    to_device: Callable[[Mapping[str, np.ndarray]], dict[str, jax.Array]],
    depth: int = 2,
    idle: Callable[[], bool] = lambda: True,
    of: shares.Counting = nullcontext,
  ):
    """Starts feeding.

    Args:
      steps: to serve.
      task_of: step -> task.
      batches: per task, its batches from the first that `steps` needs.
      to_device: host rows -> global arrays.
      depth: batches kept ready.
      idle: whether the devices have finished the last step. A step is
        dispatched long before it is done, so that waiting for a batch is no
        loss as long as they are busy.
      of: counts waiting for a batch; see `shares.Shares.of`.
    """
    self.starved = 0.0
    self._idle, self._of = idle, of
    self._steps = steps
    self._task_of = task_of
    self._batches = batches
    self._to_device = to_device
    self._queue = queue.Queue(maxsize=depth)
    self._stop = threading.Event()
    self._thread = threading.Thread(target=self._fill, daemon=True)
    self._thread.start()

  def __iter__(self) -> Iterator[tuple[int, str, dict[str, jax.Array]]]:
    for _ in self._steps:
      with self._of(shares.INPUT):
        item = self._next()
      if isinstance(item, BaseException):
        raise item
      yield item

  def _next(self) -> Any:
    while True:
      start, idle = time.perf_counter(), self._idle()
      try:
        return self._queue.get(timeout=_POLL)
      except queue.Empty:
        continue
      finally:
        if idle:
          self.starved += time.perf_counter() - start

  def close(self) -> None:
    """Stops the thread; batches on their way are let go."""
    self._stop.set()
    self._thread.join()

  def _fill(self) -> None:
    try:
      for step in self._steps:
        name = self._task_of(step)
        self._put((step, name, self._to_device(next(self._batches[name]))))
        if self._stop.is_set():
          return
    except BaseException as error:  # Belongs to the consumer's thread.
      self._put(error)

  def _put(self, item: Any) -> None:
    while not self._stop.is_set():
      try:
        self._queue.put(item, timeout=0.1)
        return
      except queue.Full:
        continue
