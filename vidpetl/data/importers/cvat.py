"""CVAT's XML 1.1, 'CVAT for video' and 'CVAT for images'.

Documented at https://docs.cvat.ai/docs/dataset_management/formats/xml_format/.

For video, a `<track id label>` holds a `<box frame outside keyframe xtl ytl xbr
ybr>` for each frame, also those that CVAT interpolated. Frames count from 0, on
the video, also where a task takes every n-th. A box with outside="1" is where a
person has left. Between two boxes of a track, a frame on which another track
has a box is interpolated linearly, as CVAT does, so that files that keep
keyframes alone mean the same. For images, an `<image name width height>` holds
boxes with labels; its name says film and frame.

`<attribute>` elements of a box may name its actions. An attribute that a box
does not state has the value of the track, or of the box before. Of rotated
boxes, polygons, polylines, points, ellipses, masks and skeletons the box around
is taken. Several tasks or jobs may be in a file, or in several files.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from vidpetl.data import splits
from vidpetl.data.annotations import text
from vidpetl.data.importers import (
  contract,
  elements,
  outlines,
  parsing,
  pictures,
)
from vidpetl.data.importers.contract import At, Shape
from vidpetl.data.importers.elements import Element
from vidpetl.data.importers.files import SPLITS

_POINTS = ('polygon', 'polyline', 'points')
_SHAPES = ('box', 'ellipse', 'mask', 'skeleton', 'cuboid', *_POINTS)


@dataclasses.dataclass
class _Task:
  """What `<meta>` says of a task or job."""

  names: list[str]
  size: contract.Size = (0.0, 0.0)
  frames: int = 0
  split: str = ''


def _read(files: Sequence, reading: contract.Reading) -> None:
  tracks: list[list[Shape | At]] = []
  for file in files:
    tasks: dict[str, _Task] = {}
    for element in elements.read(file.path, ('meta', 'track', 'image')):
      if element.tag == 'meta':
        tasks |= _tasks(element)
        _declare(element, reading)
      elif element.tag == 'track':
        reading.first = 0
        film = _film(element, tasks, file, reading)
        tracks.append(list(_track(element, film, file, reading)))
      else:
        _image(element, tasks, file, reading)
  reading.shapes += _interpolated(tracks)


def _tasks(meta: Element) -> dict[str, _Task]:
  """Returns the tasks, or the job, of a file by id."""
  tasks = {}
  for task in meta.all('task', 'job'):
    source = task.text_of('source') or meta.text_of('source')
    size = next(task.all('original_size'), None)
    size = size or next(meta.all('original_size'), None)
    found = _Task([source, task.text_of('name')])
    if size is not None:
      found.size = (
        parsing.number(size.text_of('width'), size.where, '<width>'),
        parsing.number(size.text_of('height'), size.where, '<height>'),
      )
    if count := task.text_of('size'):
      found.frames = parsing.whole(count, task.where, '<size>')
    found.split = _split(task.text_of('subset'))
    tasks[task.text_of('id') or str(len(tasks))] = found
  return tasks


def _split(subset: str) -> str:
  """Returns the split that CVAT's subset ('Train', 'Validation') is, or ''."""
  role = splits.role(subset)
  return role if role in SPLITS else ''


def _declare(meta: Element, reading: contract.Reading) -> None:
  """Notes the labels that there are, and the values of their attributes."""
  for label in meta.all('label'):
    reading.declare('label', [label.text_of('name')])
    for attribute in label.all('attribute'):
      name = parsing.one_line(attribute.text_of('name'))
      kind = attribute.text_of('input_type')
      if kind == 'checkbox':
        reading.declare(name, [name])
      elif kind in ('select', 'radio'):
        reading.declare(name, attribute.text_of('values').splitlines())


def _film(
  track: Element, tasks: Mapping[str, _Task], file, reading: contract.Reading
) -> contract.Film:
  """Returns the film of a track, which its task names."""
  number = track.get('task_id', next(iter(tasks), ''))
  if tasks and number not in tasks:
    problem = f'<track task_id="{number}">, which <meta> does not have'
    raise text.fail(track.where, None, problem, f'one of {", ".join(tasks)}')
  if len(tasks) > 1 and 'task_id' not in track.attributes:
    problem = '<track> without task_id in a file of several tasks'
    raise text.fail(track.where, None, problem, 'one file for each task')
  task = tasks.get(number) or _Task([])
  named = [*task.names, file.path.stem, file.path.parent.name]
  film = reading.film(pictures.candidates(named), track.where)
  film.size = task.size
  film.place(task.split or file.split)
  film.frames = max(film.frames, task.frames)
  return film


def _track(
  track: Element, film: contract.Film, file, reading: contract.Reading
) -> Iterator[Shape | At]:
  """Yields the boxes of a track; where it has left, the moment alone."""
  attributes = _attributes(track)
  label = track.get('label')
  for element in sorted(
    (each for each in track.children if each.tag in _SHAPES), key=_frame
  ):
    at = At(film.name, _frame(element))
    if element.get('outside', '0') == '1':
      yield at
      continue
    attributes = attributes | _attributes(element)
    corners = _corners(element, reading)
    if corners is not None:
      yield Shape(
        element.where,
        at,
        corners,
        label,
        attributes,
        track.get('id', ''),
        str(file.path),
      )


def _frame(element: Element) -> int:
  return parsing.whole(
    element.get('frame'), element.where, f'<{element.tag} frame>'
  )


def _image(
  image: Element, tasks: Mapping[str, _Task], file, reading: contract.Reading
) -> None:
  """Reads the boxes of a picture."""
  task = tasks.get(image.get('task_id', next(iter(tasks), ''))) or _Task([])
  more = [*task.names, file.path.stem, file.path.parent.name]
  at = pictures.locate(image.get('name'), reading, image.where, more)
  size = (image.number('width'), image.number('height'))
  film = reading.films[at.film]
  film.place(_split(image.get('subset', '')) or file.split)
  reading.moments[at] = None
  for element in image.children:
    if element.tag == 'tag':
      what = f'label {element.get("label")!r} of the whole picture'
      reading.leave_out(element.where, what, 'a label without a box')
    if element.tag not in _SHAPES:
      continue
    corners = _corners(element, reading)
    if corners is None:
      continue
    attributes = _attributes(element)
    track = next(iter(attributes.get('track_id', ())), '')
    reading.shapes.append(
      Shape(
        element.where,
        at,
        corners,
        element.get('label'),
        attributes,
        track,
        str(file.path),
        size,
      )
    )


def _attributes(element: Element) -> dict[str, tuple[str, ...]]:
  found = {}
  for attribute in element.children:
    if attribute.tag == 'attribute':
      name = parsing.one_line(attribute.get('name'))
      found[name] = parsing.chosen(name, attribute.text)
  return found


def _corners(
  element: Element, reading: contract.Reading
) -> contract.Corners | None:
  """Returns the box around a shape; None of one that has none."""
  tag, number = element.tag, element.number
  if tag == 'box':
    corners = tuple(number(name) for name in ('xtl', 'ytl', 'xbr', 'ybr'))
    if element.number('rotation', '0'):
      reading.note('Of a rotated box, the upright box around it is taken.')
    return outlines.rotated(corners, number('rotation', '0'))
  reading.note(f'Of a {tag}, the box around it is taken.')
  if tag == 'ellipse':
    radii = outlines.ellipse(*map(number, ('cx', 'cy', 'rx', 'ry')))
    return outlines.rotated(radii, number('rotation', '0'))
  if tag == 'mask':
    x, y = number('left'), number('top')
    return x, y, x + number('width'), y + number('height')
  shown = [
    point
    for each in ([element] if tag in _POINTS else element.all(*_POINTS))
    if each is element or each.get('outside', '0') != '1'
    for point in _points(each)
  ]
  if tag == 'cuboid':
    sides = [name for name in element.attributes if name[:2] in ('xt', 'xb')]
    shown = [(number(name), number('y' + name[1:])) for name in sides]
  if not shown:
    reading.leave_out(element.where, f'<{tag}>', 'no point of it is shown')
    return None
  return outlines.around(shown)


def _points(element: Element) -> Iterator[tuple[float, float]]:
  for pair in element.get('points').split(';'):
    x, _, y = pair.partition(',')
    where, field = element.where, f'<{element.tag} points>'
    yield parsing.number(x, where, field), parsing.number(y, where, field)


def _interpolated(tracks: Sequence[list[Shape | At]]) -> Iterator[Shape]:
  """Yields the boxes of all tracks, also on the frames between their own."""
  frames: dict[str, set[int]] = {}
  for track in tracks:
    for each in track:
      if isinstance(each, Shape):
        frames.setdefault(each.at.film, set()).add(each.at.frame)
  ordered = {film: sorted(found) for film, found in frames.items()}
  for track in tracks:
    for before, after in zip(track, [*track[1:], None]):
      if not isinstance(before, Shape):
        continue
      yield before
      if after is not None:
        yield from _between(before, after, ordered[before.at.film])


def _between(
  before: Shape, after: Shape | At, frames: Sequence[int]
) -> Iterator[Shape]:
  """Yields a person on frames between two of its own."""
  end = after.at if isinstance(after, Shape) else after
  start, stop = before.at.frame, end.frame
  if stop - start < 2:
    return
  target = after.corners if isinstance(after, Shape) else before.corners
  for frame in frames[bisect.bisect_right(frames, start) :]:
    if frame >= stop:
      return
    share = (frame - start) / (stop - start)
    yield dataclasses.replace(
      before,
      at=At(before.at.film, frame),
      corners=tuple(
        a + share * (b - a) for a, b in zip(before.corners, target)
      ),
    )


FORMAT = contract.Format(
  title="CVAT's xml, for video or images",
  reads='boxes',
  suffixes=('.xml',),
  recognises=lambda file: '<annotations' in file.start,
  read=_read,
)
