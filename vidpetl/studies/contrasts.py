"""What one thing of a sweep's settings changes, all others being alike.

Two settings that differ in one thing, at the same seed, are a pair. A grid has
many pairs of the same difference, and seeds multiply them: their mean is told
from 0 where no two settings could be told apart. The interval is Student's,

    mean ± t(0.975, n - 1) s / sqrt(n),

of n pairs whose differences have the standard deviation s. It is over seeds and
over the rest of the grid, not over test clips, which all runs have in common.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import scipy.stats

from vidpetl import tables
from vidpetl.studies import settings as settings_lib

# Setting -> seed -> value of the metric.
Measured = Mapping[settings_lib.Setting, Mapping[str, float]]
_ABSENT = 'none'


def table(measured: Measured, metric: str) -> str:
  """Returns a Markdown table of differences; '' where none has several pairs.

  Args:
    measured: values of each setting.
    metric: '<task>/<metric>' that they are of, a share of 1.
  """
  rows = [
    _row(*named, differences)
    for named, differences in pairs(measured)
    if len(differences) > 1
  ]
  head = ['', 'over', f'{metric}, points', '95 %', 'higher', 'lower', 'pairs']
  return tables.markdown(head, rows) if rows else ''


def _row(name: str, value: str, over: str, found: Sequence[float]) -> list[str]:
  middle, count = 100 * float(np.mean(found)), len(found)
  quantile = scipy.stats.t.ppf(0.975, count - 1)
  half = 100 * quantile * tables.std(found) / math.sqrt(count)
  return [
    f'{name}={value}',
    over,
    f'{middle:+.1f}',
    f'{middle - half:+.1f} to {middle + half:+.1f}',
    str(sum(each > 0 for each in found)),
    str(sum(each < 0 for each in found)),
    str(count),
  ]


def pairs(
  measured: Measured,
) -> Iterator[tuple[tuple[str, str, str], list[float]]]:
  """Yields (thing, value, value it is over) and differences of pairs.

  The first value that settings have of a thing is what all others are over.
  """
  chosen = _free([setting.chosen for setting in measured])
  cells = list(zip(chosen, measured.values()))
  for key in chosen[0] if chosen else ():
    by_rest: dict[tuple, dict[str, Mapping[str, float]]] = {}
    for values, found in cells:
      rest = tuple((k, v) for k, v in values.items() if k != key)
      by_rest.setdefault(rest, {})[values[key]] = found
    first, *others = dict.fromkeys(values[key] for values in chosen)
    for other in others:
      differences = [
        there[other][seed] - there[first][seed]
        for there in by_rest.values()
        if first in there and other in there
        for seed in there[first]
        if seed in there[other]
      ]
      known = [each for each in differences if not math.isnan(each)]
      yield (key, other, first), known


def _free(chosen: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
  """Returns what settings choose, without what follows from another choice.

  Weights that each backbone has of its own, or a rank that LoRA alone has, are
  no thing to compare at one backbone or method.
  """
  keys = list(dict.fromkeys(itertools.chain(*chosen)))
  column = {key: [c.get(key, _ABSENT) for c in chosen] for key in keys}
  for key in reversed(keys):
    others = [k for k in column if k != key]
    if any(_determines(column[k], column[key]) for k in others):
      del column[key]
  return [dict(zip(column, row)) for row in zip(*column.values())]


def _determines(one: Sequence[str], other: Sequence[str]) -> bool:
  return len(set(zip(one, other))) == len(set(one))
