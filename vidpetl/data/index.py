"""Which example is where in an endless, shuffled stream: pure functions.

A dataset's stream is its epochs, one permutation after the other, without a
gap between them; batch `k` is positions [k B, (k + 1) B). Everything follows
from (seed, name, position) alone, so that a run resumes at any step without
skipping or stored iterator state, and hosts agree without talking.

Draws are raw words of numpy's Philox, whose stream is the same in every
version of numpy, keyed by a hash of what they are for.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np


def words(n: int, *key: int | str) -> np.ndarray:
  """Returns `n` pseudo-random uint64; word `i` depends on `key` and `i` only.

  Args:
    n: number of words.
    *key: what the draws are for, e.g. a seed, a name and an epoch.
  """
  text = '\x1f'.join(f'{type(part).__name__}:{part}' for part in key)
  digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
  philox = np.random.Philox(key=np.frombuffer(digest, '<u8'))
  return np.atleast_1d(philox.random_raw(n))


def uniform(n: int, *key: int | str) -> np.ndarray:
  """Returns `n` draws from U[0, 1) as float64, with `words`' guarantee."""
  return (words(n, *key) >> np.uint64(11)) * 2.0**-53


@functools.lru_cache(maxsize=32)
def permutation(seed: int, name: str, epoch: int, n: int) -> np.ndarray:
  """Returns the order of `n` examples in an epoch, int64 [n], read-only.

  Cached: a batch needs the permutations of one or two epochs, each of which
  takes about 0.1 s for 800,000 examples.
  """
  order = np.argsort(words(n, seed, 'order', name, epoch), kind='stable')
  order.flags.writeable = False
  return order


def examples(seed: int, name: str, positions: np.ndarray, n: int) -> np.ndarray:
  """Returns the examples at positions of the stream, int64 [...].

  Args:
    seed: of the experiment.
    name: of the dataset.
    positions: int [...], counted from 0 and never ending.
    n: number of examples in the dataset.

  Raises:
    ValueError: if the dataset is empty.
  """
  if n < 1:
    raise ValueError(f'dataset {name!r} has no examples to draw from')
  positions = np.asarray(positions)
  epochs, places = np.divmod(positions, n)
  indices = np.empty(positions.shape, np.int64)
  for epoch in np.unique(epochs):
    now = epochs == epoch
    indices[now] = permutation(seed, name, int(epoch), n)[places[now]]
  return indices


def batch(
  seed: int, name: str, counter: int, batch_size: int, n: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns batch number `counter` of a dataset.

  Args:
    seed: of the experiment.
    name: of the dataset.
    counter: batches of this dataset before this one.
    batch_size: examples in the global batch.
    n: number of examples in the dataset.

  Returns:
    Indices of the examples and their positions in the stream, both int64
    [batch_size]. A batch may hold the end of one epoch and the beginning of
    the next.
  """
  positions = counter * batch_size + np.arange(batch_size, dtype=np.int64)
  return examples(seed, name, positions, n), positions


def example_seed(seed: int, name: str, position: int) -> np.ndarray:
  """Returns the key of one showing of one example, uint32 [2].

  The same example has another key in each epoch.
  """
  return words(1, seed, 'example', name, int(position)).view(np.uint32)
