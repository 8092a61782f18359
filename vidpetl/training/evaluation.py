"""Runs a model over a whole evaluation set, on all hosts together."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from vidpetl.data import examples
from vidpetl.metrics import metric as metric_lib
from vidpetl.training import sharding, shares

Metrics = Mapping[int, metric_lib.Metric]


def _only(metrics: Metrics) -> metric_lib.Metric:
  (metric,) = metrics.values()
  return metric


@dataclasses.dataclass(frozen=True)
class Audience:
  """What runs are evaluated on together.

  Attributes:
    run: a `training.run.Run` whose sources they are.
    numbers: of the runs.
    predict: (task, batch on the devices) -> outputs of all of them.
    measured: number -> metric, of each run; returns what takes the outputs.
  """

  run: Any
  numbers: Sequence[int]
  predict: Callable[[str, Mapping[str, jax.Array]], dict[str, jax.Array]]
  measured: Callable[[Metrics], metric_lib.Metric] = _only

  def sources(self, held_out: bool) -> Mapping[str, examples.Source]:
    """Returns what each task is evaluated on."""
    return self.run.validation if held_out else self.run.evaluation

  def counted(self, name: str, held_out: bool) -> int:
    """Returns how many examples of a task count."""
    return len((self.run.held_out if held_out else self.run.tested)[name])

  def evaluate(
    self,
    name: str,
    held_out: bool,
    comparer: Callable[[int], Any],
    go_on: Callable[[], None],
    of: shares.Counting = contextlib.nullcontext,
  ) -> tuple[Metrics, int]:
    """Returns the metric of each run for a task, and what `evaluate` does.

    Args:
      name: of the task.
      held_out: see `Loop.evaluate`.
      comparer: number of a run -> what its metric compares examples by.
      go_on: see `evaluate`.
      of: see `evaluate`.
    """
    source, mesh = self.sources(held_out)[name], self.run.mesh
    task = self.run.experiment.tasks[name]
    metrics = {number: task.metric(source) for number in self.numbers}
    undecodable = evaluate(
      self.measured(metrics),
      source,
      self.run.eval_batches(name, held_out),
      lambda rows: self.predict(name, sharding.to_device(rows, mesh)),
      go_on,
      of,
    )
    self.run.quarantine.require(source, undecodable)
    for number, metric in metrics.items():
      if isinstance(metric, metric_lib.Relative):
        metric.compare(comparer(number))
    return metrics, undecodable


def evaluate(
  metric: metric_lib.Metric,
  source: examples.Source,
  batches: Iterable[Mapping[str, np.ndarray]],
  predict: Callable[[Mapping[str, np.ndarray]], dict[str, jax.Array]],
  go_on: Callable[[], None] = lambda: None,
  of: shares.Counting = contextlib.nullcontext,
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
