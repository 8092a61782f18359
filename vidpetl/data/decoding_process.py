"""What a process does that decodes clips; see `decoding_processes`."""

from __future__ import annotations

import pickle
import signal
import time
import traceback
import warnings
from collections.abc import Mapping
from multiprocessing import connection
from typing import Any

from vidpetl import mistakes
from vidpetl.data import clips, decode, decoding_processes, shared, together


class _Carried:
  """The examples of an order, as an `examples.Source`."""

  def __init__(self, info: Any, carried: Mapping[int, tuple[Any, Any]]):
    self.info, self._carried = info, carried

  def __getitem__(self, i: int) -> Any:
    return self._carried[i][0]

  def video(self, i: int) -> str | bytes:
    video = self._carried[i][1]
    if isinstance(video, decode.DecodeError):
      raise video
    return video


class _Listed:
  """Takes down what the quarantine is to be told."""

  def __init__(self):
    self.successes = 0
    self.failures: list[tuple[int, str, str]] = []

  def succeed(self, source: _Carried) -> None:
    del source
    self.successes += 1

  def add(self, source: _Carried, i: int, path: str, reason: str) -> None:
    del source
    self.failures.append((i, path, reason))


class _Notes(list):
  """Collects notes in place of telling them."""

  def __init__(self, show: Any):
    super().__init__()
    self._show = show

  def __call__(self, message, category, *rest, **more) -> None:
    if issubclass(category, mistakes.Note):
      self.append(str(message))
    else:
      self._show(message, category, *rest, **more)

  def taken(self) -> tuple[str, ...]:
    """Returns those since the last time."""
    found = tuple(self)
    self.clear()
    # Whoever asked tells each once; another may ask next time.
    mistakes.forget()
    return found


def main(link: int, file: int) -> None:
  """Loads what is asked until nobody does.

  Args:
    link: descriptor of the socket.
    file: descriptor of the shared memory.
  """
  # What ends the one that asks ends the socket; Ctrl-C reaches both.
  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
  notes = warnings.showwarning = _Notes(warnings.showwarning)
  view, known = shared.View(file), {}
  with connection.Connection(link) as asker:
    while True:
      try:
        name, told, order = asker.recv()
      except (EOFError, ConnectionError):
        return
      listed = _Listed() if order.listed else None
      error, mistake = None, False
      try:
        if told is not None:
          known[name] = pickle.loads(told)
        _load(view, *known[name], order, listed)
      except Exception as raised:
        error, mistake = _portable(raised), mistakes.is_mistake(raised)
      done = decoding_processes.Done(
        listed.successes if listed else 0,
        tuple(listed.failures) if listed else (),
        notes.taken(),
        error,
        mistake,
        time.process_time(),
      )
      try:
        asker.send(done)
      except ConnectionError:
        return


def _load(
  view: shared.View,
  info: Any,
  spec: clips.ClipSpec,
  order: decoding_processes.Order,
  listed: _Listed | None,
) -> None:
  size = clips.size(info, spec, (order.rows,))
  memory = view.at(order.begin, size)
  batch = clips.laid_out(memory, info, spec, (order.rows,))
  for one in order.group:
    for array in one.of(batch).values():
      array[...] = 0
  source = _Carried(info, order.carried)
  together.load(source, spec, order.group, batch, listed)


def _portable(error: Exception) -> BaseException:
  """Returns an error that can be sent, with a note of where it was raised."""
  place = ''.join(traceback.format_exception(error))
  try:
    sent = pickle.loads(pickle.dumps(error))
  except Exception:
    sent = RuntimeError(f'{type(error).__name__}: {error}')
  sent.add_note(f'In a process that decodes:\n{place}')
  return sent
