"""Figures of each class: of a run, and what one run gains over another.

Co-finetuning's Figure 3 is `of_run` on AVA, and its Figure 1 `gain`: classes in
the order of their frequency in training, in groups of frequency, with the means
of groups and of types of action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure, patches

from vidpetl.metrics import ava_labels
from vidpetl.studies import style
from vidpetl.tasks.confusion_matrix import short

# Classes that can be read in one picture.
MOST = 70
_BAR = 0.19  # inches
_LETTER = 0.075
_KEYS = {'ap': 'average precision', 'recall': 'accuracy'}

Rows = Sequence[Mapping[str, Any]]


def key_of(rows: Rows) -> str:
  """Returns the figure by which classes are compared."""
  return next(key for key in _KEYS if key in rows[0])


def of_run(rows: Rows, title: str) -> figure.Figure:
  """Draws each class, the most frequent in training first.

  Of more classes than can be read, those that do worst are shown.

  Args:
    rows: of per_class/<task>.<step>.csv.
    title: of one line.
  """
  key = key_of(rows)
  known = [row for row in rows if np.isfinite(row[key])]
  if not known:
    raise ValueError(f'{title}: no class is shown by the test.')
  worst = sorted(known, key=lambda row: row[key])[:MOST]
  if len(worst) < len(known):
    title += f', the {MOST} lowest of {len(known)} classes'
  values = np.array([100 * row[key] for row in known])
  shown = _by_frequency(worst)
  picture, axes, means = _canvas(shown, title)
  heights = [100 * row[key] for row in shown]
  groups = ava_labels.groups(_ids(rows))
  _draw_bars(axes, shown, heights, groups)
  axes.set_ylabel(f'{_KEYS[key]}, %')
  axes.set_ylim(0, max(5.0, 1.08 * max(heights)))
  _draw_means(means, rows, known, values, 'mean, %')
  return picture


def gain(base: Rows, rows: Rows, title: str) -> figure.Figure:
  """Draws by how much each class does better than in another run.

  Of more classes than can be read, those that differ most are shown.

  Args:
    base: of the run that is compared with.
    rows: of the run.
    title: of one line.

  Raises:
    ValueError: if the runs have other classes.
  """
  names = [
    [(row['index'], row['class']) for row in each] for each in (base, rows)
  ]
  if names[0] != names[1]:
    odd = sorted(set(names[0]) ^ set(names[1]))[:3]
    raise ValueError(f'{title}: the runs have other classes, e.g. {odd}.')
  key = key_of(rows)
  gained = [
    {**row, 'gain': 100 * (row[key] - before[key])}
    for before, row in zip(base, rows)
  ]
  known = [row for row in gained if np.isfinite(row['gain'])]
  if not known:
    raise ValueError(f'{title}: no class is shown by the test.')
  values = np.array([row['gain'] for row in known])
  largest = sorted(known, key=lambda row: -abs(row['gain']))[:MOST]
  if len(largest) < len(known):
    title += f', the {MOST} most changed of {len(known)} classes'
  shown = _by_frequency(largest)
  picture, axes, means = _canvas(shown, title)
  groups = ava_labels.groups(_ids(rows))
  _draw_bars(axes, shown, [row['gain'] for row in shown], groups)
  axes.axhline(0, color='black', lw=0.8)
  axes.set_ylabel(f'gain in {_KEYS[key]}, points')
  _draw_means(means, rows, known, values, 'mean gain, points')
  return picture


def _by_frequency(rows: Rows) -> list[Mapping[str, Any]]:
  return sorted(rows, key=lambda row: (-row['train'], row['index']))


def _ids(rows: Rows) -> list[int]:
  return [int(row['index']) + 1 for row in rows]


def _canvas(rows: Rows, title: str):
  """Returns a picture with a panel of bars, and one of means."""
  width = max(4.0, _BAR * len(rows)) + 1.4
  below = _LETTER * max(len(short(row['class'])) for row in rows)
  picture = figure.Figure((width + 3.0, 3.2 + below), layout='constrained')
  axes, means = picture.subplots(1, 2, width_ratios=(width, 2.6))
  axes.set_title(title, fontsize=10, loc='left')
  return picture, axes, means


def _draw_bars(axes, rows: Rows, heights, groups) -> None:
  """Draws bars in the colours of their groups, and their frequency."""
  group_of = {i: name for name, ids in groups.items() for i in ids}
  colours = dict(zip(groups, style.COLOURS))
  bars = [colours.get(group_of.get(i), style.COLOURS[0]) for i in _ids(rows)]
  places = np.arange(len(rows))
  axes.bar(places, heights, color=bars, width=0.75)
  names = [short(row['class']) for row in rows]
  axes.set_xticks(places, names, rotation=90, fontsize=8)
  axes.set_xlim(-0.8, len(rows) - 0.2)
  axes.grid(axis='y', alpha=0.25, lw=0.5)
  axes.set_axisbelow(True)
  counts = np.array([row['train'] for row in rows])
  other = axes.twinx()
  other.plot(places, np.maximum(counts, 0.5), '.', color='black', ms=3)
  other.set_yscale('log')
  other.set_ylabel('training examples (dots)', fontsize=9)
  if groups:
    shown = [name for name in groups if name in map(group_of.get, _ids(rows))]
    axes.legend(
      handles=[
        patches.Patch(color=colours[name], label=name) for name in shown
      ],
      fontsize=8,
      frameon=False,
      ncols=len(shown),
      loc='lower right',
      bbox_to_anchor=(1, 1),
    )


def _draw_means(axes, every: Rows, rows: Rows, values, label: str) -> None:
  """Draws the mean over all classes, over groups, and over types.

  Args:
    axes: to draw on.
    every: class there is, by which AVA's are known.
    rows: the classes that have a value.
    values: [len(rows)].
    label: what the means are of.
  """
  groups = ava_labels.groups(_ids(every))
  ids = np.array(_ids(rows))
  sets = {'all classes': tuple(ids), **groups}
  sets |= ava_labels.types(_ids(every))
  means = {}
  for name, members in sets.items():
    picked = np.isin(ids, members)
    if picked.any():
      means[f'{name} ({picked.sum()})'] = (name, values[picked].mean())
  colours = dict(zip(groups, style.COLOURS))
  places = np.arange(len(means))[::-1]
  bars = axes.barh(
    places,
    [mean for _, mean in means.values()],
    color=[colours.get(name, style.GREY) for name, _ in means.values()],
    height=0.6,
  )
  axes.bar_label(
    bars, [f' {mean:.1f} ' for _, mean in means.values()], fontsize=8
  )
  axes.set_yticks(places, list(means), fontsize=8)
  axes.set_ylim(-0.7, max(len(means), 3) - 0.3)
  axes.set_xlabel(label, fontsize=9)
  axes.axvline(0, color='black', lw=0.8)
  axes.margins(x=0.25)
