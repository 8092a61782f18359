"""A run as it lies on file: what it measured, and what it predicted."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl.data import opening
from vidpetl.parameters import sums
from vidpetl.tasks import task as task_lib
from vidpetl.training import predictions, reporting, results, shares
from vidpetl.training.writers import json_lines


@dataclasses.dataclass(frozen=True)
class Recorded:
  """The working directory of a run, finished or not.

  Attributes:
    workdir: of the run.
    name: what pictures call it.
  """

  workdir: epath.Path
  name: str

  def __post_init__(self):
    # A model that was evaluated as it came leaves results alone.
    if not (self._metrics.exists() or (self.workdir / 'results.json').exists()):
      raise ValueError(
        f'{self.workdir} is no working directory of a run: it has no '
        'metrics.jsonl.'
      )

  @property
  def _metrics(self) -> epath.Path:
    return self.workdir / 'metrics.jsonl'

  @property
  def config(self) -> dict[str, Any]:
    """What config.json holds; {} of a run that was evaluated alone."""
    return self._json('config.json')

  @property
  def results(self) -> dict[str, Any]:
    """What was reported of training, which evaluations since do not change.

    {} before the end, also where the run was evaluated.
    """
    return self._json(results.FILES['train'])

  @property
  def check(self) -> dict[str, Any]:
    """What check.json holds; {} where the data were not checked."""
    return self._json('check.json')

  @property
  def time(self) -> dict[str, Any]:
    """What time.json holds of the loop; {} before the end of training."""
    return self._json(shares.FILE)

  @property
  def command(self) -> str:
    """The command that trained it; '' if none was recorded."""
    path = self.workdir / results.COMMAND
    if not path.exists():
      return ''
    return opening.content(path, 'text').decode(errors='replace').strip()

  def _json(self, name: str) -> dict[str, Any]:
    path = self.workdir / name
    return opening.read_json(path) if path.exists() else {}

  @property
  def tasks(self) -> list[str]:
    """Tasks that were evaluated, in the order of the config."""
    tested = [tag.rpartition('/')[0] for tag in self._tags()]
    return list(dict.fromkeys([*tested, *self.results.get('tasks', {})]))

  def _tags(self) -> Iterator[str]:
    """Yields '<task>/<metric>' of all evaluations, of whichever examples."""
    for row in self.evaluations():
      yield from (
        tag.removeprefix(reporting.VALIDATION) for tag in row if '/' in tag
      )

  def kind(self, task: str) -> str:
    """Returns the kind of annotation that a task learns."""
    if not self.config:
      raise ValueError(
        f'{self.workdir} has no config.json, which a run leaves that trains.'
      )
    return task_lib.module(self.config['tasks'][task]['task']).KIND

  def metrics(self, task: str) -> list[str]:
    """Returns what is measured of a task, the first being what counts."""
    found = dict.fromkeys(tag.rpartition('/')[::2] for tag in self._tags())
    return [metric for of, metric in found if of == task]

  def evaluations(self) -> list[dict[str, Any]]:
    """Returns 'step' and '<task>/<metric>' of each evaluation, by step.

    Tags of evaluations on held-out examples begin with `reporting.VALIDATION`.
    """
    if not self._metrics.exists():
      return []
    found = predictions.measured(self._metrics)
    return [found[step] for step in sorted(found)]

  def chosen_among(self) -> list[dict[str, Any]]:
    """Returns 'step' and 'tasks' of the evaluations that may be reported."""
    return [
      {'step': one.step, 'tasks': one.found}
      for one in reporting.read(self.workdir)
    ]

  def training(self) -> list[dict[str, Any]]:
    """Returns 'step', '<task>/loss' and the like, as they were logged."""
    if not self._metrics.exists():
      return []
    rows = json_lines.read_lines(self._metrics)
    return [row for row in rows if predictions.of_training(row)]

  @property
  def steps_per_epoch(self) -> float | None:
    """Steps of an epoch; None where the run has not got so far as to tell."""
    batch = self.config.get('batch_size')
    sizes = self.results.get('training_examples')
    return sum(sizes.values()) / batch if batch and sizes else None

  def curve(self, tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps and values of '<task>/<metric>', where it is defined."""
    rows = [row for row in self.evaluations() if row.get(tag) is not None]
    return (
      np.array([row['step'] for row in rows], float),
      np.array([row[tag] for row in rows], float),
    )

  def per_class(self, task: str, step: int | None = None) -> list[dict]:
    """Returns the rows of per_class/<task>.<step>.csv, numbers as such.

    Args:
      task: of the run.
      step: of the evaluation; None is that of results.json, or the latest.

    Raises:
      ValueError: if there is none.
    """
    path = self._of(predictions.PER_CLASS, task, step, 'csv')
    return predictions.read_per_class(path)

  def predictions(
    self, task: str, step: int | None = None
  ) -> list[dict[str, str]]:
    """Returns the rows of predictions/<task>.<step>.csv; see `per_class`."""
    return predictions.read_csv(self.predictions_file(task, step))

  def predictions_file(self, task: str, step: int | None = None) -> epath.Path:
    """Returns the path of predictions/<task>.<step>.csv; see `per_class`."""
    return self._of(predictions.FOLDER, task, step, 'csv')

  def arrays(self, task: str, step: int | None = None) -> Mapping[str, Any]:
    """Returns the arrays beside the predictions; see `per_class`."""
    return sums.read_npz(self._of(predictions.FOLDER, task, step, 'npz'))

  def _steps(self, folder: str, task: str, suffix: str) -> list[int]:
    wanted = rf'{re.escape(predictions.stem_of(task))}\.(\d+)\.{suffix}'
    names = [path.name for path in (self.workdir / folder).glob('*')]
    matches = (re.fullmatch(wanted, name) for name in names)
    return sorted(int(match[1]) for match in matches if match)

  def _of(self, folder: str, task: str, step: int | None, suffix: str):
    steps = self._steps(folder, task, suffix)
    if not steps or (step is not None and step not in steps):
      there = ', '.join(map(str, steps)) or 'none'
      raise ValueError(
        f'{self.workdir / folder} has no {suffix} of {task}'
        + (f' of step {step}' if step is not None else '')
        + f'; it has those of steps {there}. Evaluate the run again with '
        '--config.mode=eval.'
      )
    stem = predictions.stem_of(task)
    if step is None:
      reported = self.results.get('step')
      step = reported if reported in steps else steps[-1]
    return self.workdir / folder / f'{stem}.{step}.{suffix}'


def named(
  runs: Sequence[epath.Path], names: Sequence[str] | None = None
) -> list[Recorded]:
  """Returns runs with their names, by default those of their folders.

  Raises:
    ValueError: if there are other than so many names.
  """
  if names is None:
    names = [run.resolve().name for run in runs]
    if len(set(names)) < len(names):
      names = [
        f'{run.resolve().parent.name}/{run.resolve().name}' for run in runs
      ]
  if len(names) != len(runs):
    raise ValueError(f'{len(names)} --names of {len(runs)} runs.')
  return [Recorded(run, name) for run, name in zip(runs, names)]
