"""What a run trains on, what it is tested on, and what is held out."""

from __future__ import annotations

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
