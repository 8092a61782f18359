"""Which runs of a series train together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from etils import epath

from vidpetl.training import checkpoint, together


def grouped(
  configs: Mapping[epath.Path, Callable[[], Any]], at_once: int
) -> Iterator[list[epath.Path]]:
  """Yields working directories of runs that train together, in their order.

  Those do whose configs differ in `together.ARGUMENTS` alone, and which go on
  from the same step. What is finished, only evaluates, or has no config that
  can be made is by itself.

  Args:
    configs: working directory -> makes the config of its run.
    at_once: the most that train together.
  """
  groups: dict[str, list[epath.Path]] = {}
  for workdir, config in configs.items():
    groups.setdefault(_key(workdir, config), []).append(workdir)
  for members in groups.values():
    for i in range(0, len(members), at_once):
      yield members[i : i + at_once]


def _key(workdir: epath.Path, make: Callable[[], Any]) -> str:
  """Returns what runs have in common that train together."""
  alone = f'alone: {workdir}'
  if (workdir / 'results.json').exists():
    return alone
  try:
    config = make()
    if config.get('mode', 'train') != 'train':
      return alone
    fields = together.shared(config)
  except Exception:  # It is told when it is this run's turn.
    return alone
  fields['begins at'] = checkpoint.latest_in(workdir)
  return json.dumps(fields, sort_keys=True, default=str)
