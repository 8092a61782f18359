"""What each class came to, and what is taken for what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl import markup
from vidpetl.data import kinds
from vidpetl.metrics import ava_labels, confusion
from vidpetl.studies import class_bars
from vidpetl.studies.recorded import Recorded
from vidpetl.studies.report import chart

_SHOWN = 30  # rows of classes; the others unfold
_MOST = 24  # classes of a matrix; of more, the most confused
_FULL = 0.6  # share of a cell from which on its number is white
# Names of a class's figures, where they are.
_FIGURES = {'ap': 'AP', 'recall': 'accuracy', 'precision': 'precision'}
# The colour of --bar.
_HUE = '74 111 165'


def details(run: Recorded, task: str, kind: str) -> list[tuple[str, Callable]]:
  """Returns title and maker of each part that a kind of task has."""
  parts: list[tuple[str, Callable]] = []
  if kind == 'classification':
    parts.append(('What is taken for what', lambda: matrix(run, task)))
  if kinds.load(kind).has_classes:
    parts.append(('Each class', lambda: table(run.per_class(task))))
  if kind == 'quality':
    parts.append(('Predicted over true scores', lambda: scores(run, task)))
  if kind == 'unlabelled':
    parts.append(('Answers', lambda: answers(run, task)))
  return parts


def matrix(run: Recorded, task: str) -> list[str]:
  """Returns the confusion matrix of a classification.

  Raises:
    ValueError: if there are no predictions on file.
  """
  arrays = run.arrays(task)
  counts = confusion.counts(arrays['labels'], arrays['scores'])
  return confusions(counts, arrays['classes'].tolist())


def confusions(counts: np.ndarray, names: Sequence[str]) -> list[str]:
  """Returns a matrix of the shares of each true class.

  Args:
    counts: int [c, c]; rows are true classes.
    names: of the c classes.
  """
  chosen, told = np.arange(len(counts)), ''
  if len(counts) > _MOST:
    found = confusion.most_confused(counts, _MOST)
    chosen = found if len(found) else chosen[:_MOST]
    told = f'The {len(chosen)} most confused of {len(counts):,} classes. '
  totals = counts.sum(1)
  head = ''.join(
    f'<th><span>{markup.text(names[i])}</span></th>' for i in chosen
  )
  lines = [f'<tr><th></th>{head}</tr>']
  for i in chosen:
    cells = ''.join(
      _share(counts[i, j], totals[i], bool(i == j)) for j in chosen
    )
    lines.append(
      f'<tr><th>{markup.text(names[i])} <span class="dim">{totals[i]:,}</span>'
      f'</th>{cells}</tr>'
    )
  return [
    f'<p class="dim">{told}Each row is a true class with its number of '
    'examples; its cells are how many percent of them are taken for each '
    'class.</p>',
    f'<div class="wide"><table class="matrix">{"".join(lines)}</table></div>',
  ]


def _share(count: int, total: int, is_right: bool) -> str:
  share = count / max(total, 1)
  kind = ' '.join(
    name
    for name, holds in (('full', share >= _FULL), ('right', is_right))
    if holds
  )
  number = f'{100 * share:.0f}' if count else ''
  return (
    f'<td class="{kind}" title="{count:,} of {total:,}" '
    f'style="background:rgb({_HUE}/{share:.2f})">{number}</td>'
  )


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
  """Returns the figures of each class, the most frequent in training first.

  Args:
    rows: of per_class/<task>.<step>.csv.
  """
  key = class_bars.key_of(rows)
  names = {k: v for k, v in _FIGURES.items() if k in rows[0]}
  order = sorted(rows, key=lambda row: (-row['train'], row['index']))
  head = ['class', 'training', 'test', *names.values()]
  cells = ''.join(f'<th>{name}</th>' for name in head)
  lines = [_row(row, list(names), key) for row in order]
  parts = [*_means(rows, key)]
  parts.append(
    markup.fold(
      [f'<tr>{cells}<th></th></tr>', *lines], _SHOWN + 1, 'rarer ones', 'bars'
    )
  )
  return parts


def _row(row: Mapping[str, Any], names: Sequence[str], key: str) -> str:
  cells = [f'{row["train"]:,}', f'{row["truth"]:,}']
  cells += [_percent(row[name]) for name in names]
  known = np.isfinite(row[key])
  width = 100 * row[key] if known else 0
  bar = f'<i style="width:{width:.1f}%"></i>' if known else ''
  inner = ''.join(f'<td>{cell}</td>' for cell in cells)
  return (
    f'<tr class="{"" if known else "none"}"><td>{markup.text(row["class"])}'
    f'</td>{inner}<td class="bar">{bar}</td></tr>'
  )


def _percent(value: float) -> str:
  return f'{100 * value:.1f}' if np.isfinite(value) else '–'


def _means(rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
  """Returns means over AVA's groups and types, where the classes are AVA's."""
  ids = [int(row['index']) + 1 for row in rows]
  sets = {**ava_labels.groups(ids), **ava_labels.types(ids)}
  value = {
    i: row[key]
    for i, row in zip(ids, rows, strict=True)
    if np.isfinite(row[key])
  }
  if not sets:
    mean = 100 * float(np.mean([*value.values()] or [np.nan]))
    return [f'<p class="dim">Mean over classes: {mean:.1f}</p>']
  sets = {'all classes': tuple(ids), **sets}
  lines = []
  for name, members in sets.items():
    known = [value[i] for i in members if i in value]
    if known:
      mean = 100 * float(np.mean(known))
      lines.append(
        f'<tr><td>{markup.text(name)}</td><td>{len(known)}</td>'
        f'<td>{mean:.1f}</td><td class="bar"><i class="val" '
        f'style="width:{mean:.1f}%"></i></td></tr>'
      )
  head = f'<tr><th>mean of</th><th>classes</th><th>{_FIGURES[key]}</th></tr>'
  return [markup.fold([head, *lines], len(lines) + 1, '', 'bars')]


def gain(
  base: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> list[str]:
  """Returns by how much each class does better than in another run.

  Args:
    base: of the run that is compared with.
    rows: of the run.

  Raises:
    ValueError: if the runs have other classes.
  """
  classes = [[(r['index'], r['class']) for r in each] for each in (base, rows)]
  if classes[0] != classes[1]:
    odd = sorted(set(classes[0]) ^ set(classes[1]))[:3]
    raise ValueError(f'The runs have other classes, e.g. {odd}.')
  key = class_bars.key_of(rows)
  found = [
    (row['class'], 100 * before[key], 100 * row[key])
    for before, row in zip(base, rows)
    if np.isfinite(before[key]) and np.isfinite(row[key])
  ]
  found.sort(key=lambda each: each[1] - each[2])
  largest = max([1e-9, *(abs(after - before) for _, before, after in found)])
  lines = [_gain(*each, largest) for each in found]
  head = (
    f'<tr><th>class</th><th>before</th><th>{_FIGURES[key]}</th><th>gain</th>'
    '<th></th></tr>'
  )
  return [markup.fold([head, *lines], _SHOWN + 1, 'more', 'bars')]


def _gain(name: str, before: float, after: float, largest: float) -> str:
  change = after - before
  width = 50 * abs(change) / largest
  side = 'class="up"' if change >= 0 else 'class="down"'
  shift = '' if change >= 0 else f'margin-left:{50 - width:.1f}%;'
  bar = f'<i {side} style="{shift}width:{width:.1f}%"></i>' if change else ''
  return (
    f'<tr><td>{markup.text(name)}</td><td>{before:.1f}</td><td>{after:.1f}</td>'
    f'<td>{change + 0.0:+.1f}</td><td class="bar gain">{bar}</td></tr>'
  )


def scores(run: Recorded, task: str) -> list[str]:
  """Returns predicted scores of performances over true ones.

  Raises:
    ValueError: if there are no predictions on file.
  """
  rows = run.predictions(task)
  truth, said = (
    np.array([float(row[name]) for row in rows])
    for name in ('truth', 'predicted')
  )
  known = np.isfinite(said)
  picture = chart.scatter(
    f'{known.sum():,} performances',
    truth[known],
    said[known],
    [row['id'] for row, holds in zip(rows, known) if holds],
    ('true score', 'predicted score; dashed where both are the same'),
  )
  return [f'<div class="charts">{picture}</div>']


def answers(run: Recorded, task: str) -> list[str]:
  """Returns what a pretext task answered to each of its questions.

  Raises:
    ValueError: if its predictions are not questions with answers.
  """
  rows = run.predictions(task)
  questions = [
    name.removeprefix('truth_') for name in rows[0] if name[:6] == 'truth_'
  ]
  if not questions:
    raise ValueError('This task has shares alone, and no answers to compare.')
  parts = []
  for question in questions:
    truth, said = (
      np.array([int(row[f'{of}_{question}']) for row in rows])
      for of in ('truth', 'answer')
    )
    size = int(max(truth.max(), said.max())) + 1
    counts = np.bincount(truth * size + said, minlength=size * size)
    name = markup.text(question)
    parts.append(f'<h4>{name} <span class="dim">counted from 0</span></h4>')
    parts += confusions(counts.reshape(size, size), [*map(str, range(size))])
  return parts
