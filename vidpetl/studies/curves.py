"""Learning curves: of one run in training and test, of several runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import figure, ticker

from vidpetl.studies import style
from vidpetl.studies.recorded import Recorded
from vidpetl.training import reporting

# Metrics that are no shares, and have no place on an axis of percents.
_OTHERS = ('l2', 'relative_l2')
# Before the tags of an evaluation, what it is on, and how its lines look.
_MEASURED = (
  ('', 'test', {}),
  (reporting.VALIDATION, 'held out', {'ls': ':', 'marker': ''}),
)
_MOST = 6  # lines of a panel
_FEW = 30  # points that are marked


def of_run(run: Recorded, task: str) -> figure.Figure:
  """Draws loss and accuracies of training, and metrics of the evaluations.

  Args:
    run: with at least a logged step or an evaluation.
    task: of the run.
  """
  picture = figure.Figure((9, 3.6), layout='constrained')
  losses, shares = picture.subplots(1, 2)
  scale, unit = _scale([run])
  trained = run.training()
  for number, (tag, name) in enumerate(
    ((f'{task}/loss', 'training'), (f'{task}/distance', 'distance'))
  ):
    _plot_training(losses, trained, tag, scale, 1.0, name, number)
  losses.set_ylabel('loss')
  losses.set_title(f'{task}: loss', fontsize=10)
  _plot_training(
    shares, trained, f'{task}/accuracy', scale, 100.0, 'training: accuracy', -1
  )
  metrics = [name for name in run.metrics(task) if name not in _OTHERS]
  for number, name in enumerate(metrics[:_MOST]):
    for begin, of, how in _MEASURED:
      steps, values = run.curve(f'{begin}{task}/{name}')
      if len(steps):
        shares.plot(
          steps / scale,
          100 * values,
          **{'lw': 1.4, 'ms': 4, **style.line(number), **how},
          label=f'{of}: {name}',
        )
  shares.set_ylabel('%')
  shares.set_title(f'{task}: measured', fontsize=10)
  for axes in (losses, shares):
    _finish(axes, unit)
  return picture


def of_runs(runs: Sequence[Recorded], task: str, metric: str) -> figure.Figure:
  """Draws a metric of several runs over training (V-PETL, Figure 4).

  Args:
    runs: in the order of the legend.
    task: that all have.
    metric: of the task.

  Raises:
    ValueError: naming a run that did not measure it.
  """
  picture = figure.Figure((7, 4.2), layout='constrained')
  axes = picture.subplots()
  scale, unit = _scale(runs)
  scales = [scale] * len(runs)
  if unit == 'epoch':  # Each run's own.
    scales = [run.steps_per_epoch for run in runs]
  factor = 1 if metric in _OTHERS else 100
  for number, (run, own) in enumerate(zip(runs, scales)):
    if metric not in run.metrics(task):
      raise ValueError(
        f'{run.workdir}: {task}/{metric} was not measured; it has '
        f'{", ".join(f"{task}/{name}" for name in run.metrics(task))}.'
      )
    for begin, _, how in _MEASURED:
      steps, values = run.curve(f'{begin}{task}/{metric}')
      if len(steps):
        axes.plot(
          steps / own,
          factor * values,
          **{'lw': 1.4, 'ms': 5, **style.line(number), **how},
          label=f'{run.name}, held out' if begin else run.name,
        )
  axes.set_ylabel(f'{task}: {metric}' + (', %' if factor == 100 else ''))
  _finish(axes, unit, legend=False)
  style.legend(picture)
  return picture


def _scale(runs: Sequence[Recorded]) -> tuple[float, str]:
  """Returns the steps of a unit of time, and its name."""
  epochs = [run.steps_per_epoch for run in runs]
  return (1.0, 'step') if None in epochs else (epochs[0], 'epoch')


def _plot_training(axes, rows, tag, scale, factor, label, number) -> None:
  points = [(r['step'], r[tag]) for r in rows if r.get(tag) is not None]
  if not points:
    return
  steps, values = np.array(points, float).T
  axes.plot(
    steps / scale,
    factor * values,
    lw=1.2,
    ls='--',
    marker='.' if len(points) < _FEW else '',
    color=style.GREY if number < 0 else style.COLOURS[number],
    label=label,
  )


def _finish(axes, unit: str, legend: bool = True) -> None:
  axes.set_xlabel(unit)
  axes.set_xlim(left=0)
  axes.xaxis.set_major_locator(ticker.MaxNLocator(7, integer=True))
  axes.grid(alpha=0.25, lw=0.5)
  if not axes.get_lines():
    axes.text(0.5, 0.5, 'nothing measured', ha='center', color=style.GREY)
  elif legend:
    axes.legend(fontsize=8, frameon=False)
