"""Which of a run's evaluations its numbers come from.

Every evaluation of a run is a line of <workdir>/evaluations.jsonl, so that a
resumed run chooses among the same ones as an uninterrupted one.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl import durable
from vidpetl.data import opening
from vidpetl.training.writers import json_lines

FILE = 'evaluations.jsonl'
# What an evaluation is on.
TEST, HELD_OUT, SPLIT = 'test', 'held-out', 'validation split'
_CALLED = {
  TEST: 'the test set',
  HELD_OUT: 'held-out training examples',
  SPLIT: 'the validation split',
}
# In front of tags of evaluations on held-out examples.
VALIDATION = 'validation/'
_MEAN_OF = 10

Found = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """What was measured after a step.

  Attributes:
    step: finished steps.
    found: task -> what `Loop.evaluate` returns.
  """

  step: int
  found: Found

  @property
  def metrics(self) -> dict[str, float]:
    return flat(self.found)


@dataclasses.dataclass(frozen=True)
class Choice:
  """What is reported.

  Attributes:
    how: 'last', 'best' or 'mean10'; 'checkpoint' for one that was named.
    step: whose parameters it is of; of a mean, the last one's.
    of: steps of the evaluations that it was chosen among, or is the mean of.
    by: '<task>/<metric>' that chose.
    on: 'test', or 'held-out' where training examples chose.
    found: task -> what was measured.
    note: why it is not what was asked for, '' if it is.
  """

  how: str
  step: int
  of: tuple[int, ...]
  by: str = ''
  on: str = TEST
  found: Found = dataclasses.field(default_factory=dict)
  note: str = ''

  @property
  def used(self) -> tuple[int, ...]:
    """Steps of the evaluations that the numbers are of."""
    return self.of if self.how == 'mean10' else (self.step,)

  def record(self) -> dict[str, Any]:
    """Returns what results.json has of it, as 'reported'."""
    return {
      'how': self.how,
      'step': self.step,
      'by': self.by,
      'on': self.on,
      'evaluations': len(self.of),
      'steps': list(self.of),
      'note': self.note,
      'values': {k: json_lines.number(v) for k, v in flat(self.found).items()},
    }


class Evaluations:
  """The evaluations of one run."""

  def __init__(self, workdir: epath.PathLike, until: int, *, write: bool):
    """Takes up those that a resumed run begins with.

    Args:
      workdir: of the run.
      until: step at which it begins; later ones will be made again.
      write: whether this process keeps the file.
    """
    self._path = epath.Path(workdir) / FILE
    self._write = write
    self._all = {e.step: e for e in read(workdir) if e.step <= until}

  def __contains__(self, step: int) -> bool:
    return step in self._all

  def add(self, step: int, found: Found) -> None:
    """Adds one, in place of an earlier one of the same step."""
    # As it would be read again.
    self._all[step] = Evaluation(step, _nans(_numbers(found)))
    if self._write:
      lines = [_line(e) + '\n' for e in self.all()]
      durable.write(self._path, ''.join(lines))

  def all(self) -> list[Evaluation]:
    """Returns them in the order of steps."""
    return [self._all[step] for step in sorted(self._all)]

  def choose(
    self, how: str, by: str, on: str, among: Collection[int] | None = None
  ) -> Choice:
    """Returns what is reported.

    Args:
      how: `config.report`.
      by: `config.checkpoint.best`.
      on: what the evaluations are on.
      among: steps of which the best is chosen; None for all.
    """
    every = self.all()
    steps, last = tuple(e.step for e in every), every[-1]
    if how == 'mean10':
      some = every[-_MEAN_OF:]
      steps = tuple(e.step for e in some)
      return Choice(how, last.step, steps, on=on, found=_mean(some))
    if how == 'last' or not last.found:
      return Choice('last', last.step, steps, on=on, found=last.found)
    scores = [(e.metrics[by], e.step, e) for e in every if by in e.metrics]
    numbers = [each for each in scores if math.isfinite(each[0])]
    if not numbers:
      note = f'{by} is a number in none of {len(every)} evaluations'
      return Choice('last', last.step, steps, by, on, last.found, note)
    # Of equal ones the latest, as checkpoints are kept.
    best = max(numbers, key=lambda each: each[:2])
    there = [each for each in numbers if among is None or each[1] in among]
    _, step, chosen = max(there, key=lambda each: each[:2], default=best)
    note = '' if step == best[1] else f'that of step {best[1]} was damaged'
    return Choice(how, step, steps, by, on, chosen.found, note)


def measured_on(config: Any) -> str:
  """Returns what the evaluations of a run are on, while it trains."""
  if config.validation:
    return HELD_OUT
  return TEST if config.test else SPLIT


def flat(found: Found) -> dict[str, float]:
  """Returns {'<task>/<metric>': value}."""
  return {
    f'{name}/{key}': value
    for name, result in found.items()
    for key, value in result['metrics'].items()
  }


def words(reported: Sequence[Mapping[str, Any]]) -> str:
  """Returns how the numbers of some runs were chosen, for people.

  Args:
    reported: 'reported' of their results.json; {} for one of before there was.
  """
  steps: dict[str, list[int]] = {}
  for each in reported:
    steps.setdefault(_how(each), []).append(each.get('step', 0))
  return '; '.join(
    f'{how} {_steps(found)}' if how else 'not said'
    for how, found in steps.items()
  )


def _how(one: Mapping[str, Any]) -> str:
  """Returns how a number was chosen, without the step."""
  if not one:
    return ''
  count = one['evaluations']
  if one['how'] == 'mean10':
    return f'mean of the last {count} evaluations, until'
  if one['how'] == 'checkpoint':
    return 'not trained here,' if one['by'] == 'none' else f'{one["by"]!r},'
  if one['how'] == 'last':
    return f'last ({one["note"]}),' if one['note'] else 'last,'
  on = _CALLED[one['on']]
  note = f' ({one["note"]})' if one.get('note') else ''
  return f'best of {count} by {one["by"]} on {on}{note},'


def _steps(steps: Sequence[int]) -> str:
  several = sorted(set(steps))
  if len(several) > 4:
    return f'steps {several[0]} to {several[-1]}'
  return ('step ' if len(several) == 1 else 'steps ') + ', '.join(
    map(str, several)
  )


def _mean(some: Sequence[Evaluation]) -> Found:
  """Returns the last one's findings with the mean of each metric."""
  return {
    name: {
      **result,
      'metrics': {
        key: float(np.mean([e.found[name]['metrics'][key] for e in some]))
        for key in result['metrics']
      },
    }
    for name, result in some[-1].found.items()
  }


def _line(one: Evaluation) -> str:
  tree = {'step': one.step, 'tasks': _numbers(one.found)}
  return json.dumps(tree, ensure_ascii=False)


def _numbers(tree: Any) -> Any:
  """Returns a tree as JSON holds it, which knows no NaN."""
  if isinstance(tree, Mapping):
    return {key: _numbers(value) for key, value in tree.items()}
  if isinstance(tree, list | tuple):
    return [_numbers(value) for value in tree]
  if isinstance(tree, float | np.floating):
    return json_lines.number(tree)
  return int(tree) if isinstance(tree, np.integer) else tree


def _nans(tree: Any) -> Any:
  """Returns a tree as it was before `_numbers`."""
  if isinstance(tree, dict):
    return {key: _nans(value) for key, value in tree.items()}
  if isinstance(tree, list):
    return [_nans(value) for value in tree]
  return math.nan if tree is None else tree


def read(workdir: epath.PathLike) -> list[Evaluation]:
  """Returns the evaluations that a run has made.

  Raises:
    ValueError: naming the file, if it is damaged.
  """
  path = epath.Path(workdir) / FILE
  if not path.exists():
    return []
  lines = opening.content(path, 'text').splitlines()
  try:
    return [_evaluation(line) for line in lines]
  except (ValueError, RecursionError) as error:
    raise ValueError(
      f'{path} is damaged ({error}). Each of its lines is an evaluation, by '
      'which the reported one is chosen: put a copy in its place, or remove '
      'the line, and its evaluation is not counted.'
    ) from None


def _evaluation(line: bytes) -> Evaluation:
  """Returns what a line holds.

  Raises:
    ValueError: if that is no evaluation.
  """
  row = json.loads(line.decode())
  try:
    step, found = row['step'], row['tasks']
    numbers = [v for r in found.values() for v in r['metrics'].values()]
  except (KeyError, TypeError, AttributeError):
    raise ValueError('no evaluation of a step') from None
  sound = all(isinstance(value, float | int | None) for value in numbers)
  if type(step) is not int or not sound:
    raise ValueError('values that are no numbers')
  return Evaluation(step, _nans(found))
