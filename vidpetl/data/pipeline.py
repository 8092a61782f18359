"""Batches on the host: tf.data decodes in parallel over a computed order.

Which examples a batch holds is decided by `index`, not by tf.data, which only
keeps batches on their way while threads fill their rows by `clips.load`. So
batch `k` is a function of (seed, name, k) alone: of neither the number of
workers, nor where the run was resumed, nor over how many hosts its rows are
spread. Until TensorFlow is loaded, threads fill a batch when it is asked for.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from etils import epy

from vidpetl.data import (
  clips,
  decoders,
  examples,
  index,
  tensorflow_start,
  together,
)
from vidpetl.data import quarantine as quarantine_lib

with epy.lazy_imports():  # Of seconds, and models are built without it.
  import tensorflow as tf

Batch = dict[str, np.ndarray]

_ENDLESS = np.iinfo(np.int64).max


@dataclasses.dataclass(frozen=True)
class Reading:
  """How a host reads its rows of batches.

  Attributes:
    process_index: of this host.
    process_count: number of hosts.
    workers: clips decoded at a time, by threads.
    processes: that decode in place of threads, one clip at a time each; 0 for
      none.
    prefetch: batches kept ready.
    quarantine: where undecodable videos are listed; without it they raise.
  """

  process_index: int = 0
  process_count: int = 1
  workers: int = 8
  processes: int = 0
  prefetch: int = 2
  quarantine: quarantine_lib.Quarantine | None = None

  @property
  def threads(self) -> int:
    """How many load; one for each process, which waits for it."""
    return self.processes or self.workers

  def rows(self, batch_size: int) -> tuple[int, int]:
    """Returns this host's (first row, number of rows) of a global batch.

    Raises:
      ValueError: if the batch does not divide over the hosts.
    """
    if batch_size < 1 or batch_size % self.process_count:
      raise ValueError(
        f'a batch of {batch_size} cannot be split evenly over '
        f'{self.process_count} processes: choose a multiple'
      )
    if not 0 <= self.process_index < self.process_count:
      raise ValueError(
        f'process {self.process_index} is none of {self.process_count}'
      )
    rows = batch_size // self.process_count
    return self.process_index * rows, rows


def _shaped(
  load: Callable[[int], list[np.ndarray]],
  layout: dict[str, tuple[tuple[int, ...], np.dtype]],
  rows: int,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
  """Returns what tf.data maps: the number of a batch -> the batch."""
  # TensorFlow keeps what it is given for ever, and would keep the pool, too.
  weak = weakref.ref(load)

  # Converting it would leave a file and an entry of a cache each time.
  @tf.autograph.experimental.do_not_convert
  def shaped(number):
    kinds = [tf.as_dtype(kind) for _, kind in layout.values()]
    now = lambda number: weak()(number)
    arrays = tf.numpy_function(now, [number], kinds, stateful=False)
    for array, (shape, _) in zip(arrays, layout.values()):
      array.set_shape((rows, *shape))
    return dict(zip(layout, arrays))

  return shaped


def _batches(
  source: examples.Source,
  spec: clips.ClipSpec,
  chosen: Callable[[int], tuple[int, np.ndarray] | None],
  numbers: range,
  rows: int,
  how: Reading,
) -> Iterator[Batch]:
  """Yields batches of `rows` clips in order; batch k begins at row k * rows.

  What loading a clip raises is raised here as it was, not as TensorFlow words
  it.

  Args:
    source: see `train_batches`, as all that is not here.
    spec: see there.
    chosen: number of a row -> (example, seed); None for padding.
    numbers: of the batches.
    rows: of a batch.
    how: they are read.
  """
  layout = clips.signature(source.info, spec)
  decoder = decoders.of(source, spec, how.quarantine, how.processes)
  pool = concurrent.futures.ThreadPoolExecutor(how.threads, 'clips')
  # One batch more than it takes to occupy the threads, so that they do not
  # wait for the slowest clip of each batch.
  ahead = 1 + -(-how.threads // rows)
  least = -(-how.threads // ahead)

  def load(number):
    # Clips are decoded to where they stay: nothing is stacked or copied.
    asked = [
      together.Asked(row, clips.members(source, i, spec, seed), seed)
      for row in range(rows)
      if (one := chosen(number * rows + row))
      for i, seed in [one]
    ]
    batch = decoder.batch(asked, rows)
    groups = together.groups(source, spec, asked, least)
    for _ in pool.map(batch.load, groups):
      pass
    return list(batch.arrays.values())

  try:
    # A step is taken in less time than TensorFlow takes to load.
    while numbers and not tensorflow_start.was_tried():
      yield dict(zip(layout, load(numbers[0])))
      numbers = numbers[1:]
      if numbers:
        tensorflow_start.begin()
    if numbers:
      yield from _ahead(load, layout, numbers, rows, ahead, how.prefetch)
  finally:
    pool.shutdown(wait=False, cancel_futures=True)


def _ahead(
  load: Callable[[int], list[np.ndarray]],
  layout: dict[str, tuple[tuple[int, ...], np.dtype]],
  numbers: range,
  rows: int,
  at_once: int,
  prefetch: int,
) -> Iterator[Batch]:
  """Yields batches that tf.data loads ahead of when they are asked for.

  Args:
    load: number of a batch -> its arrays.
    layout: shape and type of each array of a clip.
    numbers: of the batches.
    rows: of a batch.
    at_once: batches loaded at a time.
    prefetch: batches kept ready.
  """
  tensorflow_start.load()
  raised = []

  def watched(number):
    try:
      return load(int(number))
    except Exception as error:
      raised.append(error)
      raise

  data = tf.data.Dataset.range(
    numbers.start, numbers.stop, numbers.step, output_type=tf.int64
  )
  shaped = _shaped(watched, layout, rows)
  data = data.map(shaped, num_parallel_calls=at_once, deterministic=True)
  data = data.prefetch(prefetch)
  options = tf.data.Options()
  options.autotune.enabled = False
  options.threading.private_threadpool_size = at_once
  iterator = data.with_options(options).as_numpy_iterator()
  try:
    yield from iterator
  except tf.errors.OpError:
    if raised:
      raise raised[0] from None
    raise


def chosen_batches(
  source: examples.Source,
  spec: clips.ClipSpec,
  chosen: np.ndarray,
  seeds: np.ndarray,
  *,
  batch_size: int,
  **how: Any,
) -> Iterator[Batch]:
  """Yields batches of some examples, in their order.

  All hosts get the same number of batches; rows that fill the last one up are
  as those of `eval_batches`. `index` counts what is chosen.

  Args:
    source: what to read.
    spec: how to cut clips.
    chosen: int [n], examples, each any number of times.
    seeds: uint32 [n, 2], of their showings.
    batch_size: of the global batch, over all hosts.
    **how: fields of `Reading`.
  """
  spec.check(source.info)
  reading = Reading(**how)
  first, rows = reading.rows(batch_size)

  def pick(number: int) -> tuple[int, np.ndarray] | None:
    batch, row = divmod(number, rows)
    k = batch * batch_size + first + row
    return (int(chosen[k]), seeds[k]) if k < len(chosen) else None

  numbers = range(-(-len(chosen) // batch_size))
  batches = _batches(source, spec, pick, numbers, rows, reading)
  for number, batch in zip(numbers, batches):
    own = number * batch_size + first + np.arange(rows, dtype=np.int32)
    counted = np.where(own < len(chosen), own, batch['index'])
    yield batch | {'index': counted.astype(batch['index'].dtype)}


def train_batches(
  source: examples.Source,
  spec: clips.ClipSpec,
  *,
  name: str,
  batch_size: int,
  seed: int,
  start: int = 0,
  stop: int | None = None,
  **how: Any,
) -> Iterator[Batch]:
  """Returns an iterator of this host's rows of training batches.

  Args:
    source: what to read.
    spec: how to cut clips.
    name: of the task; another name shuffles differently.
    batch_size: of the global batch, over all hosts.
    seed: of the experiment.
    start: number of the first batch.
    stop: number of the batch at which it ends; None for an endless one.
    **how: fields of `Reading`.

  Returns:
    Iterator of dicts of arrays (see `clips`) with a leading axis of
    batch_size / process_count; they may be views of buffers.

  Raises:
    ValueError: if the batch does not divide, or spec and source do not agree.
  """
  spec.check(source.info)
  if not spec.train:
    raise ValueError(f'training batches need ClipSpec(train=True): {spec}')
  reading = Reading(**how)
  first, rows = reading.rows(batch_size)

  def chosen(number: int) -> tuple[int, np.ndarray]:
    batch, row = divmod(number, rows)
    position = batch * batch_size + first + row
    i = index.examples(seed, name, np.array(position), len(source))
    return int(i), index.example_seed(seed, name, position)

  numbers = range(start, _ENDLESS if stop is None else stop)
  return _batches(source, spec, chosen, numbers, rows, reading)


def eval_batches(
  source: examples.Source,
  spec: clips.ClipSpec,
  *,
  batch_size: int,
  **how: Any,
) -> Iterator[Batch]:
  """Returns an iterator over every example once, in order.

  All hosts get the same number of batches. Rows that fill the last one up have
  `valid` False and index -1 (an undecodable example keeps its index).

  Args:
    source: what to read.
    spec: how to cut clips.
    batch_size: of the global batch, over all hosts.
    **how: fields of `Reading`.

  Raises:
    ValueError: if the batch does not divide, or spec and source do not agree.
  """
  spec.check(source.info)
  if spec.train:
    raise ValueError(f'evaluation needs ClipSpec(train=False): {spec}')
  reading = Reading(**how)
  first, rows = reading.rows(batch_size)
  batches = -(-len(source) // batch_size)

  def chosen(number: int) -> tuple[int, np.ndarray] | None:
    batch, row = divmod(number, rows)
    i = batch * batch_size + first + row
    if i >= len(source):
      return None
    return i, index.example_seed(0, source.info.name, i)

  return _batches(source, spec, chosen, range(batches), rows, reading)
