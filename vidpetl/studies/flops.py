"""Cost of one view, and accuracy over it (MST-Adapter, Figure 2)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from matplotlib import figure

from vidpetl import tables
from vidpetl.experiment import complete
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import style

# Area of the bubble of the most trained parameters, in points^2; no bubble is
# too small to be seen.
_LARGEST, _SMALLEST = 1400.0, 25.0


def forward(config: Any) -> dict[str, float]:
  """Returns FLOPs of one view of each task's test clips, forward.

  Args:
    config: of a run, or what its config.json holds.
  """
  config = complete.complete(config)
  infos = experiment_lib.infos(config)
  return of_experiment(experiment_lib.build(config, infos))


def of_experiment(experiment: experiment_lib.Experiment) -> dict[str, float]:
  """Returns what `forward` does.

  Counted by XLA before it optimises, a multiply-add as two.
  """
  found = {}
  for name, task in experiment.tasks.items():
    inputs = experiment_lib.model_inputs(task, 1, experiment.dtype, train=False)
    predict = functools.partial(experiment.model.apply, task=name)
    lowered = jax.jit(predict).lower(experiment.variables, inputs)
    found[name] = float(lowered.cost_analysis()['flops'])
  return found


@dataclasses.dataclass(frozen=True)
class Point:
  """A setting, measured.

  Attributes:
    name: of it.
    flops: of one view, forward.
    trained: parameters.
    values: of the metric, one per seed.
  """

  name: str
  flops: float
  trained: int
  values: tuple[float, ...]


def draw(points: Sequence[Point], metric: str) -> figure.Figure:
  """Draws the metric over GFLOPs; a bubble's area is what trains.

  Args:
    points: at least one.
    metric: '<task>/<metric>', a share of 1.
  """
  picture = figure.Figure((7.5, 4.6), layout='constrained')
  axes = picture.subplots()
  most = max(point.trained for point in points)
  for number, point in enumerate(points):
    area = max(_SMALLEST, _LARGEST * point.trained / max(most, 1))
    colour = style.line(number)['color']
    x, y = point.flops / 1e9, 100 * float(np.mean(point.values))
    if len(point.values) > 1:
      spread = 100 * tables.std(point.values)
      axes.errorbar(x, y, spread, color=colour, capsize=3, lw=1.0, zorder=1)
    axes.scatter(
      x, y, s=area, color=colour, alpha=0.55, edgecolors=colour, zorder=2,
      label=f'{point.name}: {millions(point.trained)}',
    )  # fmt: skip
    axes.plot(x, y, '.', color='black', ms=3, zorder=3)
  _scale(axes, [point.flops / 1e9 for point in points])
  axes.margins(y=0.2)
  axes.grid(alpha=0.25, which='both', lw=0.5)
  axes.set_xlabel('GFLOPs of one view, forward')
  axes.set_ylabel(f'{metric}, %')
  legend = picture.legend(
    title='trained parameters (area)',
    loc='outside right upper',
    fontsize=8,
    title_fontsize=8,
    frameon=False,
  )
  for handle in legend.legend_handles:
    handle.set_sizes([40.0])
  return picture


def _scale(axes, sizes: Sequence[float]) -> None:
  """Leaves room for bubbles; a wide range is shown by its logarithm."""
  if max(sizes) > 4 * min(sizes):
    axes.set_xscale('log')
    axes.margins(x=0.15)
  else:
    room = 0.25 * (max(sizes) - min(sizes)) or 0.1 * max(sizes)
    axes.set_xlim(min(sizes) - room, max(sizes) + room)


def millions(count: int) -> str:
  """Returns '18.0 M' or '9.4 k'."""
  return f'{count / 1e6:.1f} M' if count >= 1e5 else f'{count / 1e3:.1f} k'
