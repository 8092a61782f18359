"""YOLO's txt: a file for each frame, `class cx cy w h` on each line.

Documented at https://docs.ultralytics.com/datasets/detect/, and for the number
of a track (`save_txt` while tracking) at https://docs.ultralytics.com/modes/track/.

All but the class are fractions of the frame. A sixth column is the track if it
is a whole number, else a confidence; of seven, the last is the track. More are
the points of a polygon, and the box around is taken. The file's name says film
and frame. An empty file is a frame on which nobody does anything. Names are
those of data.yaml, classes.txt or obj.names beside or above, or of --names.
"""

from __future__ import annotations

from collections.abc import Sequence

from etils import epath

from vidpetl.data.annotations import text
from vidpetl.data.importers import (
  classes,
  contract,
  outlines,
  parsing,
  pictures,
)
from vidpetl.data.importers.contract import At, Shape
from vidpetl.data.importers.files import File

_NAMES = (
  'data.yaml',
  'data.yml',
  'classes.txt',
  'obj.names',
  '_darknet.labels',
)
_AIDS = (*_NAMES, 'train.txt', 'val.txt', 'valid.txt', 'test.txt', 'labels.txt')
_EXPECTED = 'class cx cy w h, and perhaps confidence and track'
# Fractions above this are pixels rather than rounding.
_MOST = 1.5


def _read(files: Sequence[File], reading: contract.Reading) -> None:
  reading.fractions = True
  frames = [file for file in files if FORMAT.takes(file)]
  numbered: list[tuple[int, Shape]] = []
  for file in frames:
    more = [file.path.parent.name]
    at = pictures.locate(file.path.name, reading, str(file.path), more)
    film = reading.films[at.film]
    film.place(file.split)
    reading.moments[at] = None
    for line, content in file.lines():
      numbered.append(_shape(content, f'{file.path}:{line}', at, file))
  names = _names(frames, {number for number, _ in numbered}, reading)
  for number, shape in numbered:
    if number in names:
      reading.shapes.append(contract.labelled(shape, names[number]))
    else:
      why = 'a label that the file of names does not have'
      reading.leave_out(shape.where, f'class {number}', why, shape.at)


def _shape(content: str, where: str, at: At, file: File) -> tuple[int, Shape]:
  """Returns the number of the class, and the box."""
  cells = content.split()
  if len(cells) < 5:
    raise text.fail(where, None, f'{len(cells)} columns', _EXPECTED)
  number = parsing.whole(cells[0], where, 'the class')
  values = [parsing.number(cell, where, 'a column') for cell in cells[1:]]
  tracked = len(values) in (5, 6) and values[-1].is_integer()
  track = cells[-1] if tracked and values[-1] >= 1 else ''
  if len(values) <= 6 and not (len(values) == 6 and not track):
    x, y, w, h = values[:4]
    corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
  elif len(values) % 2 == 0:
    corners = outlines.around(list(zip(values[::2], values[1::2])))
  else:
    raise text.fail(where, None, f'{len(cells)} columns', _EXPECTED)
  if max(map(abs, corners)) > _MOST:
    shown = ' '.join(cells[1:5])
    problem = f'the box {shown} is in pixels'
    raise text.fail(where, None, problem, 'fractions of width and height')
  return number, Shape(where, at, corners, track=track, file=at.film)


def _names(
  files: Sequence[File], used: set[int], reading: contract.Reading
) -> dict[int, str]:
  """Returns the names of classes by number."""
  path = reading.options.names or _beside(files)
  if not path:
    reading.note(
      f'No names of classes ({", ".join(_NAMES)}, or --names): they are '
      'numbers.'
    )
    names = {number: f'class {number}' for number in sorted(used)}
    reading.declare('label', names.values())
    return names
  names, said = classes.counted(classes.read(path), used, first=0)
  reading.note(f'Names of classes are those of {path}.')
  if said:
    reading.note(said)
  reading.declare('label', (names[number] for number in sorted(names)))
  return names


def _beside(files: Sequence[File]) -> epath.Path | None:
  """Returns the file of names in a folder of the files, or above it."""
  folders = dict.fromkeys(file.path.parent for file in files)
  for folder in folders:
    for place in [folder, *list(folder.parents)[:2]]:
      for name in _NAMES:
        if (place / name).is_file():
          return place / name
  return None


def _recognises(file: File) -> bool:
  cells = file.first_line.split()
  if not cells:
    return not file.start.strip()
  try:
    values = [float(cell) for cell in cells]
  except ValueError:
    return False
  return len(values) >= 5 and values[0].is_integer()


FORMAT = contract.Format(
  title="YOLO's txt, one for each frame",
  reads='boxes',
  suffixes=('.txt',),
  recognises=_recognises,
  read=_read,
  aids=_AIDS,
)
