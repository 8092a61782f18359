"""What must agree before a run begins; or an error that names the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl.experiment import stacking
from vidpetl.parameters import trainable
from vidpetl.tasks import task as task_lib
from vidpetl.weights import family as family_lib


def check_report(config: Any) -> None:
  """Refuses settings of what is reported that contradict each other.

  Raises:
    ValueError: naming the fields.
  """
  tested = [name for name, task in config.tasks.items() if task.get('eval')]
  best, report = config.checkpoint.best, config.report
  if best and best.partition('/')[0] not in tested:
    raise ValueError(
      f'config.checkpoint.best is {best!r}, but only {sorted(tested)} are '
      "evaluated; '' keeps the latest checkpoints alone."
    )
  if config.mode == 'eval' or not tested:
    return
  where = f'config.report={report!r}'
  if report == 'best' and not best:
    raise ValueError(
      f'{where}, but config.checkpoint.best does not say by what: '
      "'<task>/<metric>'."
    )
  if report != 'last' and config.eval_every_epochs <= 0:
    raise ValueError(
      f'{where}, but config.eval_every_epochs={config.eval_every_epochs:g} '
      'evaluates once, at the end: there is nothing to choose from.'
    )
  if report == 'mean10' and config.validation:
    raise ValueError(
      f'{where} is of evaluations on the test set, and config.validation='
      f"{config.validation:g} keeps it for the last: report='best' chooses."
    )


def check_best(
  best: str, tasks: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> None:
  """Refuses a choice by what no evaluation measures, or by an error.

  Args:
    best: `config.checkpoint.best`, '<task>/<metric>'; '' for none.
    tasks: of the run.
    evaluation: the source that each evaluated task goes through.

  Raises:
    ValueError: naming the field, with the metrics there are.
  """
  if not best:
    return
  known = _measured(tasks, evaluation)
  _check_measured('config.checkpoint.best', best, known)
  if known[best] < 0:
    task = best.partition('/')[0]
    other = next(name for name in known if name.startswith(f'{task}/'))
    raise ValueError(
      f'config.checkpoint.best={best!r} is an error, and the best is where a '
      f'metric is largest; {other} is one to choose by.'
    )


def check_compared(
  compared: Sequence[str],
  tasks: Mapping[str, Any],
  evaluation: Mapping[str, Any],
) -> None:
  """Refuses to train for a comparison by what no evaluation measures.

  Args:
    compared: '<task>/<metric>' each, of `--metric`.
    tasks: of the run.
    evaluation: the source that each evaluated task goes through.

  Raises:
    ValueError: naming the metric, with those there are.
  """
  known = _measured(tasks, evaluation) if compared else {}
  for metric in compared:
    _check_measured('--metric', metric, known)


def _measured(
  tasks: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> dict[str, int]:
  """Returns '<task>/<metric>' -> `metric.Metric.names` of it."""
  return {
    f'{task}/{name}': sign
    for task, source in evaluation.items()
    for name, sign in tasks[task].metric(source).names.items()
  }


def _check_measured(what: str, metric: str, known: Mapping[str, int]) -> None:
  if metric not in known:
    there = ', '.join(known) or 'none'
    raise ValueError(f'{what}={metric!r}; there are: {there}.')


def check_data(
  config: Any, train: Mapping[str, Any], tested: Mapping[str, Any]
) -> None:
  """Refuses data that teach nothing, or on which nothing can be measured.

  Raises:
    ValueError: naming the task, the split and what it lacks.
  """
  for name, options in config.tasks.items():
    cuts = task_lib.clips_of(name, options)
    for field, opened, cut in zip(('train', 'eval'), (train, tested), cuts):
      source = opened.get(name)
      if source is not None and (lacking := cut.kind.lacking(source)):
        raise ValueError(
          f'config.tasks.{name}.{field} ({source.info.name}/'
          f'{source.info.split}): {lacking}.'
        )


def check_init(config: Any) -> None:
  """Refuses a family of weights that there is not.

  Raises:
    ValueError: naming the field, with those there are.
  """
  stacking.require(config)
  family, known = config.init.family, family_lib.names()
  if family and family not in known:
    there = ', '.join(known)
    raise ValueError(f'config.init.family={family!r}; there are: {there}.')


def check_tasks(config: Any) -> None:
  """Refuses a run in which a task has nothing to train on, or no weight.

  Raises:
    ValueError: naming the field.
  """
  weights = config.mixture.weights
  if weights and set(weights) != set(config.tasks):
    raise ValueError(
      f'config.mixture.weights are for {sorted(weights)}, and the tasks are '
      f'{sorted(config.tasks)}.'
    )
  if weights and config.mixture.mode == 'alternating':
    raise ValueError(
      "config.mixture.mode='alternating' takes the tasks in turn: leave out "
      'config.mixture.weights.'
    )
  for name, task in config.tasks.items():
    if not task.get('train'):
      raise ValueError(
        f'config.tasks.{name}.train={task.get("train")!r}: give its source, or '
        'leave the task out.'
      )


def scarce(batch_size: int, sizes: Mapping[str, int]) -> list[str]:
  """Returns a sentence for each task with fewer examples than a batch has."""
  return [
    f'{name}: a batch of {batch_size} shows its {size} training examples more '
    'than once.'
    for name, size in sizes.items()
    if size < batch_size
  ]


def check_heads(frozen: Any) -> None:
  """A head of zeros hands no gradient on; frozen, it would stay so for ever."""
  for path, value in trainable.flatten(frozen).items():
    head, _, rest = path.partition('/')
    is_kernel = head.startswith('heads_') and rest.endswith('/kernel')
    if is_kernel and not bool((value != 0).any()):
      name = head.removeprefix('heads_')
      raise ValueError(
        f'config.trainable freezes {head}, which is zero, so nothing would '
        f"learn; set config.tasks.{name}.initial='uniform', or let it train."
      )


def check_classes(train, evaluation) -> None:
  """Class i must mean the same in training and in evaluation."""
  for name, source in evaluation.items():
    ours, theirs = train[name].info.classes, source.info.classes
    if dict(ours) != dict(theirs):
      odd = sorted(set(ours.items()) ^ set(theirs.items()))[:4]
      raise ValueError(
        f'config.tasks.{name}: train and eval disagree about the classes, '
        f'e.g. {odd}.'
      )
