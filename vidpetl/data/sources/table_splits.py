"""Which split the rows of a table are in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from vidpetl.data import names, splits
from vidpetl.data.sources import oversights, videos

Rows = Sequence[tuple[int, dict[str, str]]]


def of_rows(
  rows: Rows, files: Sequence[str], groups: Sequence[Hashable], fraction: float
) -> list[str]:
  """Returns the split of each row: as its column says, or else by a share.

  Args:
    rows: all of a table, with their lines.
    files: of the rows. All rows of a file are in one split where a share is
      taken, and count as one of the group of its first row.
    groups: of the rows, e.g. their classes; of each, a share is in 'val'.
    fraction: the share.

  Returns:
    'train', 'val', 'test', another name in small letters, or '' for none.
  """
  if rows and 'split' in rows[0][1]:
    return [splits.role(row['split']) for _, row in rows]
  keys = [videos.without_suffix(names.clean(file)) for file in files]
  first: dict[str, Hashable] = {}
  for key, group in zip(keys, groups):
    first.setdefault(key, group)
  inside = splits.by_share(keys, [first[key] for key in keys], fraction)
  return ['val' if is_val else 'train' for is_val in inside]


def wanted(path: str, split: str, there: Iterable[str]) -> str:
  """Returns how the splits of a table call the one that is asked for.

  'test' is taken for 'val' where there is none.

  Args:
    path: of the table.
    split: as asked for, in any spelling.
    there: splits of the rows.

  Raises:
    ValueError: if the table has no such split.
  """
  there = sorted({*there} - {''})
  found = splits.role(split)
  if found == 'val' and test_is_val(there):
    return 'test'
  if found not in (*there, 'all'):
    raise ValueError(
      f'split={split!r} is not in {names.shown(path)}; there are {there}'
    )
  return found


def test_is_val(there: Iterable[str]) -> bool:
  """Returns whether a table has a split 'test', and none called 'val'."""
  there = set(there)
  return 'test' in there and 'val' not in there


def notes(
  rows: Sequence[oversights.Row], classes: Iterable[str] = ()
) -> tuple[str, ...]:
  """Returns what to say of the splits of a table, a sentence each."""
  said = []
  without = [row.where for row in rows if not row.split]
  if without:
    said.append(
      f'{len(without)} rows have no split, and are left out: '
      f'{oversights.some(without)}'
    )
  if test_is_val(row.split for row in rows):
    count = sum(row.split == 'test' for row in rows)
    said.append(
      f'no split is called val: the {count} rows of test are taken for it'
    )
    rows = [
      row.with_split('val') if row.split == 'test' else row for row in rows
    ]
  return (*said, *oversights.notes(rows, classes))
