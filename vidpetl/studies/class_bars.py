"""Figures of each class: of a run, and what one run gains over another.

Co-finetuning's Figure 3 is `of_run` on AVA, and its Figure 1 `gain`: classes in
the order of their frequency in training, in groups of frequency, with the means
of groups and of types of action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure, ticker

from vidpetl.metrics import ava_labels
from vidpetl.studies import style
from vidpetl.tasks.confusion_matrix import short

# Classes that can be read in one picture.
MOST = 70
_BAR = 0.19  # inches
_LETTER = 0.075
_MEANS = 3.6  # the panel of means, with its labels
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

  Raises:
    ValueError: if the test shows none of the classes.
  """
  key = key_of(rows)
  valued = [{**row, 'value': 100 * row[key]} for row in rows]
  what = f'{_KEYS[key]}, %'
  return _draw(valued, lambda row: row['value'], 'lowest', title, what)


def gain(base: Rows, rows: Rows, title: str) -> figure.Figure:
  """Draws by how much each class does better than in another run.

  Of more classes than can be read, those that differ most are shown.

  Args:
    base: of the run that is compared with.
    rows: of the run.
    title: of one line.

  Raises:
    ValueError: if the runs have other classes, or the test shows none of them.
  """
  names = [
    [(row['index'], row['class']) for row in each] for each in (base, rows)
  ]
  if names[0] != names[1]:
    odd = sorted(set(names[0]) ^ set(names[1]))[:3]
    raise ValueError(f'{title}: the runs have other classes, e.g. {odd}.')
  key = key_of(rows)
  valued = [
    {**row, 'value': 100 * (row[key] - before[key])}
    for before, row in zip(base, rows)
  ]
  what = f'gain in {_KEYS[key]}, points'
  return _draw(
    valued, lambda row: -abs(row['value']), 'most changed', title, what
  )


def _draw(rows: Rows, first: Callable, of_many: str, title: str, what: str):
  """Draws the 'value' of each class that has one, its frequency, and means.

  Args:
    rows: all classes, by which AVA's are known.
    first: key of which classes are shown where there are too many.
    of_many: what those are called.
    title: of one line.
    what: the values are.
  """
  known = [row for row in rows if np.isfinite(row['value'])]
  if not known:
    raise ValueError(f'{title}: no class is shown by the test.')
  shown = sorted(known, key=first)[:MOST]
  if len(shown) < len(known):
    title += f', the {MOST} {of_many} of {len(known)} classes'
  shown.sort(key=lambda row: (-row['train'], row['index']))
  groups = ava_labels.groups(_ids(rows))
  colour_of = dict(zip(groups, style.COLOURS))
  means = {'all classes': _ids(known), **groups, **ava_labels.types(_ids(rows))}
  picture, panels = _canvas(shown, title, with_means=bool(groups))
  group_of = {i: name for name, ids in groups.items() for i in ids}
  colours = [
    colour_of.get(group_of.get(i), style.COLOURS[0]) for i in _ids(shown)
  ]
  _draw_bars(panels['bars'], shown, colours, what)
  _draw_counts(panels['counts'], shown)
  if groups:
    _draw_means(panels['means'], known, means, colour_of, f'mean {what}')
  else:
    mean = float(np.mean([row['value'] for row in known]))
    panels['bars'].axhline(mean, color='black', lw=0.8, ls=':')
    panels['counts'].set_title(
      f'mean over classes {_number(mean)} (dotted)', fontsize=8, loc='right'
    )
  return picture


def _ids(rows: Rows) -> list[int]:
  return [int(row['index']) + 1 for row in rows]


def _number(value: float) -> str:
  return f'{round(value, 1) + 0.0:.1f}'  # Without a sign in front of 0.


def _canvas(rows: Rows, title: str, with_means: bool):
  """Returns a picture and its panels 'counts', 'bars' and 'means'."""
  width = max(5.0, _BAR * len(rows) + 1.4)
  below = _LETTER * max(len(short(row['class'])) for row in rows)
  beside = _MEANS * with_means
  picture = figure.Figure((width + beside, 4.0 + below), layout='constrained')
  picture.suptitle(title, fontsize=10, x=0.01, ha='left')
  panels = picture.subplot_mosaic(
    [[name, 'means'][: 1 + with_means] for name in ('counts', 'bars')],
    width_ratios=(width, beside)[: 1 + with_means],
    height_ratios=(1, 3),
  )
  return picture, panels


def _draw_bars(axes, rows: Rows, colours: Sequence[str], what: str) -> None:
  places = np.arange(len(rows))
  heights = [row['value'] for row in rows]
  axes.bar(places, heights, color=colours, width=0.75)
  names = [short(row['class']) for row in rows]
  axes.set_xticks(places, names, rotation=90, fontsize=8)
  axes.set_xlim(-0.8, len(rows) - 0.2)
  axes.axhline(0, color='black', lw=0.8)
  axes.set_ylabel(what, fontsize=9)
  axes.grid(axis='y', alpha=0.25, lw=0.5)
  axes.set_axisbelow(True)


def _draw_counts(axes, rows: Rows) -> None:
  """Draws how often training shows each class, above the bars."""
  counts = np.maximum([row['train'] for row in rows], 0.5)
  axes.plot(np.arange(len(rows)), counts, 'o-', color=style.GREY, ms=3, lw=1)
  axes.set_yscale('log')
  axes.set_ylabel('training\nexamples', fontsize=9)
  axes.set_xlim(-0.8, len(rows) - 0.2)
  least, most = counts.min(), counts.max()
  axes.set_ylim(least / 2, 2 * most)
  # Two numbers that fit, whatever the range.
  numbers = [least, most] if most > 1.5 * least else [most]
  axes.set_yticks(numbers, [f'{number:,.0f}' for number in numbers])
  axes.yaxis.set_minor_locator(ticker.NullLocator())
  axes.set_xticks([])
  axes.grid(axis='y', alpha=0.25, lw=0.5)


def _draw_means(axes, rows: Rows, sets, colour_of, label: str) -> None:
  """Draws the mean over the classes of each set, by name."""
  ids = np.array(_ids(rows))
  values = np.array([row['value'] for row in rows])
  means = {}
  for name, members in sets.items():
    picked = np.isin(ids, members)
    if picked.any():
      means[name] = (int(picked.sum()), float(values[picked].mean()))
  places = np.arange(len(means))[::-1]
  bars = axes.barh(
    places,
    [mean for _, mean in means.values()],
    color=[colour_of.get(name, style.GREY) for name in means],
    height=0.6,
  )
  texts = [f' {_number(mean)} ' for _, mean in means.values()]
  axes.bar_label(bars, texts, fontsize=8)
  labels = [f'{name} ({count})' for name, (count, _) in means.items()]
  axes.set_yticks(places, labels, fontsize=8)
  axes.set_xlabel(label, fontsize=9)
  axes.axvline(0, color='black', lw=0.8)
  axes.margins(x=0.3)
