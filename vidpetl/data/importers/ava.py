"""AVA's csv, which is vidpetl's: `video,seconds,x1,y1,x2,y2,action,person`.

Documented at https://research.google.com/ava/download.html.

Boxes are fractions of the frame; the last column may be left out, and a row
`video,seconds` is a moment at which nobody does anything. With a label map as
--names, actions have its names. Importing it checks, splits and thins out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vidpetl.data.annotations import text
from vidpetl.data.importers import classes, contract, parsing
from vidpetl.data.importers.contract import At, Shape
from vidpetl.data.importers.files import File

_COLUMNS = ('video', 'seconds', 'x1', 'y1', 'x2', 'y2', 'action')
_ROW = re.compile(r'[^,]+(,-?[\d.]+(e-?\d+)?){5},\d+(,[^,]*)?|[^,]+,[\d.]+')


def _read(files: Sequence[File], reading: contract.Reading) -> None:
  reading.fractions = True
  names = {}
  if reading.options.names:
    names = classes.read(reading.options.names, first=1)
    reading.declare('label', (names[number] for number in sorted(names)))
  for file in files:
    for line, row in file.rows():
      _row(row, f'{file.path}:{line}', names, file, reading)


def _row(
  row: list[str],
  where: str,
  names: dict[int, str],
  file: File,
  reading: contract.Reading,
) -> None:
  if len(row) not in (2, 7, 8):
    problem = f'{len(row)} columns'
    raise text.fail(where, None, problem, ','.join(_COLUMNS) + ',person')
  film = reading.film([row[0]], where)
  film.place(file.split)
  values = [
    parsing.number(cell, where, name)
    for cell, name in zip(row[1:], _COLUMNS[1:])
  ]
  at = At(film.name, None, values[0])
  reading.moments[at] = None
  if len(row) > 2:
    action = parsing.whole(values[5], where, 'action')
    label = names.get(action, f'action {action:03d}')
    track = row[7] if len(row) > 7 else ''
    reading.shapes.append(
      Shape(where, at, tuple(values[1:5]), label, {}, track, str(file.path))
    )


FORMAT = contract.Format(
  title="AVA's csv of boxes",
  reads='boxes',
  suffixes=('.csv',),
  recognises=lambda file: bool(_ROW.fullmatch(file.first_line)),
  read=_read,
)
