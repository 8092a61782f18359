"""Version 3 of VIA: shapes and spans of time in videos."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vidpetl.data.annotations import text
from vidpetl.data.importers import (
  actions,
  contract,
  outlines,
  parsing,
  pictures,
)
from vidpetl.data.importers.contract import At, Clip, Shape
from vidpetl.data.importers.files import File

_COLUMNS = (
  *('metadata_id', 'file_list', 'flags', 'temporal_coordinates'),
  *('spatial_coordinates', 'metadata'),
)
_HEADER = re.compile(
  r'^[\s"#]*(?:CSV_HEADER\s*=\s*)?metadata_id,', re.MULTILINE
)
_ATTRIBUTES = re.compile(r'^#\s*ATTRIBUTES?\s*=\s*(.*)$')
_POINT, _RECTANGLES, _CIRCLES, _ELLIPSE = 1, (2, 8), (3, 9), 4


def recognises(file: File) -> bool:
  """Returns whether a csv or json is version 3's."""
  if file.path.suffix.lower() == '.csv':
    return bool(_HEADER.search(file.start))
  return {'file', 'metadata', 'view'} <= file.outline.keys()


def read(file: File, reading: contract.Reading) -> None:
  """Reads a csv or a project's json."""
  if file.path.suffix.lower() == '.csv':
    attributes, rows = _rows(file)
  else:
    attributes, rows = _objects(file)
  options = _options(attributes, reading)
  for where, name, z, xy, av in rows:
    _add(file, where, name, (z, xy), _named(av, attributes, options), reading)


def _add(file: File, where: str, name: str, place, values, reading) -> None:
  """Adds a shape, or a span of time."""
  z, xy = place
  if not z and not xy:
    what = ', '.join(f'{n}={"+".join(v)}' for n, v in values.items())
    reading.leave_out(where, what, 'values of a whole file')
    return
  if not xy:
    labels = actions.of_span(values, reading.options.action)
    if len(z) != 2:
      reading.leave_out(where, f'time {z}', 'neither a span nor a box')
      return
    reading.clips.append(Clip(where, name, labels, file.split, *z))
    return
  at = _at(name, z, where, reading)
  film = reading.films[at.film]
  film.place(file.split)
  reading.moments[at] = None
  corners = _corners(xy, where)
  if corners is None:
    reading.leave_out(where, f'shape {xy}', 'a shape without area', at)
    return
  reading.shapes.append(
    Shape(where, at, corners, attributes=values, file=str(file.path))
  )


def _at(name: str, z: list[float], where: str, reading: contract.Reading) -> At:
  """Returns the moment of a shape; in a picture, its name says it."""
  if not z:
    return pictures.locate(name, reading, where)
  if len(z) > 1:
    reading.note('A box with a span of time is put at the middle of the span.')
  film = reading.film([pictures.film(name)], where)
  return At(film.name, None, sum(z) / len(z))


def _rows(file: File) -> tuple[dict[str, Any], Iterator[tuple]]:
  """Returns attributes, and (where, file, z, xy, av) of the rows of a csv."""
  attributes: dict[str, Any] = {}
  header = list(_COLUMNS)
  for _, line in file.lines():
    if match := _ATTRIBUTES.match(line):
      attributes = _json(match[1], str(file.path), 'ATTRIBUTE', dict)
    if _HEADER.match(line):
      cells = line.strip('"').split(',')
      header = [re.sub(r'^.*=\s*|^#\s*', '', c).strip(' "') for c in cells]
      break
  missing = [name for name in _COLUMNS if name not in header]
  if missing:
    problem = f'no column {", ".join(missing)}'
    raise text.fail(file.path, None, problem, ','.join(_COLUMNS))
  return attributes, _cells(file, header)


def _cells(file: File, header: list[str]) -> Iterator[tuple]:
  for line, row in file.rows(comment='#'):
    if row[0].strip() == 'metadata_id':
      continue
    where = f'{file.path}:{line}'
    if len(row) < len(_COLUMNS):
      expected = f'{len(_COLUMNS)}: {",".join(_COLUMNS)}'
      raise text.fail(where, None, f'{len(row)} columns', expected)
    cells = dict(zip(header, row))
    names = _json(cells['file_list'], where, 'file_list', list)
    if not names:
      raise text.fail(where, None, 'file_list is empty', 'the name of a file')
    yield (
      where,
      str(names[0]),
      _numbers(cells, 'temporal_coordinates', where),
      _numbers(cells, 'spatial_coordinates', where),
      _json(cells['metadata'], where, 'metadata', dict),
    )


def _numbers(cells: Mapping[str, str], name: str, where: str) -> list[float]:
  values = _json(cells[name], where, name, list)
  return [parsing.number(value, where, name) for value in values]


def _json(cell: str, where: str, field: str, kind: type) -> Any:
  try:
    found = json.loads(cell or ('[]' if kind is list else '{}'))
  except json.JSONDecodeError as error:
    problem = f'{field} is no json ({error.msg}): {cell[:40]!r}'
    raise text.fail(
      where, None, problem, 'an export of VIA that no other program changed'
    ) from None
  if not isinstance(found, kind):
    expected = 'a list' if kind is list else 'an object'
    raise text.fail(where, None, f'{field} is {cell[:40]!r}', expected)
  return found


def _objects(file: File) -> tuple[dict[str, Any], Iterator[tuple]]:
  """Returns attributes, and (where, file, z, xy, av) of a project's json."""
  document = file.document()
  attributes = parsing.mapping(
    document.get('attribute'), str(file.path), 'attribute'
  )
  return attributes, _metadata(file, document)


def _metadata(file: File, document: Mapping[str, Any]) -> Iterator[tuple]:
  views, files, metadata = (
    parsing.mapping(document.get(field), str(file.path), field)
    for field in ('view', 'file', 'metadata')
  )
  for key, each in metadata.items():
    where = f'{file.path}: metadata {key}'
    try:
      number = str(views[str(each['vid'])]['fid_list'][0])
      name = str(files[number]['fname'])
    except (KeyError, IndexError, TypeError, AttributeError):
      problem = 'no file that it is of'
      raise text.fail(where, None, problem, 'vid, a view with a file') from None
    z, xy = (
      [
        parsing.number(value, where, field)
        for value in parsing.sequence(each.get(field), where, field)
      ]
      for field in ('z', 'xy')
    )
    yield where, name, z, xy, parsing.mapping(each.get('av'), where, 'av')


def _options(
  attributes: Mapping[str, Any], reading: contract.Reading
) -> dict[str, dict[str, str]]:
  """Returns number of an attribute -> its options, and declares them."""
  found = {}
  for number, attribute in attributes.items():
    if isinstance(attribute, dict):
      options = attribute.get('options')
      found[number] = options if isinstance(options, dict) else {}
      if attribute.get('type') != 1:
        reading.declare(_name(attribute, number), found[number].values())
  return found


def _name(attribute: Any, number: str) -> str:
  if isinstance(attribute, dict):
    return parsing.one_line(attribute.get('aname') or number)
  return parsing.one_line(attribute)


def _named(
  av: Mapping[str, Any],
  attributes: Mapping[str, Any],
  options: Mapping[str, Mapping[str, str]],
) -> dict[str, tuple[str, ...]]:
  """Returns the chosen values by the names of attributes.

  A value is the number of an option, numbers with commas between (checkboxes),
  or text.
  """
  found = {}
  for number, value in av.items():
    name = _name(attributes.get(number, number), number)
    known = options.get(number) or {}
    numbers = [each.strip() for each in str(value).split(',')]
    if known and all(each in known for each in numbers):
      found[name] = tuple(parsing.one_line(known[each]) for each in numbers)
    else:
      found[name] = parsing.chosen(name, value)
  return found


def _corners(xy: list[float], where: str) -> contract.Corners | None:
  """Returns the box around a shape; None of a point."""
  kind, *values = xy
  if kind == _POINT:
    return None
  if kind in _RECTANGLES and len(values) == 4:
    x, y, w, h = values
    return x, y, x + w, y + h
  if kind in _CIRCLES and len(values) == 3:
    x, y, radius = values
    return outlines.ellipse(x, y, radius, radius)
  if kind == _ELLIPSE and len(values) == 4:
    return outlines.ellipse(*values)
  if kind > _ELLIPSE and len(values) >= 4 and len(values) % 2 == 0:
    return outlines.around(list(zip(values[::2], values[1::2])))
  problem = f'shape {xy}'
  raise text.fail(where, None, problem, '[2, x, y, width, height]')
