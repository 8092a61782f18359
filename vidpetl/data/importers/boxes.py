"""Boxes as tools draw them, made into the rows of AVA's csv."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

from vidpetl.data.importers import actions, films
from vidpetl.data.importers.contract import At, Corners, Reading, Shape

# Boxes may stand out of the picture by this share of it before they are listed
# one by one; and a film most of whose boxes do was measured by another size.
_MARGIN = 0.05
_MOST = 0.5
# Rows are compared as they are written.
_DIGITS = 6


@dataclasses.dataclass(frozen=True)
class Row:
  """One box at one moment.

  Attributes:
    film: name of the video.
    seconds: of the moment.
    corners: fractions of the frame.
    labels: names of actions.
    person: '' if nothing tells persons apart.
  """

  film: str
  seconds: float
  corners: Corners
  labels: tuple[str, ...]
  person: str


@dataclasses.dataclass
class Boxes:
  """What goes into the csv files.

  Attributes:
    rows: by film and time.
    moments: film -> seconds of its keyframes, sorted; also those without boxes.
    facts: film -> what is known of it.
    annotated: film -> how many moments were annotated.
    cut: film -> by how much boxes that were cut stood out, as shares.
    classes: names of actions in the order of their ids.
    fields: that named the actions.
  """

  rows: list[Row]
  moments: dict[str, list[float]]
  facts: dict[str, films.Facts]
  annotated: dict[str, int]
  cut: dict[str, list[float]]
  classes: tuple[str, ...]
  fields: tuple[str, ...]


def assemble(
  reading: Reading,
  videos: films.Videos,
  *,
  every: float = 0.0,
  vocabulary: Sequence[str] = (),
) -> Boxes:
  """Makes rows of boxes.

  Args:
    reading: what a format read; what is not taken is noted in it.
    videos: to know films by.
    every: seconds from keyframe to keyframe; 0 takes all that are annotated.
    vocabulary: names of actions by their ids; other names are left out. By
      default those that the files declare, and then others that occur.

  Raises:
    ValueError: where frame rate or size are not known, no box is left, or most
      boxes of a film lie outside.
  """
  fields = actions.fields(reading)
  work = _Work(reading, videos, fields, every, vocabulary)
  return work.boxes()


class _Work:
  """Goes through the boxes once."""

  def __init__(self, reading, videos, fields, every, vocabulary):
    self.reading, self.fields, self.every = reading, fields, every
    self.person = actions.persons(reading)
    self.facts = {
      name: films.facts(film, videos, reading)
      for name, film in reading.films.items()
    }
    self.first = self._first_frame()
    self.boxes_at = collections.Counter(s.at for s in reading.shapes)
    self.known = dict.fromkeys(vocabulary) if vocabulary else None
    self.cut: dict[str, list[float]] = collections.defaultdict(list)
    self.far: collections.Counter = collections.Counter()

  def boxes(self) -> Boxes:
    every_moment = dict(self.reading.moments)
    every_moment.update(dict.fromkeys(s.at for s in self.reading.shapes))
    seconds = {at: self._seconds(at) for at in every_moment}
    kept = self._thinned(seconds)
    rows = [
      row
      for shape in self.reading.shapes
      if shape.at in kept and (row := self._row(shape, seconds[shape.at]))
    ]
    self._refuse_other_sizes()
    rows = self._once(rows)
    if not rows:
      raise ValueError(self._why_none())
    # Where a box could not be taken, it is not true that nobody was there.
    taken = {(row.film, row.seconds) for row in rows}
    moments = collections.defaultdict(set)
    for at in kept:
      key = (at.film, seconds[at])
      if key in taken or at not in self.reading.incomplete:
        moments[at.film].add(seconds[at])
    annotated = collections.Counter(
      film for film, _ in {(at.film, s) for at, s in seconds.items()}
    )
    return Boxes(
      rows,
      {film: sorted(found) for film, found in sorted(moments.items())},
      self.facts,
      dict(annotated),
      dict(self.cut),
      self._classes(),
      self.fields,
    )

  def _first_frame(self) -> int:
    """Returns the number of the first frame."""
    reading = self.reading
    frames = {shape.at.frame for shape in reading.shapes} - {None}
    frames |= {at.frame for at in reading.moments} - {None}
    if not frames:
      return 0
    if reading.options.first is not None:
      first, why = reading.options.first, '--first'
    elif reading.first is not None:
      first, why = reading.first, 'as the format has it'
    else:
      first = int(min(frames) == 1)
      why = f'the lowest number is {min(frames)}; --first=… says otherwise'
    reading.note(f'Frames are counted from {first} ({why}).')
    return first

  def _seconds(self, at: At) -> float:
    """Returns the time of a moment, as the csv writes it."""
    if at.frame is None:
      return round(at.seconds, _DIGITS)
    facts = self.facts[at.film]
    if not facts.fps:
      raise ValueError(
        f'{self._where(at)}: nothing says the frame rate of {at.film}; give '
        f'--fps=25, or --videos=FOLDER with a video called {at.film}'
      )
    return round((at.frame - self.first) / facts.fps, _DIGITS)

  def _where(self, at: At) -> str:
    """Returns where the files speak of a moment, for errors."""
    places = (s.where for s in self.reading.shapes if s.at == at)
    return next(places, f'frame {at.frame} of {at.film}')

  def _thinned(self, seconds: dict[At, float]) -> set[At]:
    """Returns the moments to take: of each interval the one nearest to it."""
    good = {at: s for at, s in seconds.items() if self._lies_within(at, s)}
    if not self.every:
      return set(good)
    best: dict[tuple[str, int], float] = {}
    for at, s in good.items():
      key = (at.film, round(s / self.every))
      distance = abs(s - key[1] * self.every)
      if key not in best or distance < abs(best[key] - key[1] * self.every):
        best[key] = s
    times = {(film, s) for (film, _), s in best.items()}
    return {at for at, s in good.items() if (at.film, s) in times}

  def _lies_within(self, at: At, seconds: float) -> bool:
    """Returns whether a film has a moment; lists it if not."""
    facts = self.facts[at.film]
    what = f'frame {at.frame}' if at.frame is not None else f'{seconds:g} s'
    where = f'{at.film}, {what}'
    if seconds < 0:
      why = f'before the first frame, which is {self.first}'
    elif 0 < facts.frames <= (at.frame or 0) - self.first and (
      seconds >= facts.duration
    ):
      why = f'the film has {facts.frames} frames'
    elif 0 < facts.duration < seconds:
      why = f'the film has {facts.duration:g} s'
    else:
      return True
    count = self.boxes_at[at]
    self.reading.leave_out(where, f'{count} boxes', f'beyond the film: {why}')
    return False

  def _row(self, shape: Shape, seconds: float) -> Row | None:
    labels = actions.values(shape, self.fields)
    if self.known is not None:
      strange = [name for name in labels if name not in self.known]
      for name in strange:
        why = 'a label that --names does not have'
        self.reading.leave_out(shape.where, repr(name), why, shape.at)
      labels = [name for name in labels if name in self.known]
      if strange and not labels:
        return None
    if not labels:
      what = f'{shape.at.film}, a box of {shape.label or "no label"}'
      self.reading.leave_out(shape.where, what, 'a box without an action')
      return None
    corners = self._fractions(shape)
    if corners is None:
      return None
    film, person = shape.at.film, self.person(shape)
    return Row(film, seconds, corners, tuple(labels), person)

  def _fractions(self, shape: Shape) -> Corners | None:
    """Returns a box as fractions within the frame; None of what is no box."""
    x1, y1, x2, y2 = shape.corners
    shown = ','.join(f'{value:.10g}' for value in shape.corners)
    leave_out = lambda why: self.reading.leave_out(
      shape.where, f'box {shown}', why, shape.at
    )
    if x1 >= x2 or y1 >= y2:
      leave_out('it has no area')
      return None
    w, h = (1.0, 1.0) if self.reading.fractions else self._size(shape)
    whole = (x1 / w, y1 / h, x2 / w, y2 / h)
    inside = tuple(min(max(value, 0.0), 1.0) for value in whole)
    out = max(abs(a - b) for a, b in zip(whole, inside))
    if out > _MARGIN:
      self.far[shape.at.film] += 1
    cut = tuple(round(value, _DIGITS) for value in inside)
    if cut[0] >= cut[2] or cut[1] >= cut[3]:
      leave_out(f'outside the picture of {w:g}x{h:g}')
      return None
    if out > 0.5 * 10**-_DIGITS:
      self.cut[shape.at.film].append(out)
    return cut

  def _size(self, shape: Shape) -> tuple[float, float]:
    facts = self.facts[shape.at.film]
    if min(shape.size) > 0 and facts.size_from != '--size':
      return shape.size
    if not min(facts.size):
      raise ValueError(
        f'{shape.where}: nothing says the size of its pictures; give '
        f'--size=1920x1080, or --videos=FOLDER with a video called '
        f'{shape.at.film}'
      )
    return facts.size

  def _refuse_other_sizes(self) -> None:
    of_film = collections.Counter(s.at.film for s in self.reading.shapes)
    for film, count in self.far.items():
      if count > _MOST * of_film[film]:
        w, h = self.facts[film].size
        of = '' if self.reading.fractions else f' of {w:g}x{h:g}'
        raise ValueError(
          f'{film}: {count} of {of_film[film]} boxes stand out of the picture'
          f'{of} by more than {_MARGIN:.0%}; they are of pictures of another '
          'size, so give that as --size=WIDTHxHEIGHT'
        )

  def _once(self, rows: list[Row]) -> list[Row]:
    """Returns rows by film and time, without those that stand there twice."""
    found: dict[tuple, Row] = {}
    for row in rows:
      # Jobs that overlap have one person as two tracks.
      found.setdefault((row.film, row.seconds, row.corners, row.labels), row)
    if twice := len(rows) - len(found):
      self.reading.leave_out(
        'all files', f'{twice} boxes', 'the same box was there already'
      )
    return sorted(found.values(), key=lambda row: (row.film, row.seconds))

  def _classes(self) -> tuple[str, ...]:
    """Returns the names of actions in the order of their ids."""
    if self.known is not None:
      return tuple(self.known)
    return actions.vocabulary(self.reading, self.fields)

  def _why_none(self) -> str:
    reasons = collections.Counter(one.why for one in self.reading.left_out)
    listed = '; '.join(f'{n} times: {why}' for why, n in reasons.most_common(3))
    return f'no box is left of {len(self.reading.shapes)}; {listed}'
