"""Processes that decode clips into shared memory.

Each is a fresh interpreter that reads no JAX and no TensorFlow, and is started
when it is first needed. It is asked through a socket, and ends when the socket
does: that is when this process has ended, however it did. Pixels do not pass
through the socket.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent import futures
from multiprocessing import connection
from typing import Any, NamedTuple

from vidpetl.data import faults, shared, together

_RUN = (
  'import sys; sys.path[:] = sys.argv[3:]; '
  'from vidpetl.data import decoding_process as d; '
  'd.main(int(sys.argv[1]), int(sys.argv[2]))'
)
_PATIENCE = 5.0  # Seconds for a process to end.


class EndedError(Exception):
  """A process that decodes has ended by itself, or was killed."""


class Order(NamedTuple):
  """What a process is to load.

  Attributes:
    begin: of the batch, in the shared memory.
    rows: of the batch.
    group: one of the `together.groups`.
    carried: example -> (annotation, video), or what reading the video raises.
    listed: whether undecodable videos are listed; they raise otherwise.
  """

  begin: int
  rows: int
  group: list[together.Asked]
  carried: Mapping[int, tuple[Any, str | bytes | faults.DecodeError]]
  listed: bool


class Done(NamedTuple):
  """What came of an order.

  Attributes:
    successes: clips that could be decoded.
    failures: (example, path, reason) of those that could not.
    notes: what the user should know.
    error: that was raised, if one was, and
    mistake: whether it is the user's, see `mistakes.is_mistake`.
    seconds: of the processor that the process has taken so far.
  """

  successes: int = 0
  failures: tuple[tuple[int, str, str], ...] = ()
  notes: tuple[str, ...] = ()
  error: BaseException | None = None
  mistake: bool = False
  seconds: float = 0.0


class Crew:
  """So many processes, which threads ask.

  Attributes:
    memory: to which clips are decoded.
  """

  def __init__(self, count: int):
    self.memory = shared.Memory()
    self._members = [_Member(self.memory.file) for _ in range(count)]
    self._idle: queue.SimpleQueue[_Member] = queue.SimpleQueue()
    for member in self._members:
      self._idle.put(member)

  def load(self, told: bytes, order: Order) -> Done:
    """Has a process load clips; waits for one that is idle.

    Args:
      told: pickled `examples.Info` and `ClipSpec`.
      order: which clips.

    Raises:
      Exception: what loading them raised.
      EndedError: if the process has ended.
    """
    member = self._idle.get()
    try:
      done = member.ask(told, order)
    finally:
      self._idle.put(member)
    if done.error is None:
      return done
    if done.mistake:
      raise done.error
    # Raised elsewhere than in vidpetl, an error is none of the user's.
    failed = futures.Future()
    failed.set_exception(done.error)
    return failed.result()

  @property
  def seconds(self) -> float:
    """Seconds of the processor that the processes have taken."""
    return sum(member.seconds for member in self._members)

  def close(self) -> None:
    """Ends the processes."""
    for member in self._members:
      member.leave()
    for member in self._members:
      member.end()


class _Member:
  """A process, once it was asked for something.

  Attributes:
    seconds: see `Done`.
  """

  def __init__(self, file: int):
    self._file = file
    self._process: subprocess.Popen | None = None
    self._link: connection.Connection | None = None
    self._knows: set[bytes] = set()
    self.seconds = 0.0

  def ask(self, told: bytes, order: Order) -> Done:
    """See `Crew.load`."""
    if self._process is None:
      self._start()
    name = hashlib.sha256(told).digest()
    try:
      self._link.send((name, None if name in self._knows else told, order))
      self._knows.add(name)
      done = self._link.recv()
    except (EOFError, ConnectionError):
      raise self._ended(order) from None
    self.seconds = done.seconds
    return done

  def _start(self) -> None:
    ours, theirs = socket.socketpair()
    passed = theirs.fileno(), self._file
    try:
      self._process = subprocess.Popen(
        [sys.executable, '-c', _RUN, *map(str, passed), *sys.path],
        stdin=subprocess.DEVNULL,
        pass_fds=passed,
        # One thread decodes; numpy's others would only take memory.
        env={**os.environ, 'OPENBLAS_NUM_THREADS': '1'},
      )
    finally:
      theirs.close()
    self._link = connection.Connection(ours.detach())

  def _ended(self, order: Order) -> EndedError:
    """Returns what is to be said of its end; the next to ask starts anew."""
    number = self._process.pid
    self.leave()
    status = self.end()
    how = f'with status {status}'
    if status < 0:
      how = f'by {signal.Signals(-status).name}'
    names = {
      video if isinstance(video, str) else getattr(annotation, 'id', str(i))
      for i, (annotation, video) in order.carried.items()
    }
    return EndedError(
      f'Process {number}, which decoded {", ".join(sorted(names))}, was ended '
      f'{how}. If memory ran out, set config.input.processes lower; if it '
      'happens again with the same file, the file makes the decoder break '
      'down: remove it. The same command goes on from the last checkpoint.'
    )

  def leave(self) -> None:
    """Tells the process to end."""
    if self._link is not None:
      self._link.close()
    self._link, self._knows = None, set()

  def end(self) -> int:
    """Waits for the process to end; returns its status."""
    process, self._process = self._process, None
    if process is None:
      return 0
    try:
      return process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
      process.kill()
      return process.wait()


_making = threading.Lock()


def crew(count: int) -> Crew:
  """Returns the processes that all sources of this process share."""
  with _making:
    return _crew(count)


@functools.cache
def _crew(count: int) -> Crew:
  made = Crew(count)
  atexit.register(made.close)
  return made
