"""What a user may have overlooked in how clips are labelled and split."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from vidpetl.data import names

_NAMED = 5  # of what a sentence lists

# What notes on clips of both splits, and on classes, begin with: whoever counts
# these himself need not pass them on.
IN_BOTH = 'clips of val that are, in whole or in part, in train as well'
WITHOUT = 'classes without a clip'


@dataclasses.dataclass(frozen=True)
class Row:
  """A clip as a table or a folder has it.

  Attributes:
    file: that is shown; the same text for the same file.
    labels: names of its classes.
    split: 'train', 'val', another, or '' for none.
    where: the line, or the path, that says so.
    start: second at which it begins.
    end: second at which it ends; infinite at the end of the file.
  """

  file: str
  labels: tuple[str, ...]
  split: str
  where: str
  start: float = 0.0
  end: float = float('inf')

  def with_split(self, split: str) -> Row:
    """Returns the same clip in another split."""
    return dataclasses.replace(self, split=split)


def some(items: Iterable[str]) -> str:
  """Returns the first of some names, and how many more there are."""
  items = list(items)
  more = len(items) - _NAMED
  return ', '.join(items[:_NAMED]) + (f' and {more} more' if more > 0 else '')


def require_one_label(rows: Iterable[Row]) -> None:
  """Refuses a clip that is labelled in two ways.

  Raises:
    ValueError: naming both places.
  """
  first: dict[tuple, Row] = {}
  for row in rows:
    other = first.setdefault((row.file, row.start, row.end), row)
    if other.labels != row.labels:
      labels = ' and '.join(repr('|'.join(r.labels)) for r in (other, row))
      raise ValueError(
        f'{other.where} and {row.where}: one clip is labelled {labels}; keep '
        "one of them, or write both in one label, 'a|b', for task=multilabel"
      )


def notes(rows: Sequence[Row], classes: Iterable[str] = ()) -> tuple[str, ...]:
  """Returns what is to be said of how rows are split, a sentence each.

  Args:
    rows: of all splits.
    classes: that there are, also those without a clip.
  """
  return (
    *_in_both(rows),
    *_of_one_split(rows, classes),
    *_in_neither(rows),
  )


def _in_both(rows: Sequence[Row]) -> Iterator[str]:
  """Finds clips that are trained on and evaluated."""
  by_file: dict[str, list[Row]] = collections.defaultdict(list)
  for row in rows:
    if row.split in ('train', 'val'):
      by_file[row.file].append(row)
  found = [
    f'{row.where} ({other.where} is in {other.split})'
    for group in by_file.values()
    for row, other in _overlaps(group)
  ]
  if found:
    yield (
      f'{IN_BOTH}, {len(found)} in all, so that the evaluation flatters: '
      f'{some(found)}'
    )


def _overlaps(rows: list[Row]) -> Iterator[tuple[Row, Row]]:
  """Yields the rows of val that share time with one of train, and that one."""
  if len({row.split for row in rows}) < 2:
    return
  reached: dict[str, Row] = {}
  told = set()
  for row in sorted(rows, key=lambda row: row.start):
    other = reached.get('train' if row.split == 'val' else 'val')
    if other and row.start < other.end:
      val, train = (row, other) if row.split == 'val' else (other, row)
      if val not in told:
        told.add(val)
        yield val, train
    latest = reached.get(row.split)
    if latest is None or latest.end < row.end:
      reached[row.split] = row


def _of_one_split(rows: Sequence[Row], classes: Iterable[str]) -> Iterator[str]:
  """Finds classes that are not both trained and evaluated."""
  counts = {
    split: collections.Counter(
      label for row in rows if row.split == split for label in row.labels
    )
    for split in ('train', 'val')
  }
  if not all(counts.values()):
    return
  known = names.ordered({*classes, *counts['train'], *counts['val']})
  for split, other, means in (
    ('train', 'val', 'no answer of the model can be right for them'),
    ('val', 'train', 'nothing is measured of them'),
  ):
    found = [
      f'{name} ({counts[other][name]} in {other})'
      for name in known
      if not counts[split][name] and counts[other][name]
    ]
    if found:
      yield f'{WITHOUT} in {split}: {some(found)}; {means}'
  if nowhere := [n for n in known if not any(c[n] for c in counts.values())]:
    yield f'{WITHOUT}: {some(nowhere)}'


def _in_neither(rows: Sequence[Row]) -> Iterator[str]:
  """Counts the clips of further splits."""
  others: dict[str, list[str]] = collections.defaultdict(list)
  for row in rows:
    if row.split not in ('train', 'val', ''):
      others[row.split].append(row.where)
  for split, found in sorted(others.items()):
    yield (
      f'{len(found)} clips of the split {split!r} are neither trained nor '
      f'evaluated, unless split={split!r} asks for them: {some(found)}'
    )
