"""What a run trains on, what it is tested on, and what is held out."""

from __future__ import annotations

from typing import Any

from vidpetl.data import held_out as held_out_lib
from vidpetl.data import sources


def opened(config: Any) -> tuple[dict, dict, dict]:
  """Returns the sources of training, of evaluation, and what is held out.

  Without a test, runs are evaluated on what is held out, as if it were one.

  Raises:
    ValueError: if there is neither a test nor anything that is held out.
  """
  train = {
    name: sources.open_source(task.train) for name, task in config.tasks.items()
  }
  names = [name for name, task in config.tasks.items() if task.get('eval')]
  kept = {}
  for name in names if config.validation else ():
    train[name], kept[name] = held_out_lib.split(train[name], config.validation)
  if config.test:
    tested = {n: sources.open_source(config.tasks[n].eval) for n in names}
    return train, tested, kept
  if names and not kept:
    raise ValueError(
      'config.test=False evaluates what is held out of the training examples: '
      'give config.validation=0.2, or the like.'
    )
  return train, kept, {}
