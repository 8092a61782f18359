"""COCO's json: images, annotations, categories; also COCO-VID's videos.

Documented at https://cocodataset.org/#format-data; `videos`, `video_id` and
`frame_id` as ImageNet-VID in COCO's form has them.

`bbox` is x, y, width, height in pixels. The name of a category is the label,
whatever its id counts from. `track_id` or `instance_id` is the person, also
among `attributes`, as CVAT writes it. An annotation with `iscrowd` is a group
of people, and left out. A frame is `frame_id` of the image, else the number in
its `file_name`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl.data.annotations import text
from vidpetl.data.importers import contract, outlines, parsing, pictures

_TRACKS = ('track_id', 'instance_id', 'tracking_id')


def _read(files: Sequence, reading: contract.Reading) -> None:
  for file in files:
    document = file.document()
    where = str(file.path)
    categories = _by_id(document, 'categories', where)
    names = {
      number: parsing.one_line(_field(each, 'name', place))
      for number, (each, place) in categories.items()
    }
    reading.declare('label', (names[number] for number in sorted(names)))
    films = _films(document, where, reading)
    images = {
      number: _image(each, place, films, file, reading)
      for number, (each, place) in _by_id(document, 'images', where).items()
    }
    for i, each in enumerate(_list(document, 'annotations', where)):
      _annotation(
        each, f'{where}: annotations[{i}]', images, names, file, reading
      )


def _list(document: Mapping[str, Any], name: str, where: str) -> list[Any]:
  found = document.get(name, [])
  if not isinstance(found, list):
    problem = f'{name} is a {type(found).__name__}'
    raise text.fail(where, None, problem, 'a list of objects')
  return found


def _by_id(
  document: Mapping[str, Any], name: str, where: str
) -> dict[int, tuple[dict[str, Any], str]]:
  """Returns (object, where it stands) by id."""
  found = {}
  for i, each in enumerate(_list(document, name, where)):
    place = f'{where}: {name}[{i}]'
    number = parsing.whole(_field(each, 'id', place), place, 'id')
    if number in found:
      raise text.fail(place, None, f'id {number} again', 'each id once')
    found[number] = (each, place)
  return found


def _field(each: Any, name: str, where: str) -> Any:
  if not isinstance(each, dict) or each.get(name) is None:
    raise text.fail(where, None, f'no {name}', f'the field {name}')
  return each[name]


def _films(
  document: Mapping[str, Any], where: str, reading: contract.Reading
) -> dict[int, contract.Film]:
  """Returns the films that `videos` lists, by id."""
  films = {}
  for number, (each, place) in _by_id(document, 'videos', where).items():
    name = pictures.film(
      str(each.get('name') or _field(each, 'file_name', place))
    )
    film = reading.film([name], place)
    film.fps = parsing.number(each.get('fps') or 0, place, 'fps')
    film.size = _size(each, place)
    films[number] = film
  return films


def _size(each: Mapping[str, Any], where: str) -> contract.Size:
  width, height = each.get('width') or 0, each.get('height') or 0
  return (
    parsing.number(width, where, 'width'),
    parsing.number(height, where, 'height'),
  )


def _image(
  image: dict[str, Any],
  where: str,
  films: Mapping[int, contract.Film],
  file,
  reading: contract.Reading,
) -> tuple[contract.At, contract.Size]:
  """Returns the moment of an image, and its size."""
  frame = next(
    (image[n] for n in ('frame_id', 'frame_index') if image.get(n) is not None),
    None,
  )
  number = image.get('video_id')
  if number is not None and films:
    number = parsing.whole(number, where, 'video_id')
    if number not in films:
      there = ', '.join(map(str, films))
      raise text.fail(where, None, f'video_id {number}', f'one of {there}')
    film = films[number]
    if frame is None:
      frame = pictures.locate(
        str(_field(image, 'file_name', where)), reading, where, [film.name]
      ).frame
    at = contract.At(film.name, parsing.whole(frame, where, 'frame_id'))
  else:
    name = str(_field(image, 'file_name', where))
    at = pictures.locate(name, reading, where)
    if frame is not None:
      at = contract.At(at.film, parsing.whole(frame, where, 'frame_id'))
  film = reading.films[at.film]
  film.place(file.split)
  reading.moments[at] = None
  return at, _size(image, where)


def _annotation(
  each: Any,
  where: str,
  images: Mapping[int, tuple[contract.At, contract.Size]],
  names: Mapping[int, str],
  file,
  reading: contract.Reading,
) -> None:
  """Reads one annotation."""
  image = parsing.whole(_field(each, 'image_id', where), where, 'image_id')
  category = parsing.whole(
    _field(each, 'category_id', where), where, 'category_id'
  )
  if image not in images:
    reading.leave_out(where, f'image_id {image}', 'there is no such image')
    return
  at, size = images[image]
  if category not in names:
    reading.leave_out(
      where, f'category_id {category}', 'there is no such category', at
    )
    return
  if each.get('iscrowd') in (1, '1', True):
    reading.leave_out(
      where, f'{at.film}, frame {at.frame}', 'iscrowd: a group', at
    )
    return
  attributes = each.get('attributes') or {}
  attributes = attributes if isinstance(attributes, dict) else {}
  track = next(
    (
      source[name]
      for source in (each, attributes)
      for name in _TRACKS
      if source.get(name) is not None
    ),
    '',
  )
  reading.shapes.append(
    contract.Shape(
      where,
      at,
      _corners(each, where),
      names[category],
      {name: parsing.chosen(name, v) for name, v in attributes.items()},
      str(track),
      str(file.path),
      size,
    )
  )


def _corners(each: Mapping[str, Any], where: str) -> contract.Corners:
  """Returns the corners of `bbox`, or those around `segmentation`."""
  box = each.get('bbox')
  if isinstance(box, str):
    box = box.strip('[]() ').replace(',', ' ').split()
  if not box:
    parts = each.get('segmentation')
    flat = [v for part in parts for v in part] if _is_polygons(parts) else []
    values = [parsing.number(v, where, 'segmentation') for v in flat]
    if len(values) < 4:
      raise text.fail(where, None, 'no bbox', '[x, y, width, height]')
    return outlines.around(list(zip(values[::2], values[1::2])))
  if not isinstance(box, list) or len(box) != 4:
    raise text.fail(where, None, f'bbox {box}', '[x, y, width, height]')
  x, y, w, h = (parsing.number(value, where, 'bbox') for value in box)
  return x, y, x + w, y + h


def _is_polygons(parts: Any) -> bool:
  return isinstance(parts, list) and all(isinstance(p, list) for p in parts)


FORMAT = contract.Format(
  title="COCO's json, with or without videos",
  reads='boxes',
  suffixes=('.json',),
  recognises=lambda file: {'images', 'annotations'} <= file.outline.keys(),
  read=_read,
)
