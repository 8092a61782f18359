"""What one thing of a sweep's settings changes, all others being alike.

Two settings that differ in one thing are a pair. A grid has many pairs of the
same difference: their mean is told from 0 where no two settings could be told
apart. From three pairs of settings on, each counts once, with its mean over the
seeds that both have; below, as in a list of methods, each seed is a pair of
runs, but for two settings whose seeds are one run each: they are one pair. The
interval is Student's,

    mean ± t(0.975, n - 1) s / sqrt(n),

of n pairs whose differences have the standard deviation s. It is over the rest
of the grid, or over seeds, and not over test clips, which all runs have in
common.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import scipy.stats
from etils import epath
from matplotlib import figure

from vidpetl import durable, tables
from vidpetl.studies import settings as settings_lib
from vidpetl.studies import style

# Setting -> seed -> value of the metric.
Measured = Mapping[settings_lib.Setting, Mapping[str, float]]
_ABSENT = 'none'
_CONFIDENCE = 0.95
# So many pairs of settings are counted without their seeds.
_CELLS = 3


@dataclasses.dataclass(frozen=True)
class Contrast:
  """What a value of one thing changes.

  Attributes:
    name: of the thing.
    value: of it.
    over: the value that pairs begin with.
    kind: what pairs are of, 'settings' or 'runs'.
    differences: of each pair, of a metric that is a share of 1.
  """

  name: str
  value: str
  over: str
  kind: str
  differences: tuple[float, ...]

  @property
  def mean(self) -> float:
    """Points."""
    return 100 * float(np.mean(self.differences))

  @property
  def half(self) -> float:
    """Half of the interval, points."""
    count = len(self.differences)
    quantile = scipy.stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1)
    return 100 * quantile * tables.std(self.differences) / math.sqrt(count)


def find(
  measured: Measured, alike: Collection[settings_lib.Setting] = ()
) -> list[Contrast]:
  """Returns what has several pairs.

  The first value that settings have of a thing is what its others are over.

  Args:
    measured: values of each setting.
    alike: settings whose seeds are one run, see `spread.alike`.
  """
  chosen = _free([setting.chosen for setting in measured])
  contrasts = []
  for name in chosen[0] if chosen else ():
    by_rest: dict[tuple, dict[str, settings_lib.Setting]] = {}
    for values, setting in zip(chosen, measured):
      rest = tuple((k, v) for k, v in values.items() if k != name)
      by_rest.setdefault(rest, {})[values[name]] = setting
    first, *others = dict.fromkeys(values[name] for values in chosen)
    for other in others:
      pairs = [
        (cell[first], cell[other])
        for cell in by_rest.values()
        if first in cell and other in cell
      ]
      cells = [*filter(None, (_cell(measured, x, alike) for x in pairs))]
      whole = len(cells) >= _CELLS
      found = map(np.mean, cells) if whole else itertools.chain(*cells)
      kind = 'settings' if whole else 'runs'
      found = tuple(map(float, found))
      contrasts.append(Contrast(name, other, first, kind, found))
  return [each for each in contrasts if len(each.differences) > 1]


def _cell(
  measured: Measured,
  pair: tuple[settings_lib.Setting, settings_lib.Setting],
  alike: Collection[settings_lib.Setting],
) -> tuple[float, ...]:
  """Returns the second setting's values minus the first's, by seed."""
  first, other = (measured[setting] for setting in pair)
  found = tuple(
    difference
    for seed in first
    if seed in other and not math.isnan(difference := other[seed] - first[seed])
  )
  return found[:1] if all(setting in alike for setting in pair) else found


def _free(chosen: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
  """Returns what settings choose, without what follows from another choice.

  Weights that each backbone has of its own, or a rank that LoRA alone has, are
  no thing to compare at one backbone or method.
  """
  names = list(dict.fromkeys(itertools.chain(*chosen)))
  column = {name: [c.get(name, _ABSENT) for c in chosen] for name in names}
  for name in reversed(names):
    others = [values for key, values in column.items() if key != name]
    if any(_determines(values, column[name]) for values in others):
      del column[name]
  return [dict(zip(column, row)) for row in zip(*column.values())]


def _determines(one: Sequence[str], other: Sequence[str]) -> bool:
  return len(set(zip(one, other))) == len(set(one))


def table(contrasts: Sequence[Contrast], metric: str) -> str:
  """Returns a Markdown table.

  Args:
    contrasts: of `find`.
    metric: '<task>/<metric>' that they are of.
  """
  head = ['', 'over', f'{metric}, points', '95 %', 'higher', 'lower', 'pairs']
  return tables.markdown(head, map(_row, contrasts))


def _row(each: Contrast) -> list[str]:
  return [
    f'{each.name}={each.value}',
    each.over,
    f'{each.mean:+.1f}',
    f'{each.mean - each.half:+.1f} to {each.mean + each.half:+.1f}',
    str(sum(difference > 0 for difference in each.differences)),
    str(sum(difference < 0 for difference in each.differences)),
    f'{len(each.differences)} of {each.kind}',
  ]


def draw(contrasts: Sequence[Contrast], metric: str) -> figure.Figure:
  """Draws means and intervals, one below the other; see `table`."""
  size = (7, 1.2 + 0.35 * len(contrasts))
  picture = figure.Figure(size, layout='constrained')
  axes = picture.subplots()
  names = list(dict.fromkeys(each.name for each in contrasts))
  for row, each in enumerate(contrasts):
    colour = style.COLOURS[names.index(each.name) % len(style.COLOURS)]
    axes.errorbar(
      each.mean, row, xerr=each.half, fmt='o', color=colour, capsize=3, ms=5
    )
  axes.axvline(0, color=style.GREY, lw=0.8)
  axes.set_yticks(
    range(len(contrasts)),
    [f'{c.name}: {c.value} over {c.over}' for c in contrasts],
    fontsize=8,
  )
  axes.set_ylim(len(contrasts) - 0.5, -0.5)
  axes.grid(alpha=0.25, lw=0.5, axis='x')
  axes.set_xlabel(f'{metric}, points; mean of pairs, 95 %')
  return picture


def write(
  folder: epath.Path,
  measured: Measured,
  metric: str,
  alike: Collection[settings_lib.Setting] = (),
) -> str:
  """Writes contrasts.md and its picture; returns the table.

  Args:
    folder: of the sweep.
    measured: values of each setting.
    metric: '<task>/<metric>' that they are of.
    alike: see `find`.

  Returns:
    The table; '' where nothing has several pairs.
  """
  contrasts = find(measured, alike)
  if not contrasts:
    return ''
  text = table(contrasts, metric)
  durable.write(folder / 'contrasts.md', text + '\n')
  style.save(draw(contrasts, metric), folder, 'contrasts')
  return text
