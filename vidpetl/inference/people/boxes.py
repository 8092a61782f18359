"""People whose boxes a csv gives, as a detector or an annotator left them.

Without a header the columns are those of AVA: `video,seconds,x1,y1,x2,y2`, then
an action and a score or a person's id, both of which may be left out. A header
names them, in any order: `frame` may stand for `seconds`, and `score` and
`track` (or `person`) may be there. Rows of one box, one for each of its
actions, are one person. A row `video,seconds` is a moment without people.

Boxes are fractions of the frame, or pixels of the film's own size: a file with
a number above 2 has pixels.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from vidpetl import mistakes
from vidpetl.data import names
from vidpetl.data.annotations import ava, headers, text
from vidpetl.data.sources import videos
from vidpetl.inference.people.tracked import Film, Moment

_CORNERS = ('x1', 'y1', 'x2', 'y2')
_AVA = ('video', 'seconds', *_CORNERS, 'action', 'last')
_EXPECTED = (
  'video,seconds,x1,y1,x2,y2[,action][,score or person], or a header that '
  'names the columns'
)
# Further columns and how they may be called.
_SPELLED = {
  'frame': ('frame', 'frame_id', 'frame_number', 'frame_index'),
  'score': ('score', 'confidence', 'conf', 'probability'),
  'track': (
    *('track', 'track_id', 'person', 'person_id', 'entity', 'entity_id'),
    *('object', 'object_id', 'id'),
  ),
}
# Fractions may leave the frame a little; pixels are far above.
_FRACTION = 2.0
_OUTSIDE = ava.OUTSIDE['clip']


@dataclasses.dataclass(frozen=True)
class _Row:
  line: int
  at: str  # the time, or the frame, as it is written
  cells: tuple[str, ...]  # corners, or none where nobody is
  score: float
  person: str


@dataclasses.dataclass(frozen=True)
class OfFilm:
  """The boxes that a csv has of one film; a source of `finder.find`.

  Attributes:
    path: of the csv.
    rows: of this film.
    by_frame: whether `rows` count frames.
    pixels: whether corners are pixels.
    fps: frames per second; None is the film's own.
    first: number of the first frame.
    start: what to subtract from the seconds.
  """

  path: str
  rows: Sequence[_Row]
  by_frame: bool
  pixels: bool
  fps: float | None
  first: int
  start: float

  def moments(
    self, film: Film, wanted: np.ndarray, rate: float
  ) -> list[Moment]:
    """Returns the csv's moments in the order of time.

    Raises:
      text.AnnotationError: with file and line, for what is no time of the film,
        or no box in its frame.
    """
    size = _size(film) if self.pixels else (1, 1)
    people = self._people()
    by_time = collections.defaultdict(dict)
    for row in self.rows:
      at = round(self._seconds(row, film), 6)
      boxes = by_time[at]
      if row.cells:
        key = (*row.cells, row.person)
        if key not in boxes or boxes[key][1].score < row.score:
          boxes[key] = (self._corners(row, size), row)
    return [
      _moment(at, list(by_time[at].values()), people) for at in sorted(by_time)
    ]

  def _people(self) -> dict[str, int] | None:
    """Returns the id of each person; None unless all rows name one."""
    found = dict.fromkeys(row.person for row in self.rows if row.cells)
    if '' in found or not found:
      return None
    if all(name.isdecimal() for name in found):
      return {name: int(name) for name in found}
    return {name: i for i, name in enumerate(found, 1)}

  def _seconds(self, row: _Row, film: Film) -> float:
    if self.by_frame:
      frame = text.number(row.at, self.path, row.line, 'frame') - self.first
      seconds = frame / (self.fps or film.fps)
    else:
      found = text.seconds(row.at, self.path, row.line, 'seconds')
      seconds = found - self.start
    if not -1e-6 <= seconds <= film.duration + 1:
      raise text.fail(
        self.path,
        row.line,
        f'{seconds:g} s is no time of a film of {film.duration:g} s',
        'a time from its beginning, or the second of the csv at which the '
        'file begins (boxes_start: 900 for the usual cuts of AVA)',
      )
    return max(seconds, 0.0)

  def _corners(self, row: _Row, size: tuple[int, int]) -> np.ndarray:
    """Returns a box as fractions within the frame."""
    height, width = size
    box = _numbers(self.path, row) / (width, height, width, height)
    kept = np.clip(box, 0, 1)
    if np.abs(box - kept).max() > _OUTSIDE or (kept[:2] >= kept[2:]).any():
      of = f'pixels of {width}x{height}' if self.pixels else 'fractions'
      raise text.fail(
        self.path,
        row.line,
        f'box {",".join(row.cells)} is none within the frame, as {of}',
        'x1 < x2 and y1 < y2 within it',
      )
    return kept


def _numbers(path: str, row: _Row) -> np.ndarray:
  return np.array(
    [text.number(c, path, row.line, n) for c, n in zip(row.cells, _CORNERS)]
  )


def _moment(at: float, found: list, people: dict[str, int] | None) -> Moment:
  ids = None
  if people is not None:
    ids = np.array([people[row.person] for _, row in found], np.int64)
  return Moment(
    at,
    np.array([box for box, _ in found], float).reshape(-1, 4),
    np.array([row.score for _, row in found], float),
    ids,
  )


def _size(film: Film) -> tuple[int, int]:
  """Returns height and width of a film as players show it."""
  _, first = next(iter(film.pictures(np.zeros(1))))
  return first.height, first.width


def read(
  path: str,
  films: Sequence[str],
  *,
  pixels: bool | None = None,
  fps: float | None = None,
  first: int = 0,
  start: float = 0.0,
) -> dict[str, OfFilm | None]:
  """Reads the boxes of films.

  A film is called as in the csv if their names are the same, with a suffix of
  videos or without; a name with folders is compared from its end. What has no
  boxes, and boxes without a film, are noted.

  Args:
    path: of the csv, or a spreadsheet with a header.
    films: paths.
    pixels: whether boxes are pixels; None looks at the numbers.
    fps: frames per second of a column `frame`; None is each film's own.
    first: number of the first frame.
    start: second of the csv at which the files begin.

  Returns:
    Film -> its boxes, or None where there are none.

  Raises:
    FileNotFoundError: if there is no such file.
    text.AnnotationError: with file and line.
    ValueError: if no film has boxes, or two have the same.
  """
  text.require(path, 'the boxes of people')
  rows, by_frame = _rows(path)
  if not rows:
    raise text.fail(path, None, 'no rows', _EXPECTED)
  if pixels is None:
    pixels = _has_pixels(path, rows)
  by_film: dict[str, OfFilm | None] = dict.fromkeys(films)
  strangers = []
  for name, own in rows.items():
    film = _film(path, name, films)
    if film is None:
      strangers.append(name)
    elif by_film[film] is not None:
      raise ValueError(
        f'{path}: two names of videos are those of {names.shown(film)}, one of '
        f'them {name!r}'
      )
    else:
      by_film[film] = OfFilm(path, own, by_frame, pixels, fps, first, start)
  _tell(path, by_film, strangers)
  return by_film


def _tell(path, by_film: dict[str, OfFilm | None], strangers: list[str]):
  without = [names.shown(f) for f, boxes in by_film.items() if boxes is None]
  if len(without) == len(by_film):
    raise ValueError(
      f'{path}: has no boxes of {_some(without)}; its videos are called '
      f'{_some(strangers)}'
    )
  if without:
    mistakes.note(f'{path}: has no boxes of {_some(without)}.')
  if strangers:
    mistakes.note(
      f'{path}: has boxes of {_some(strangers)}, which no film is called.'
    )


def _some(found: Sequence[str]) -> str:
  more = len(found) - 3
  return ', '.join(found[:3]) + (f' and {more} more' if more > 0 else '')


def _film(path: str, name: str, films: Sequence[str]) -> str | None:
  """Returns the film that is called so, if one is."""
  wanted = _words(name)
  called = [f for f in films if _words(f)[-len(wanted) :] == wanted]
  if len(called) > 1:
    first, second = map(names.shown, called[:2])
    raise ValueError(
      f'{path}: {name!r} is the name of {first} and of {second}; write their '
      'folders before the name, as in folder/film.mp4'
    )
  return called[0] if called else None


def _words(name: str) -> list[str]:
  name = names.clean(name).replace('\\', '/')
  return videos.without_suffix(name).strip('/').split('/')


def _has_pixels(path: str, rows: dict[str, list[_Row]]) -> bool:
  for row in (row for own in rows.values() for row in own if row.cells):
    if np.abs(_numbers(path, row)).max() > _FRACTION:
      mistakes.note(
        f'{path}:{row.line}: box {",".join(row.cells)}: boxes are taken for '
        "pixels of the film's own size"
      )
      return True
  return False


def _rows(path: str) -> tuple[dict[str, list[_Row]], bool]:
  """Returns the rows by video, and whether their times are frames."""
  found = list(_with_header(path) if _has_header(path) else _ava(path))
  rows = collections.defaultdict(list)
  for line, cells in found:
    at = cells.get('frame', cells.get('seconds', ''))
    corners = tuple(cells.get(name, '') for name in _CORNERS)
    score = cells.get('score', '')
    rows['/'.join(_words(cells['video']))].append(
      _Row(
        line,
        at,
        corners if any(corners) else (),
        _score(path, line, score) if score else 1.0,
        cells.get('track', ''),
      )
    )
  return dict(rows), any('frame' in cells for _, cells in found[:1])


def _score(path: str, line: int, cell: str) -> float:
  score = text.number(cell, path, line, 'score')
  if not 0 <= score <= 1:
    raise text.fail(path, line, f'score {cell}', 'one in [0, 1]')
  return score


def _has_header(path: str) -> bool:
  called = {_column(cell) for cell in text.first_row(path)}
  return 'video' in called and bool(called & {'seconds', 'frame'})


def _column(cell: str) -> str:
  called = text.column(cell)
  known = (own for own, spelled in _SPELLED.items() if called in spelled)
  return next(known, None) or headers.named(called)


def _with_header(path: str) -> Iterator[tuple[int, dict[str, str]]]:
  at = {_column(cell) for cell in text.first_row(path)} & {'frame', 'seconds'}
  # Seconds say it better where there are both.
  at = 'seconds' if 'seconds' in at else 'frame'
  required = ('video', at, *_CORNERS)
  for line, cells in text.read_table(path, required, None, _column):
    if at == 'seconds':
      cells.pop('frame', None)
    yield line, {**cells, 'video': names.clean(cells['video'])}


def _ava(path: str) -> Iterator[tuple[int, dict[str, str]]]:
  """Yields rows of AVA's columns; the last is a score, or a person's id."""
  found = [
    (line, dict(zip(_AVA, row)))
    for lines, block in text.read_rows(path, (2, 6, 7, 8), _EXPECTED)
    for line, row in zip(lines, block)
  ]
  last = 'track' if _are_people([cells for _, cells in found]) else 'score'
  for line, cells in found:
    if 'last' in cells:
      cells[last] = cells.pop('last')
    yield line, cells


def _are_people(rows: Sequence[dict[str, str]]) -> bool:
  """Returns whether the last column has people: AVA's have actions and ids."""
  last = [(cells['last'], cells['action']) for cells in rows if 'last' in cells]
  if not all(each.isdecimal() for each, _ in last):
    return False
  return any(int(each) > 1 or action for each, action in last)
