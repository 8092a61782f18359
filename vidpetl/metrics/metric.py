"""What a metric is: how one evaluation of one task is accumulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from vidpetl.metrics import predictions


class Metric(Protocol):
  """Host-side accumulation over one evaluation of one task.

  Attributes:
    names: of the scalars of `result`, in its order, known before anything is
      measured; 1 where more is better, -1 where less is.
  """

  names: Mapping[str, int]

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    """Adds rows of a task's `outputs` and their 'index', without padding."""

  def result(self) -> dict[str, float]:
    """Returns scalars; the first is what 'best' means for this task."""

  def pictures(self) -> dict[str, np.ndarray]:
    """Returns what a person may want to look at, uint8 [h, w, 3] by name."""

  def report(self) -> str:
    """Returns a table for the terminal and for TensorBoard's text tab."""

  def predictions(self) -> predictions.Predictions:
    """Returns what is said of each example, in the order of the source."""


@runtime_checkable
class Relative(Protocol):
  """A `Metric` of tasks that score an example against other ones."""

  def compare(
    self, run: Callable[[Mapping[str, Any]], Mapping[str, jax.Array]]
  ) -> None:
    """Compares what `update` was given, once all of it is there.

    Args:
      run: pairs, as numpy arrays of a fixed number of rows -> what
        the task's `compare` makes of them with the parameters in evaluation.
    """


@runtime_checkable
class PerClass(Protocol):
  """A `Metric` of classes, each of which has figures of its own."""

  def per_class(self) -> list[dict[str, Any]]:
    """Returns {'index', 'class', 'truth', …} of each class, in their order.

    'index' is its place among the head's outputs, 'class' its name and 'truth'
    the number of what shows it. The figures are the metric's own: 'ap', or
    'recall' and 'precision', nan where there is nothing to take them of.
    """
