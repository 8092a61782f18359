"""What became of every array of a file."""

from __future__ import annotations

import collections
import dataclasses

Shape = tuple[int, ...]

# What may be, and what is an error unless it was named.
FINE = ('matched', 'reshaped', 'resized', 'left out', 'new')
WRONG = ('missing', 'unexpected', 'wrong')

_SHOWN = 20  # Of each status, where a report is short.


@dataclasses.dataclass(frozen=True)
class Row:
  """One array.

  Attributes:
    status: of `FINE` or `WRONG`.
    theirs: its name in the file, '' if it is not there.
    ours: its names here, '' if there are none.
    before: its shape in the file.
    after: its shape here.
    note: why, or how.
  """

  status: str
  theirs: str = ''
  ours: str = ''
  before: Shape | None = None
  after: Shape | None = None
  note: str = ''

  def __str__(self) -> str:
    both = ' -> '.join(filter(None, (self.theirs, self.ours)))
    shapes = [s for s in (self.before, self.after) if s is not None]
    if self.before == self.after:
      shapes = shapes[:1]
    shown = ' -> '.join('x'.join(map(str, s)) or 'number' for s in shapes)
    note = f'  ({self.note})' if self.note else ''
    return f'{self.status:<10}  {both}  {shown}{note}'


@dataclasses.dataclass
class Report:
  """Rows, under a title, with notes about the file as a whole."""

  title: str
  rows: list[Row] = dataclasses.field(default_factory=list)
  notes: list[str] = dataclasses.field(default_factory=list)

  def add(self, status: str, **fields) -> None:
    if status not in FINE + WRONG:
      raise ValueError(status)
    self.rows.append(Row(status, **fields))

  @property
  def wrong(self) -> list[Row]:
    return [row for row in self.rows if row.status in WRONG]

  def summary(self) -> str:
    """Returns counts in one line: '150 matched, 2 left out'."""
    counts = collections.Counter(row.status for row in self.rows)
    said = [f'{counts[s]} {s}' for s in FINE + WRONG if counts[s]]
    return ', '.join(said) or 'nothing'

  def short(self) -> str:
    """Returns what is wrong or resized line by line, and the rest in sums."""
    lines = self._head()
    for status in (*WRONG, 'resized'):
      rows = [str(r) for r in self.rows if r.status == status]
      lines += rows[:_SHOWN]
      if len(rows) > _SHOWN:
        lines.append(f'{status:<10}  and {len(rows) - _SHOWN} more')
    for status in ('left out', 'new'):
      notes = collections.Counter(
        r.note for r in self.rows if r.status == status
      )
      lines += [
        f'{status:<10}  {count} arrays: {note}' for note, count in notes.items()
      ]
    return '\n'.join(lines)

  def whole(self) -> str:
    """Returns a line for every array."""
    return '\n'.join([*self._head(), *map(str, self.rows)])

  def _head(self) -> list[str]:
    return [self.title, *self.notes, self.summary()]
