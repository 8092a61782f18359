"""LabelMe's json, one file for each picture.

Documented at https://github.com/wkentaro/labelme (docs, 'LabelFile').

`shapes` have `label`, `points` in pixels in any order, `shape_type`, `flags`
(checkboxes, which may be actions) and `group_id`, taken for the person.
`imagePath` says film and frame; `imageWidth` and `imageHeight` are the size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vidpetl.data.annotations import text
from vidpetl.data.importers import contract, outlines, parsing, pictures


def _read(files: Sequence, reading: contract.Reading) -> None:
  for file in files:
    document = file.document()
    where = str(file.path)
    shapes = document.get('shapes')
    if not isinstance(shapes, list):
      problem = f'shapes is a {type(shapes).__name__}'
      raise text.fail(where, None, problem, 'the list that LabelMe writes')
    name = str(document.get('imagePath') or file.path.stem)
    at = pictures.locate(name, reading, where, [file.path.parent.name])
    size = (
      parsing.number(document.get('imageWidth') or 0, where, 'imageWidth'),
      parsing.number(document.get('imageHeight') or 0, where, 'imageHeight'),
    )
    reading.films[at.film].place(file.split)
    reading.moments[at] = None
    for i, shape in enumerate(shapes):
      reading.shapes.append(_shape(shape, f'{where}: shapes[{i}]', at, size))


def _shape(
  shape: dict, where: str, at: contract.At, size: contract.Size
) -> contract.Shape:
  if not isinstance(shape, dict):
    raise text.fail(where, None, f'{shape!r}', 'a shape as LabelMe writes it')
  points = [
    [
      parsing.number(value, where, 'points')
      for value in parsing.sequence(point, where, 'points')
    ]
    for point in parsing.sequence(shape.get('points'), where, 'points')
  ]
  if not points or any(len(point) != 2 for point in points):
    raise text.fail(where, None, f'points are {points}', '[x, y] for each')
  kind = shape.get('shape_type') or 'polygon'
  if kind == 'circle' and len(points) == 2:
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    corners = outlines.ellipse(x, y, radius, radius)
  else:
    corners = outlines.around(points)
  flags = parsing.mapping(shape.get('flags'), where, 'flags')
  group = shape.get('group_id')
  return contract.Shape(
    where,
    at,
    corners,
    parsing.one_line(shape.get('label') or ''),
    {name: parsing.chosen(name, value) for name, value in flags.items()},
    '' if group is None else str(group),
    size=size,
  )


FORMAT = contract.Format(
  title="LabelMe's json, one for each picture",
  reads='boxes',
  suffixes=('.json',),
  recognises=lambda file: {'shapes', 'imagePath'} <= file.outline.keys(),
  read=_read,
)
