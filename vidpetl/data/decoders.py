"""Where the clips of a batch are decoded: here, or in other processes.

Threads share Python's lock, which they hold for about a quarter of the time
that a small clip takes; so beyond some four threads, more of them decode little
more. Processes have a lock each. They write clips to memory that is shared.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl import mistakes
from vidpetl.data import (
  clip_spec,
  clips,
  decode,
  decoding_processes,
  examples,
  together,
)
from vidpetl.data import quarantine as quarantine_lib

# An array of fewer bytes is copied out of the shared memory: who keeps labels
# is not to keep videos.
_SMALL = 1 << 16


class Here:
  """Decodes in the thread that asks."""

  def __init__(
    self,
    source: examples.Source,
    spec: clip_spec.ClipSpec,
    quarantine: quarantine_lib.Quarantine | None,
  ):
    self._source, self._spec = source, spec
    self._quarantine = quarantine

  def batch(self, asked: Sequence[together.Asked], rows: int) -> HereBatch:
    """Returns a batch of `rows` clips that has yet to be loaded."""
    del asked
    arrays = clips.padding(self._source.info, self._spec, (rows,))
    load = functools.partial(
      together.load,
      self._source,
      self._spec,
      batch=arrays,
      quarantine=self._quarantine,
    )
    return HereBatch(arrays, load)


class HereBatch:
  """A batch that is loaded here.

  Attributes:
    arrays: of it.
    load: fills the rows of one of the `together.groups`.
  """

  def __init__(self, arrays: dict[str, np.ndarray], load: Any):
    self.arrays, self.load = arrays, load


class There:
  """Has other processes decode; they need neither the source nor JAX."""

  def __init__(
    self,
    source: examples.Source,
    spec: clip_spec.ClipSpec,
    quarantine: quarantine_lib.Quarantine | None,
    crew: decoding_processes.Crew,
  ):
    """Describes the clips.

    Raises:
      ValueError: if other processes cannot be told of them.
    """
    self.source, self.spec = source, spec
    self.quarantine, self.crew = quarantine, crew
    try:
      self.told = pickle.dumps((source.info, spec))
    except Exception as error:
      raise ValueError(
        'config.input.processes: clips cannot be described to other processes '
        f'({error}); set it to 0, so that threads decode.'
      ) from error

  def batch(self, asked: Sequence[together.Asked], rows: int) -> ThereBatch:
    """Returns a batch of `rows` clips that has yet to be loaded."""
    return ThereBatch(self, asked, rows)


class ThereBatch:
  """A batch that other processes load."""

  def __init__(self, of: There, asked: Sequence[together.Asked], rows: int):
    info, spec = of.source.info, of.spec
    self._of, self._rows = of, rows
    size = clips.size(info, spec, (rows,))
    self._begin, memory = of.crew.memory.take(size)
    self._arrays = clips.laid_out(memory, info, spec, (rows,))
    blank = np.setdiff1d(np.arange(rows), [one.row for one in asked])
    for array in self._arrays.values():
      array[blank] = 0
    self._arrays['index'][blank] = -1

  @property
  def arrays(self) -> dict[str, np.ndarray]:
    """Arrays of the batch, once it is loaded."""
    return {
      key: array if array.nbytes > _SMALL else array.copy()
      for key, array in self._arrays.items()
    }

  def load(self, group: Sequence[together.Asked]) -> None:
    """Fills the rows of one of the `together.groups`.

    Raises:
      Exception: what loading them raises; what `decoding_processes.Crew.load`
        does.
    """
    of = self._of
    order = decoding_processes.Order(
      self._begin,
      self._rows,
      list(group),
      carried(of.source, group),
      of.quarantine is not None,
    )
    done = of.crew.load(of.told, order)
    for text in done.notes:
      mistakes.note(text)
    for i, path, reason in done.failures:
      of.quarantine.add(of.source, i, path, reason)
    for _ in range(done.successes):
      of.quarantine.succeed(of.source)


def carried(
  source: examples.Source, group: Sequence[together.Asked]
) -> Mapping[int, tuple[Any, str | bytes | decode.DecodeError]]:
  """Returns annotation and video of each example that a group shows."""
  found = {}
  for i in {i for one in group for i in one.members}:
    try:
      found[i] = source[i], source.video(i)
    except decode.DecodeError as error:
      found[i] = source[i], error
  return found


def of(
  source: examples.Source,
  spec: clip_spec.ClipSpec,
  quarantine: quarantine_lib.Quarantine | None,
  processes: int,
) -> Here | There:
  """Returns what decodes the clips of a source.

  Args:
    source: what to read.
    spec: how to cut clips.
    quarantine: where undecodable videos are listed; without it they raise.
    processes: that decode; 0 for the threads that ask.
  """
  if not processes:
    return Here(source, spec, quarantine)
  crew = decoding_processes.crew(processes)
  return There(source, spec, quarantine, crew)
