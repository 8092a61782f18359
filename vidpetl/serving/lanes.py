"""Requests wait here, and two threads work on them.

One thread takes the oldest request; the other takes the oldest of a short film.
A long film therefore never holds up short ones, and two requests at most are
computed at a time. A request has a seat from its first byte to its answer.
There are as many seats as may wait and be worked on: a request that finds none
is refused before anything of its upload is read.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from vidpetl.serving.limits import Refusal

THREADS = 2
# Longest that a refused client is asked to wait, in seconds.
_LATEST = 60


class Dropped(Exception):
  """Work that nobody waits for any longer."""


@dataclasses.dataclass(eq=False)
class Job:
  """Work that waits, or is done.

  Attributes:
    work: is called with what it calls now and then, which raises `Dropped`.
    deadline: of `time.monotonic`.
    future: its result.
  """

  work: Callable[[Callable[[], None]], Any]
  deadline: float
  future: concurrent.futures.Future = dataclasses.field(
    default_factory=concurrent.futures.Future
  )
  _stop: threading.Event = dataclasses.field(default_factory=threading.Event)

  def check(self) -> None:
    """Raises `Dropped` if nobody waits for the result any longer."""
    if self._stop.is_set() or time.monotonic() > self.deadline:
      raise Dropped

  def drop(self) -> None:
    """Says that nobody waits any longer."""
    self._stop.set()

  def run(self) -> None:
    """Does the work."""
    try:
      self.check()
      self.future.set_result(self.work(self.check))
    except BaseException as error:  # Belongs to who waits for it.
      self.future.set_exception(error)


class Lanes:
  """The seats, the two queues and their threads."""

  def __init__(self, waiting: int):
    """Starts the threads.

    Args:
      waiting: how many requests wait at most.
    """
    self._seats = waiting + THREADS
    self._taken, self._mean, self._closed = 0, 1.0, False
    self._short: collections.deque[Job] = collections.deque()
    self._all: collections.deque[Job] = collections.deque()
    self._changed = threading.Condition()
    for queue in (self._short, self._all):
      threading.Thread(target=self._work, args=(queue,), daemon=True).start()

  @property
  def taken(self) -> int:
    """How many requests have a seat."""
    return self._taken

  @contextlib.contextmanager
  def seat(self) -> Iterator[None]:
    """Gives a seat.

    Raises:
      Refusal: if there is none.
    """
    with self._changed:
      if self._taken >= self._seats:
        wait = math.ceil(self._mean * self._seats / THREADS)
        raise Refusal(
          503,
          f'The server is busy: {self._seats} requests are there already. Try '
          'again in a while.',
          min(_LATEST, max(1, wait)),
        )
      self._taken += 1
    try:
      yield
    finally:
      with self._changed:
        self._taken -= 1

  def submit(self, job: Job, short: bool) -> None:
    """Has a job done.

    Args:
      job: by somebody with a seat.
      short: whether it takes a short time.
    """
    with self._changed:
      self._all.append(job)
      if short:
        self._short.append(job)
      self._changed.notify_all()

  def drop(self, job: Job) -> None:
    """Takes a job back, or ends it at its next check."""
    job.drop()
    with self._changed:
      self._forget(job)

  def close(self) -> None:
    """Ends the threads after what they work on; nothing else is begun."""
    with self._changed:
      self._closed = True
      for job in self._all:
        job.drop()
      self._changed.notify_all()

  def _forget(self, job: Job) -> None:
    for queue in (self._short, self._all):
      with contextlib.suppress(ValueError):
        queue.remove(job)

  def _work(self, queue: collections.deque[Job]) -> None:
    while True:
      with self._changed:
        self._changed.wait_for(lambda: queue or self._closed)
        if self._closed:
          return
        job = queue[0]
        self._forget(job)
      began = time.monotonic()
      job.run()
      self._mean += 0.2 * (time.monotonic() - began - self._mean)
