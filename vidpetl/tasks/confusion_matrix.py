"""The picture of what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epy

from vidpetl.data.names import shown
from vidpetl.metrics import confusion

with epy.lazy_imports():  # Pictures are drawn when a run ends.
  from matplotlib import figure

MOST = 24  # Of more classes the most confused ones are shown alone.
_LONGEST = 44  # letters of a name
_CELL = 0.36  # inches
_LETTER = 0.085


def draw(counts: np.ndarray, names: Sequence[str]) -> figure.Figure:
  """Draws the share of each true class that is taken for each class.

  Args:
    counts: int [c, c]; rows are true classes. Shares are of a row's sum, also
      where the row is not shown as a whole.
    names: of the c classes.
  """
  total = counts.sum(1, keepdims=True)
  shares = 100 * counts / np.maximum(total, 1)
  chosen = np.arange(len(counts))
  title = f'{total.sum():,} examples'
  if len(counts) > MOST:
    chosen = confusion.most_confused(counts, MOST)
    if not len(chosen):  # Nothing is confused.
      chosen = np.arange(MOST)
    title = f'the {len(chosen)} most confused of {len(counts)} classes, {title}'
  labels = [short(names[i]) for i in chosen]
  shares, total = shares[np.ix_(chosen, chosen)], total[chosen, 0]
  side = max(_CELL * len(chosen), 2.0)
  beside = _LETTER * max(len(label) + 7 for label in labels)
  picture = figure.Figure(
    (side + beside + 1.4, side + beside + 0.8), dpi=100, layout='constrained'
  )
  axes = picture.subplots()
  image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=100)
  axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=8)
  rows = [f'{label} ({n:,})' for label, n in zip(labels, total)]
  axes.set_yticks(range(len(rows)), rows, fontsize=8)
  axes.set_xlabel('taken for')
  axes.set_ylabel('true class (examples)')
  axes.set_title(title, fontsize=9)
  _write_numbers(axes, shares)
  bar = picture.colorbar(image, shrink=min(1.0, 3 / side))
  bar.set_label('% of the true class', fontsize=8)
  return picture


def _write_numbers(axes, shares: np.ndarray) -> None:
  for row, column in zip(*np.nonzero(shares)):
    value = shares[row, column]
    axes.text(
      column,
      row,
      f'{value:.0f}',
      ha='center',
      va='center',
      fontsize=7.5,
      color='white' if value > 55 else 'black',
    )


def short(name: str) -> str:
  """Returns a name that is not too long for a picture, and prints."""
  name = shown(name).replace('\n', ' ').replace('$', r'\$')
  return name if len(name) <= _LONGEST else f'{name[: _LONGEST - 1]}…'
