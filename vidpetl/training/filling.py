"""Fills the cache of a run: encodes what it lacks, and checks what it has."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from vidpetl.backbones import kept
from vidpetl.caching import encoding, key, plan, reading, shards
from vidpetl.data import examples, names, pipeline
from vidpetl.experiment import state as state_lib
from vidpetl.training import holding, progress, sharding

# Share of its length by which a clip's features may differ, computed anew:
# bfloat16 rounds by 0.002, int8 by about 0.01, and machines differ as much.
_DIFFERS = 0.05
_TOLD_EVERY = 10.0  # seconds
# In which a disk shows a host what another has written, seconds.
_LATE = 120.0

Say = Callable[[str], None]


def fill(run: Any, state: state_lib.TrainState, say: Say) -> None:
  """Has all clips of a run in its cache, `run.cache`.

  Args:
    run: a `training.run.Run` with a cache.
    state: that it starts with.
    say: tells a user a line.

  Raises:
    ValueError: if there is no room, or what is there is not what would be made.
  """
  tree = state.variables
  trunk = key.of_trunk(tree)
  for (name, train), part in run.cache.parts.items():
    for source in _sources(run, name, train):
      _Pass(run, part, source, trunk, tree, say).fill()


def _sources(run: Any, name: str, train: bool) -> Iterator[examples.Source]:
  if train:
    yield run.train[name]
    return
  for parts in (run.evaluation, run.validation):
    if name in parts:
      yield parts[name]


class _Pass:
  """A source that is to be in a cache."""

  def __init__(
    self,
    run: Any,
    part: plan.Part,
    source: examples.Source,
    trunk: str,
    tree: Mapping[str, Any],
    say: Say,
  ):
    self._run, self._part, self._source = run, part, source
    self._tree, self._say = tree, say
    self._about = key.about(run.config, trunk, part)
    root = epath.Path(run.config.cache.path).expanduser()
    self._path = root / key.folder(self._about)
    self._entries = key.entries(source, part)
    self._encode = jax.jit(
      encoding.program(
        run.experiment, part.task, part.train, run.config.cache.dtype
      ),
      out_shardings=sharding.batch(run.mesh),
    )

  @property
  def _called(self) -> str:
    info = self._source.info
    return f'{info.name}/{info.split}'

  def fill(self) -> None:
    """Encodes what is missing, and gives all of it to the run."""
    folder, lacks = self._look()
    if lacks.any():
      with holding.workdir(self._path):
        folder = self._write()
    else:
      self._check(folder, lacks)
    clips = reading.Clips(folder, self._entries, self._part)
    self._run.cache.put(self._source, clips)

  def _look(self) -> tuple[shards.Folder, np.ndarray]:
    """Returns the folder, and which clips it lacks, bool [views, n].

    That is what the first process sees: another run may write meanwhile, and a
    disk may show its files to one host sooner than to another.
    """
    folder = shards.Folder(self._path, self._part.layout)
    lacks = folder.find(self._entries.names) < 0
    told = [len(folder), np.packbits(lacks).tobytes().hex()]
    count, bits = json.loads(holding.of_first(json.dumps(told)))
    bits = np.frombuffer(bytes.fromhex(bits), np.uint8)
    known = np.unpackbits(bits, count=lacks.size).astype(bool)
    if len(folder) < count:
      folder = _seen(self._path, self._part.layout, count)
    return folder, known.reshape(lacks.shape)

  def _write(self) -> shards.Folder:
    if jax.process_index() == 0:
      shards.begin(self._path, self._about)
    holding.of_first('')  # Nobody writes before all have looked.
    folder, lacks = self._look()
    missing, count = np.argwhere(lacks), 0
    holding.of_first('')
    self._check_room(folder, len(missing))
    self._check(folder, lacks)
    process = jax.process_index()
    bar = _Told(self._say, self._called, len(missing))
    with shards.Writer(self._path, folder.form, process) as writer:
      for numbers, arrays in self._encoded(missing, self._batch_size):
        for k, row in zip(numbers, _rows(arrays)):
          view, i = missing[k]
          writer.add(self._entries.names[view, i].tobytes(), row)
        bar.advance(len(numbers))
        count += len(numbers)
    bar.done()
    count = len(folder) + holding.total(count)  # All have written.
    return _seen(self._path, self._part.layout, count)

  @property
  def _batch_size(self) -> int:
    return self._run.config.eval_batch_size

  def _check_room(self, folder: shards.Folder, count: int) -> None:
    """Says how large it becomes; raises ValueError if there is no room."""
    size = count * folder.form.size
    free = _free(self._path)
    room = '' if free is None else f'; {names.size(free)} are free'
    told = (
      f'Features of {self._called}: {count:,} clips '
      f'({len(self._source):,} examples, {self._part.views} of each) of '
      f'{names.size(folder.form.size)}, '
      f'{names.size(size)} in {self._path}{room}'
    )
    if free is not None and size > free:
      raise ValueError(
        f'config.cache.path: {told}. Give a path with more room, or '
        "config.cache.dtype='int8'."
      )
    self._say(f'{told}.')

  def _encoded(
    self, chosen: np.ndarray, batch_size: int
  ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yields numbers and arrays of this process's clips, those that decode.

    Args:
      chosen: (view, example) of each, int [m, 2].
      batch_size: over all processes.
    """
    views, rows = chosen.T
    batches = pipeline.chosen_batches(
      self._source,
      self._part.spec,
      rows,
      self._entries.seeds[views, rows],
      batch_size=batch_size,
      **self._run.input_options(),
    )
    for batch in batches:
      given = sharding.to_device(batch, self._run.mesh)
      made = self._encode(self._tree, given)
      there = (batch['index'] >= 0) & batch['valid']
      local = {name: _local(x)[there] for name, x in made.items()}
      yield batch['index'][there], local

  def _check(self, folder: shards.Folder, lacks: np.ndarray) -> None:
    """Encodes some clips again that are there, and compares them.

    Args:
      folder: that has them.
      lacks: which it has not, bool [views, n].

    Raises:
      ValueError: naming the first that differs.
    """
    there = np.argwhere(~lacks)
    count = min(self._run.config.cache.verify, len(there))
    if not count:
      return
    places = np.linspace(0, len(there) - 1, count).astype(int)
    chosen = there[np.unique(places)]
    devices = self._run.mesh.size
    batch_size = -(-len(chosen) // devices) * devices
    for numbers, fresh in self._encoded(chosen, batch_size):
      views, rows = chosen[numbers].T
      names_of = self._entries.names[views, rows]
      known = _exact(folder.read(folder.find(names_of)))
      for part, values in _exact(fresh).items():
        self._compare(rows, part, known[part], values)

  def _compare(
    self, rows: np.ndarray, part: str, known: np.ndarray, fresh: np.ndarray
  ) -> None:
    axes = tuple(range(1, fresh.ndim))
    length = np.sqrt((fresh**2).sum(axes))
    differs = np.sqrt(((known - fresh) ** 2).sum(axes))
    wrong = np.flatnonzero(~(differs <= _DIFFERS * length + 1e-6))
    if wrong.size:
      first = wrong[0]
      raise ValueError(
        f'{self._path} is not what this run would make: {part} of '
        f'{self._source[int(rows[first])].id} in {self._called} differs by '
        f'{differs[first] / max(length[first], 1e-12):.1%}. Remove that '
        'folder, and the same command encodes its clips again; '
        'config.cache.verify=0 takes it as it is.'
      )


def _seen(
  path: epath.Path, layout: encoding.Layout, count: int
) -> shards.Folder:
  """Returns a folder, once this process sees so many clips in it.

  Raises:
    ValueError: if it does not, however long it waits.
  """
  last = time.monotonic() + _LATE
  while len(folder := shards.Folder(path, layout)) < count:
    if time.monotonic() > last:
      raise ValueError(
        f'config.cache.path: {path} has {count:,} clips, of which process '
        f'{jax.process_index()} sees {len(folder):,}. Give a folder that all '
        'hosts see.'
      )
    time.sleep(0.5)
  return folder


def _exact(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """Returns features as float32, by name."""
  of = {k: np.asarray(v) for k, v in arrays.items() if kept.name(k)}
  features = kept.unpack({k: jax.numpy.asarray(v) for k, v in of.items()})
  return {
    name: np.asarray(x, np.float32) for name, x in kept.named(features).items()
  }


def _rows(arrays: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
  for k in range(len(next(iter(arrays.values())))):
    yield {name: x[k] for name, x in arrays.items()}


def _local(x: jax.Array) -> np.ndarray:
  """Returns this process's rows of a global array."""
  if x.is_fully_addressable:
    return np.asarray(x)
  parts = sorted(x.addressable_shards, key=lambda s: s.index[0].start or 0)
  return np.concatenate([np.asarray(part.data) for part in parts])


def _free(path: epath.Path) -> int | None:
  """Returns the free bytes of a disk; None of an object store."""
  return None if '://' in os.fspath(path) else shutil.disk_usage(path).free


class _Told:
  """Says now and then how far a pass is."""

  def __init__(self, say: Say, called: str, total: int):
    self._say, self._called, self._total = say, called, total
    self._count = 0
    self._began = self._last = time.monotonic()

  def advance(self, count: int) -> None:
    # Of this process; the others take about as many.
    self._count += count * jax.process_count()
    now = time.monotonic()
    if now - self._last < _TOLD_EVERY:
      return
    self._last = now
    rate = self._count / (now - self._began)
    left = progress.duration(max(self._total - self._count, 0) / rate)
    self._say(
      f'{self._called}: {self._count:,} of {self._total:,} clips encoded, '
      f'{rate:.1f} a second, {left} left.'
    )

  def done(self) -> None:
    took = time.monotonic() - self._began
    self._say(
      f'{self._called}: {self._total:,} clips encoded in '
      f'{progress.duration(took)}.'
    )
