"""Runs a model over a whole evaluation set, on all hosts together."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager

import jax
import numpy as np

from vidpetl.data import examples
from vidpetl.metrics import metric as metric_lib
from vidpetl.training import shares


def _uncounted(part: str) -> AbstractContextManager[None]:
  del part
  return contextlib.nullcontext()


def evaluate(
  metric: metric_lib.Metric,
  source: examples.Source,
  batches: Iterable[Mapping[str, np.ndarray]],
  predict: Callable[[Mapping[str, np.ndarray]], dict[str, jax.Array]],
  go_on: Callable[[], None] = lambda: None,
  of: Callable[[str], AbstractContextManager[None]] = _uncounted,
) -> int:
  """Fills `metric` with every example of `source`, exactly once.

  Args:
    metric: empty.
    source: that the batches come from.
    batches: this host's rows; padding has index -1, and an undecodable example
      its index but valid False.
    predict: host rows -> outputs of all hosts' rows, on every device.
    go_on: called before each batch, the same number of times on all hosts; it
      raises what ends the evaluation early.
    of: counts a context as a part; see `shares.Shares.of`.

  Returns:
    How many examples could not be decoded.

  Raises:
    RuntimeError: if an example came back not at all, or more than once.
  """
  seen = np.zeros(len(source), np.int64)
  undecodable = 0

  def take(outputs):
    nonlocal undecodable
    with of(shares.DEVICE):
      rows = {k: np.asarray(v) for k, v in outputs.items()}
    real, valid = rows['index'] >= 0, rows['valid']
    np.add.at(seen, rows['index'][real], 1)
    undecodable += int((real & ~valid).sum())
    with of(shares.METRIC):
      metric.update({k: v[real & valid] for k, v in rows.items()})

  pending, batches = None, iter(batches)
  while True:
    with of(shares.INPUT):
      rows = next(batches, None)
    if rows is None:
      break
    go_on()
    outputs = predict(rows)
    if pending is not None:  # Fetched while the next batch is computed.
      take(pending)
    pending = outputs
  if pending is not None:
    take(pending)
  if (wrong := np.flatnonzero(seen != 1)).size:
    raise RuntimeError(
      f'{wrong.size} of {len(source)} examples of {source.info.name}/'
      f'{source.info.split} were not evaluated exactly once, the first being '
      f'{source[int(wrong[0])].id} ({seen[wrong[0]]} times).'
    )
  return undecodable


def is_due(done: int, every: float) -> bool:
  """Returns whether a step is the first at or behind a multiple of `every`.

  Args:
    done: finished steps.
    every: in steps, which need not be whole; 0 for never.
  """
  # The margin keeps what rounding puts just before a multiple on it.
  passed = lambda steps: math.floor(steps / every + 1e-6)
  return bool(every) and passed(done) > passed(done - 1)
