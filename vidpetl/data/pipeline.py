"""Batches on the host: tf.data decodes in parallel over a computed order.

Which examples a batch holds is decided by `index`, not by tf.data, which only
runs `clips.load` in parallel, stacks and prefetches. So batch `k` is a function
of (seed, name, k) alone: of neither the number of workers, nor where the run
was resumed, nor over how many hosts its rows are spread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from vidpetl.data import clips, examples, index

# TensorFlow reads data here; the accelerators' memory is JAX's.
tf.config.set_visible_devices([], 'GPU')

Batch = dict[str, np.ndarray]

_ENDLESS = np.iinfo(np.int64).max


def _local_rows(
  batch_size: int, process_index: int, process_count: int
) -> tuple[int, int]:
  """Returns this host's (first row, number of rows) of a global batch."""
  if batch_size < 1 or batch_size % process_count:
    raise ValueError(
      f'a batch of {batch_size} cannot be split evenly over '
      f'{process_count} processes: choose a multiple'
    )
  if not 0 <= process_index < process_count:
    raise ValueError(f'process {process_index} is none of {process_count}')
  rows = batch_size // process_count
  return process_index * rows, rows


def _batches(
  load: Callable[[int], Batch],
  layout: dict[str, tuple[tuple[int, ...], np.dtype]],
  numbers: range,
  rows: int,
  workers: int,
  prefetch: int,
) -> Iterator[Batch]:
  """Yields stacked `load(number)`, `rows` at a time, in order.

  What `load` raises is raised here as it was, not as TensorFlow words it.
  """
  raised = []

  def flat(number):
    try:
      clip = load(int(number))
    except Exception as error:
      raised.append(error)
      raise
    return [clip[key] for key in layout]

  def shaped(number):
    kinds = [tf.as_dtype(kind) for _, kind in layout.values()]
    arrays = tf.numpy_function(flat, [number], kinds, stateful=False)
    for array, (shape, _) in zip(arrays, layout.values()):
      array.set_shape(shape)
    return dict(zip(layout, arrays))

  data = tf.data.Dataset.range(
    numbers.start, numbers.stop, numbers.step, output_type=tf.int64
  )
  data = data.map(shaped, num_parallel_calls=workers, deterministic=True)
  data = data.batch(rows, drop_remainder=True).prefetch(prefetch)
  options = tf.data.Options()
  options.autotune.enabled = False
  options.threading.private_threadpool_size = workers
  iterator = data.with_options(options).as_numpy_iterator()
  try:
    yield from iterator
  except tf.errors.OpError:
    if raised:
      raise raised[0] from None
    raise


def train_batches(
  source: examples.Source,
  spec: clips.ClipSpec,
  *,
  name: str,
  batch_size: int,
  seed: int,
  start: int = 0,
  stop: int | None = None,
  process_index: int = 0,
  process_count: int = 1,
  workers: int = 8,
  prefetch: int = 2,
  quarantine: clips.Quarantine | None = None,
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
    process_index: of this host.
    process_count: number of hosts.
    workers: clips decoded at a time.
    prefetch: batches kept ready.
    quarantine: where undecodable videos are listed; without it they raise.

  Returns:
    Iterator of dicts of arrays (see `clips`) with a leading axis of
    batch_size / process_count; they are views of TensorFlow's buffers.

  Raises:
    ValueError: if the batch does not divide, or spec and source do not agree.
  """
  spec.check(source.info)
  if not spec.train:
    raise ValueError(f'training batches need ClipSpec(train=True): {spec}')
  first, rows = _local_rows(batch_size, process_index, process_count)

  def load(number: int) -> Batch:
    batch, row = divmod(number, rows)
    position = batch * batch_size + first + row
    i = index.examples(seed, name, np.array(position), len(source))
    key = index.example_seed(seed, name, position)
    return clips.load(source, int(i), spec, key, quarantine)

  return _batches(
    load,
    clips.signature(source.info, spec),
    range(start * rows, _ENDLESS if stop is None else stop * rows),
    rows,
    workers,
    prefetch,
  )


def eval_batches(
  source: examples.Source,
  spec: clips.ClipSpec,
  *,
  batch_size: int,
  process_index: int = 0,
  process_count: int = 1,
  workers: int = 8,
  prefetch: int = 2,
  quarantine: clips.Quarantine | None = None,
) -> Iterator[Batch]:
  """Returns an iterator over every example once, in order.

  All hosts get the same number of batches. Rows that fill the last one up have
  `valid` False and index -1 (an undecodable example keeps its index).

  Args:
    source: what to read.
    spec: how to cut clips.
    batch_size: of the global batch, over all hosts.
    process_index: of this host.
    process_count: number of hosts.
    workers: clips decoded at a time.
    prefetch: batches kept ready.
    quarantine: where undecodable videos are listed; without it they raise.

  Raises:
    ValueError: if the batch does not divide, or spec and source do not agree.
  """
  spec.check(source.info)
  if spec.train:
    raise ValueError(f'evaluation needs ClipSpec(train=False): {spec}')
  first, rows = _local_rows(batch_size, process_index, process_count)
  batches = -(-len(source) // batch_size)

  def load(number: int) -> Batch:
    batch, row = divmod(number, rows)
    i = batch * batch_size + first + row
    if i >= len(source):
      return clips.padding(source.info, spec)
    key = index.example_seed(0, source.info.name, i)
    return clips.load(source, i, spec, key, quarantine)

  return _batches(
    load,
    clips.signature(source.info, spec),
    range(batches * rows),
    rows,
    workers,
    prefetch,
  )
