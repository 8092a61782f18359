"""What a run trains on, what it is tested on, and what is held out."""

from __future__ import annotations

from typing import Any

from vidpetl.data import held_out as held_out_lib
from vidpetl.data import sources


def opened(config: Any) -> tuple[dict, dict, dict]:
  """Returns the sources of training, of evaluation, and what is held out."""
  train = {
    name: sources.open_source(task.train) for name, task in config.tasks.items()
  }
  tested = {
    name: sources.open_source(task.eval)
    for name, task in config.tasks.items()
    if task.get('eval')
  }
  kept = {}
  for name in tested if config.validation else ():
    train[name], kept[name] = held_out_lib.split(train[name], config.validation)
  return train, tested, kept
