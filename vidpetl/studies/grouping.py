"""Which runs of a series train together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from etils import epath

from vidpetl.training import checkpoint, joining

Makes = Mapping[epath.Path, Callable[[], Any]]


def grouped(configs: Makes, at_once: int) -> Iterator[list[epath.Path]]:
  """Yields working directories of runs that train together.

  Those do whose configs differ in `joining.ARGUMENTS` alone, and which go on
  from the same step: on the same batches, or, where each has data of its own,
  as folds have, on a batch of each. What is finished, only evaluates, or has no
  config that can be made is by itself.

  Args:
    configs: working directory -> makes the config of its run.
    at_once: the most that train together.
  """
  groups: dict[tuple[str, str], list[epath.Path]] = {}
  for workdir in configs:
    groups.setdefault(_keys(workdir, configs), []).append(workdir)
  # Program -> runs that have their batches to themselves.
  single: dict[str, list[epath.Path]] = {}
  for (program, _), members in groups.items():
    if len(members) == 1:
      single.setdefault(program, []).extend(members)
  for (program, _), members in groups.items():
    if len(members) > 1:
      yield from _cut(members, at_once)
    elif program in single:  # At the place of the first of them.
      for some in _of_a_length(single.pop(program), configs):
        yield from _cut(some, at_once)


def _cut(
  members: Sequence[epath.Path], at_once: int
) -> Iterator[list[epath.Path]]:
  for i in range(0, len(members), at_once):
    yield list(members[i : i + at_once])


def _of_a_length(
  members: Sequence[epath.Path], configs: Makes
) -> list[list[epath.Path]]:
  """Returns runs of other data, in groups that take about as many steps."""
  if len(members) == 1:
    return [list(members)]
  lengths: dict[epath.Path, joining.Length] = {}
  groups: list[list[epath.Path]] = []
  for workdir in members:
    try:
      lengths[workdir] = joining.length(configs[workdir]())
    except Exception:  # It is told when it is this run's turn.
      groups.append([workdir])
  for workdir in sorted(lengths, key=lambda each: lengths[each].steps):
    fits = lambda group, own=lengths[workdir]: (
      group[0] in lengths and own.fits(lengths[group[0]])
    )
    found = next(filter(fits, groups), None)
    if found is None:
      groups.append([workdir])
    else:
      found.append(workdir)
  order = list(members).index
  return sorted(
    (sorted(each, key=order) for each in groups), key=lambda g: order(g[0])
  )


def _keys(workdir: epath.Path, configs: Makes) -> tuple[str, str]:
  """Returns what runs have in common in one program, and on one batch."""
  alone = f'alone: {workdir}', ''
  if (workdir / 'results.json').exists():
    return alone
  try:
    config = configs[workdir]()
    if config.get('mode', 'train') != 'train':
      return alone
    fields = joining.shared(config)
    data = joining.data(config)
  except Exception:  # It is told when it is this run's turn.
    return alone
  fields['begins at'] = checkpoint.latest_in(workdir)
  text = lambda fields: json.dumps(fields, sort_keys=True, default=str)
  return text(fields), text(data)
