"""Rows of papers' tables as data.

A config lists the rows that it stands for once, as `ROWS`. Its docstring, the
page of the documentation and a test over `describe` are made from the list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vidpetl import tables


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table, and the command that stands for it.

  Attributes:
    table: of the paper, 'V-PETL, Table 2'.
    argument: of the config file.
    reported: metric -> number, as printed.
    printed: trained parameters as printed, '1.35M'; '' where none are.
    trained: how many train here; None is not counted.
    note: why a number is not the printed one, or what is a choice.
    epochs: of the run.
    batch: clips a step.
    rate: learning rate, after the warm-up.
    frames: of a clip.
    stride: between its frames, at the dataset's frame rate; 0 where frames are
      not sampled in even steps from a random place.
    views: (clips, crops) of a test.
    augmentation: of training clips, in words.
    head: whether the head trains.
  """

  table: str
  argument: str
  reported: Mapping[str, float] = dataclasses.field(default_factory=dict)
  printed: str = ''
  trained: int | None = None
  note: str = ''
  epochs: float = 0.0
  batch: int = 0
  rate: float = 0.0
  frames: int = 0
  stride: float = 0.0
  views: tuple[int, int] = (1, 1)
  augmentation: str = ''
  head: bool = True


def make(shared: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]):
  """Returns rows that have most in common, as a tuple.

  Args:
    shared: fields of all of them.
    rows: what each has beside or instead.
  """
  return tuple(Row(**{**shared, **row}) for row in rows)


def of_clips(
  arguments: Iterable[str],
  printed: str,
  top1: float | None,
  notes: Iterable[str],
  frames: int,
  stride: float,
) -> dict[str, Any]:
  """Returns what a row of a table of top-1 on clips has of its own.

  Args:
    arguments: of the config; empty ones are left out.
    printed: trained parameters.
    top1: as printed, None where it is not known.
    notes: of which a row has one or none.
    frames: of a clip.
    stride: between them, 0 where they are sampled otherwise.
  """
  return {
    'argument': ','.join(filter(None, arguments)),
    'printed': printed,
    'reported': {} if top1 is None else {'top-1': top1},
    'note': ''.join(notes),
    'frames': frames,
    'stride': stride,
  }


def text(rows: Iterable[Row]) -> str:
  """Returns rows as a docstring has them, table by table."""
  lines = []
  for table, members in _by_table(rows):
    lines += [f'{table}:', *(f'  {line}' for line in _table(members)), '']
  return '\n'.join(lines).rstrip()


def document(docstring: str | None, rows: Iterable[Row]) -> str:
  """Returns a docstring with its '{rows}' replaced by the rows."""
  return (docstring or '').replace('{rows}', text(rows))


def markdown(config: str, rows: Iterable[Row]) -> str:
  """Returns the rows of a config file for a page of the documentation."""
  parts = []
  for table, members in _by_table(rows):
    cells = [
      (
        f'`{config}:{row.argument}`' if row.argument else f'`{config}`',
        row.printed,
        '' if row.trained is None else f'{row.trained:,}',
        _reported(row),
        f'{row.epochs:g} / {row.batch} / {row.rate:g}',
        _clips(row),
        'yes' if row.head else 'no',
        row.note,
      )
      for row in members
    ]
    augmentations = dict.fromkeys(row.augmentation for row in members)
    parts += [
      f'### {table}',
      tables.markdown(*_filled(_HEADER, cells)),
      'Training clips: ' + '; '.join(filter(None, augmentations)) + '.',
    ]
  return '\n\n'.join(parts)


_HEADER = (
  *('config', 'printed', 'counted', 'reported', 'epochs / batch / rate'),
  *('frames x stride, clips x crops', 'head trains', 'note'),
)


def _filled(
  header: Sequence[str], cells: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
  """Returns a table without its empty columns."""
  kept = [i for i in range(len(header)) if any(row[i] for row in cells)]
  return [header[i] for i in kept], [[row[i] for i in kept] for row in cells]


def _by_table(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
  grouped: dict[str, list[Row]] = {}
  for row in rows:
    grouped.setdefault(row.table, []).append(row)
  return list(grouped.items())


def _table(rows: list[Row]) -> list[str]:
  cells = [
    (row.argument or '(none)', row.printed, _reported(row), row.note)
    for row in rows
  ]
  return tables.columns(cells, '<>><').split('\n')


def _clips(row: Row) -> str:
  frames = f'{row.frames} x {row.stride:g}' if row.stride else str(row.frames)
  return f'{frames}, {row.views[0]} x {row.views[1]}'


def _reported(row: Row) -> str:
  values = list(row.reported.values())
  if len(values) == 1:
    return str(values[0])
  return ', '.join(f'{name} {value}' for name, value in row.reported.items())
