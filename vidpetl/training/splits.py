"""What a run trains on, what it is tested on, and what is held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl.data import held_out as held_out_lib
from vidpetl.data import sources


def opened(config: Any) -> tuple[dict, dict, dict]:
  """Returns the sources of training, of evaluation, and what is held out.

  Without a test, runs are evaluated on what is held out, as if it were one; or,
  where nothing is, on the split of the evaluation, which then is no test.
  """
  train = {
    name: sources.open_source(task.train) for name, task in config.tasks.items()
  }
  names = [name for name, task in config.tasks.items() if task.get('eval')]
  kept = {}
  for name in names if config.validation else ():
    train[name], kept[name] = held_out_lib.split(train[name], config.validation)
  if kept and not config.test:
    return train, kept, {}
  tested = {n: sources.open_source(config.tasks[n].eval) for n in names}
  return train, tested, kept


def steps(config: Any, sizes: Mapping[str, int]) -> tuple[float, int]:
  """Returns the steps of an epoch, and of a run.

  Args:
    config: of the run.
    sizes: training examples of each task.

  Raises:
    ValueError: if the run has none.
  """
  examples = sum(sizes.values())
  epoch = examples / config.batch_size
  total = config.steps or round(config.epochs * epoch)
  if total < 1:
    raise ValueError(
      f'config.epochs={config.epochs} of {examples} examples in '
      f'batches of {config.batch_size} are no step; raise epochs or set steps.'
    )
  return epoch, total
