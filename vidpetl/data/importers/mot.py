"""MOTChallenge's gt.txt: `frame,id,x,y,w,h,conf,class,visibility`.

Documented at https://motchallenge.net/instructions/ and in
https://arxiv.org/abs/1603.00831, section 3.

Frames count from 1. Boxes are in pixels and are taken as written (the devkit
counts pixels from 1, most tools that write the format do not). A row whose
`conf` is 0 is to be ignored, and so is one whose class is -1: both are left
out. So are rows whose id is -1: they are what a detector found (det.txt), and
no annotation. The tables of 2015 have ten columns, no class, and all are
'person'. Frame rate, size and film are those of seqinfo.ini beside the file or
above; names are those of labels.txt (CVAT writes it) or --names, else the
twelve of MOT16.
"""

from __future__ import annotations

import configparser
from collections.abc import Sequence

from etils import epath

from vidpetl.data.annotations import text
from vidpetl.data.importers import classes, contract, parsing, pictures
from vidpetl.data.importers.contract import At, Shape
from vidpetl.data.importers.files import File

_MOT16 = (
  *('Pedestrian', 'Person on vehicle', 'Car', 'Bicycle', 'Motorbike'),
  *('Non motorized vehicle', 'Static person', 'Distractor', 'Occluder'),
  *('Occluder on the ground', 'Occluder full', 'Reflection'),
)
_COLUMNS = ('frame', 'id', 'x', 'y', 'width', 'height', 'conf', 'class')
_EXPECTED = 'frame,id,x,y,w,h,conf,class,visibility'
_OF_2015 = 10
_AIDS = ('seqinfo.ini', 'labels.txt')


def _read(files: Sequence[File], reading: contract.Reading) -> None:
  reading.first = 1
  for file in files:
    if FORMAT.takes(file):
      film = _film(file, reading)
      rows = list(_rows(file, reading))
      names = _names(file, {number for _, number in rows}, reading)
      for (where, cells), number in rows:
        if number in names:
          label = names[number]
          reading.shapes.append(_shape(cells, where, film, label, file))
        else:
          why = 'a label that the file of names does not have'
          reading.leave_out(where, f'class {number}', why)


def _rows(file: File, reading: contract.Reading):
  """Yields ((where, numbers), class) of the rows that count."""
  for line, row in file.rows():
    where = f'{file.path}:{line}'
    if not 6 <= len(row) <= _OF_2015:
      raise text.fail(where, None, f'{len(row)} columns', _EXPECTED)
    cells = [
      parsing.number(cell, where, name) for cell, name in zip(row, _COLUMNS)
    ]
    what = f'frame {row[0]}, id {row[1]}'
    has_class = 7 < len(row) < _OF_2015
    if cells[1] < 0:
      reading.leave_out(where, what, f'id is {cells[1]:g}: a detection')
    elif len(cells) > 6 and cells[6] == 0:
      reading.leave_out(where, what, 'conf is 0: to be ignored')
    elif has_class and cells[7] < 0:
      reading.leave_out(where, what, f'class is {cells[7]:g}: none')
    else:
      number = parsing.whole(cells[7], where, 'class') if has_class else None
      yield (where, cells), number


def _shape(
  cells: Sequence[float], where: str, film: contract.Film, label: str, file
) -> Shape:
  frame = parsing.whole(cells[0], where, 'frame')
  if frame < 1:
    raise text.fail(where, None, f'frame {frame}', 'one from 1')
  x, y, w, h = cells[2:6]
  return Shape(
    where,
    At(film.name, frame),
    (x, y, x + w, y + h),
    label,
    track=f'{cells[1]:g}',
    file=str(file.path),
  )


def _near(file: File, name: str) -> epath.Path | None:
  """Returns a file beside this one or in the folder above."""
  for folder in (file.path.parent, file.path.parent.parent):
    if (folder / name).is_file():
      return folder / name
  return None


def _film(file: File, reading: contract.Reading) -> contract.Film:
  """Returns the film, with what seqinfo.ini says of it."""
  path = _near(file, 'seqinfo.ini')
  sequence: dict[str, str] = {}
  if path is not None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
      parser.read_string(text.read(path))
      sequence = dict(parser['Sequence'])
    except (configparser.Error, KeyError) as error:
      line = getattr(error, 'lineno', None)
      expected = '[Sequence] with name, frameRate, imWidth, imHeight'
      raise text.fail(path, line, 'no seqinfo', expected) from None
  folders = [file.path.parent.name, file.path.parent.parent.name]
  named = [sequence.get('name', ''), file.path.stem, *folders]
  film = reading.film(pictures.candidates(named), str(file.path))
  value = lambda name: parsing.number(
    sequence.get(name.lower(), '0'), str(path), name
  )
  film.fps, film.frames = value('frameRate'), int(value('seqLength'))
  film.size = value('imWidth'), value('imHeight')
  film.place(_split(file))
  return film


def _split(file: File) -> str:
  """Returns the split in which a sequence lies: MOT17/train/NAME/gt/gt.txt."""
  above = [File(folder / 'x').split for folder in list(file.path.parents)[:3]]
  return next(filter(None, above), '')


def _names(
  file: File, used: set[int | None], reading: contract.Reading
) -> dict[int | None, str]:
  """Returns the names of classes by number; None is that of no class."""
  if used <= {None}:
    reading.declare('label', ['person'])
    return {None: 'person'}
  path = reading.options.names or _near(file, 'labels.txt')
  if path:
    names, said = classes.counted(classes.read(path, first=1), used, first=1)
    reading.note(
      f'Names of classes are those of {path}.{" " * bool(said)}{said}'
    )
  else:
    names = dict(enumerate(_MOT16, 1))
    reading.note('Names of classes are those of MOT16.')
  reading.declare('label', (names[number] for number in sorted(names)))
  return names


def _recognises(file: File) -> bool:
  cells = file.first_line.split(',')
  try:
    values = [float(cell) for cell in cells]
  except ValueError:
    return False
  has_columns = 6 <= len(values) <= _OF_2015 and values[0].is_integer()
  return has_columns and values[1] >= 0  # A detection is of nobody.


FORMAT = contract.Format(
  title="MOTChallenge's gt.txt",
  reads='boxes',
  suffixes=('.txt',),
  recognises=_recognises,
  read=_read,
  aids=_AIDS,
)
