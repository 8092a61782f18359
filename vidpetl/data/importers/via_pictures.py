"""Version 2 of VIA: regions of pictures."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vidpetl.data.annotations import text
from vidpetl.data.importers import contract, outlines, parsing, pictures
from vidpetl.data.importers.files import File

_COLUMNS = ('filename', 'region_shape_attributes', 'region_attributes')


def recognises(file: File) -> bool:
  """Returns whether a csv or json is version 2's."""
  if file.path.suffix.lower() == '.csv':
    return set(_COLUMNS) <= set(_header(re.split('[,;]', file.first_line)))
  return '_via_img_metadata' in file.outline or any(
    {'filename', 'regions'} <= inside for inside in file.outline.values()
  )


def read(file: File, reading: contract.Reading) -> None:
  """Reads a csv or json."""
  is_csv = file.path.suffix.lower() == '.csv'
  if not is_csv:
    _declare(file.document(), str(file.path), reading)
  for where, name, regions in _rows(file) if is_csv else _objects(file):
    at = pictures.locate(name, reading, where, [file.path.parent.name])
    film = reading.films[at.film]
    film.place(file.split)
    reading.moments[at] = None
    for place, shape, attributes in regions:
      corners = _corners(shape, place)
      if corners is None:
        kind = shape.get('name')
        reading.leave_out(place, f'a {kind}', 'a shape without area', at)
        continue
      chosen = {name: parsing.chosen(name, v) for name, v in attributes.items()}
      reading.shapes.append(
        contract.Shape(
          place, at, corners, attributes=chosen, file=str(file.path)
        )
      )


def _header(cells: list[str]) -> list[str]:
  # Version 1 has '#filename'.
  return [cell.strip().strip('"').lstrip('#') for cell in cells]


def _rows(file: File) -> Iterator[tuple[str, str, list]]:
  """Yields where, the picture's name, and its region, of a csv's rows."""
  rows = file.rows()
  header = _header(next(rows, (1, []))[1])
  for name in _COLUMNS:
    if name not in header:
      problem = f'no column {name}'
      raise text.fail(file.path, 1, problem, ','.join(_COLUMNS))
  for line, row in rows:
    where = f'{file.path}:{line}'
    if len(row) != len(header):
      expected = f'{len(header)} as in the header'
      raise text.fail(where, None, f'{len(row)} columns', expected)
    cells = dict(zip(header, row))
    shape = _object(cells[_COLUMNS[1]], where, _COLUMNS[1])
    attributes = _object(cells[_COLUMNS[2]], where, _COLUMNS[2])
    regions = [(where, shape, attributes)] if shape else []
    yield where, cells['filename'], regions


def _object(cell: str, where: str, field: str) -> dict[str, Any]:
  """Returns the json object that a cell holds."""
  try:
    found = json.loads(cell or '{}')
  except json.JSONDecodeError as error:
    problem = f'{field} is no json ({error.msg}): {cell[:40]!r}'
    raise text.fail(
      where, None, problem, 'an export of VIA that no other program changed'
    ) from None
  if not isinstance(found, dict):
    raise text.fail(where, None, f'{field} is {cell[:40]!r}', 'a json object')
  return found


def _pictures(document: Mapping[str, Any]) -> Mapping[str, Any]:
  """Returns the pictures of an export, or of a whole project."""
  return document.get('_via_img_metadata', document)


def _declare(
  document: Mapping[str, Any], where: str, reading: contract.Reading
) -> None:
  """Notes the options of attributes, which a project has."""
  mapping = functools.partial(parsing.mapping, where=where)
  declared = mapping(document.get('_via_attributes'), field='_via_attributes')
  for name, attribute in mapping(
    declared.get('region'), field='region'
  ).items():
    options = mapping(attribute, field=name).get('options')
    if isinstance(options, dict) and options:
      reading.declare(name, options)


def _objects(file: File) -> Iterator[tuple[str, str, list]]:
  """Yields where, the picture's name, and its regions, of a json."""
  found = _pictures(file.document())
  listed = parsing.mapping(found, str(file.path), '_via_img_metadata')
  for key, picture in listed.items():
    where = f'{file.path}: {key}'
    if not isinstance(picture, dict) or not picture.get('filename'):
      raise text.fail(where, None, 'no filename', 'a picture of VIA')
    regions = picture.get('regions')
    if isinstance(regions, dict):  # as version 1 numbers them
      regions = list(regions.values())
    regions = parsing.sequence(regions, where, 'regions')
    found = []
    for i, region in enumerate(regions):
      place = f'{where}: regions[{i}]'
      if not isinstance(region, dict) or not isinstance(
        region.get('shape_attributes'), dict
      ):
        raise text.fail(place, None, 'no shape_attributes', 'a region of VIA')
      attributes = parsing.mapping(
        region.get('region_attributes'), place, 'region_attributes'
      )
      found.append((place, region['shape_attributes'], attributes))
    yield where, str(picture['filename']), found


def _corners(shape: Mapping[str, Any], where: str) -> contract.Corners | None:
  """Returns the box around a shape; None of a point."""
  number = lambda name: parsing.number(shape.get(name), where, name)
  kind = shape.get('name')
  if kind == 'rect':
    x, y = number('x'), number('y')
    return x, y, x + number('width'), y + number('height')
  if kind == 'circle':
    return outlines.ellipse(number('cx'), number('cy'), *[number('r')] * 2)
  if kind == 'ellipse':
    theta = parsing.number(shape.get('theta', 0), where, 'theta')
    return outlines.ellipse(
      number('cx'), number('cy'), number('rx'), number('ry'), theta
    )
  if kind in ('polygon', 'polyline'):
    xs, ys = (
      parsing.sequence(shape.get(field), where, field)
      for field in ('all_points_x', 'all_points_y')
    )
    if not xs or len(xs) != len(ys):
      problem = f'{len(xs)} all_points_x and {len(ys)} all_points_y'
      raise text.fail(where, None, problem, 'as many of both')
    return outlines.around(
      [
        (parsing.number(x, where, 'a point'), parsing.number(y, where, 'y'))
        for x, y in zip(xs, ys)
      ]
    )
  if kind == 'point':
    return None
  raise text.fail(where, None, f'shape {kind!r}', 'rect, polygon, circle, …')
