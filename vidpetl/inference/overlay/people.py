"""People who were followed: their boxes, and what they do."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from PIL import ImageDraw

from vidpetl.inference.overlay import palette, placing, plate, text

# Of a person, what is shown; fewer where plates would hide more than `_HIDDEN`
# of the frame. Widest that a plate is, in letters.
_BEST, _HIDDEN, _LETTERS = 3, 0.3, 15
# Keyframes' distances over which a box is still followed.
_HOLE = 2
_ROUNDING = 1e-6

Answer = Sequence[tuple[str, float]]


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
  """A person, followed through a film.

  Attributes:
    times: seconds [m], ascending.
    boxes: [m, 4], x1, y1, x2, y2 as fractions of width and height.
    keyframes: seconds [k], ascending, of which actions are known.
    answers: of each keyframe names and scores from 0 to 1, in any order.
  """

  times: np.ndarray
  boxes: np.ndarray
  keyframes: np.ndarray = ()
  answers: Sequence[Answer] = ()

  def __post_init__(self):
    if np.shape(self.boxes) != (len(self.times), 4) or not len(self.times):
      raise ValueError(
        f'boxes {np.shape(self.boxes)} are not those of {len(self.times)} times'
      )
    if len(self.keyframes) != len(self.answers):
      raise ValueError(
        f'{len(self.answers)} answers to {len(self.keyframes)} keyframes'
      )

  def box(self, seconds: float, gap: float) -> np.ndarray | None:
    """Returns the box [4] at a time, None if the person is not known there.

    A box is drawn for half a keyframe's distance before the first and after the
    last one that is known, and goes straight from one to the next. Where a
    person was lost for longer than two keyframes' distances, it is the same as
    at the ends.

    Args:
      seconds: the time.
      gap: seconds from keyframe to keyframe.
    """
    times, boxes = np.asarray(self.times), np.asarray(self.boxes, np.float64)
    after = int(np.searchsorted(times, seconds))
    before, after = max(0, after - 1), min(after, len(times) - 1)
    near = before if seconds - times[before] < times[after] - seconds else after
    begins, ends = times[before], times[after]
    if not begins <= seconds <= ends or ends - begins > _HOLE * gap + _ROUNDING:
      is_near = abs(seconds - times[near]) <= gap / 2 + _ROUNDING
      return boxes[near] if is_near else None
    share = (seconds - begins) / (ends - begins) if ends > begins else 0.0
    return (1 - share) * boxes[before] + share * boxes[after]

  def answer(self, seconds: float, gap: float) -> Answer:
    """Returns the nearest keyframe's best names, the best first."""
    if not len(self.keyframes):
      return ()
    off = np.abs(np.asarray(self.keyframes) - seconds)
    nearest = int(off.argmin())
    if off[nearest] > gap + _ROUNDING:
      return ()
    return sorted(self.answers[nearest], key=lambda each: -each[1])[:_BEST]


@dataclasses.dataclass(frozen=True)
class _Seen:
  """A person in a frame: who, where in pixels, and what is written beside."""

  who: Hashable
  colour: palette.Colour
  box: placing.Rectangle
  answer: tuple[tuple[str, float], ...]


@dataclasses.dataclass(eq=False)
class People:
  """Draws boxes and the best names of everybody in a frame.

  Attributes:
    tracks: by any name of a person.
    gap: seconds from keyframe to keyframe.
  """

  tracks: Mapping[Hashable, Track]
  gap: float = 1.0

  def __post_init__(self):
    self._colours = {who: palette.of(i) for i, who in enumerate(self.tracks)}
    self._plan = functools.lru_cache(8)(self._make_plan)

  def __call__(self, frame: np.ndarray, seconds: float) -> np.ndarray:
    """Draws on a frame, uint8 [h, w, 3], and returns it."""
    scale = text.Scale(*frame.shape[:2])
    people = self._seen(seconds, scale)
    if not people:
      return frame
    lines, usual = self._plan(round(seconds / self.gap), scale)
    for person in people:
      _outline(frame, person, scale)
    placed = _place(people, lines, scale, usual)
    for person in people:
      if person.who in placed:
        x, y, *_ = placed[person.who][1]
        _plate(person.answer[:lines], person.colour, scale).onto(frame, x, y)
    return frame

  def _seen(self, seconds: float, scale: text.Scale) -> list[_Seen]:
    """Returns the people of a time, the largest first: they are in front."""
    found = []
    for who, track in self.tracks.items():
      box = track.box(seconds, self.gap)
      if box is not None:
        answer = tuple(track.answer(seconds, self.gap))
        pixels = _pixels(box, scale)
        found.append(_Seen(who, self._colours[who], pixels, answer))
    area = lambda person: placing.overlap(person.box, person.box)
    return sorted(found, key=area, reverse=True)

  def _make_plan(
    self, keyframe: int, scale: text.Scale
  ) -> tuple[int, dict[Hashable, int]]:
    """Decides for the time around a keyframe, so that nothing jumps.

    Returns:
      How many names are shown of each person, and where plates lie.
    """
    people = self._seen(keyframe * self.gap, scale)
    most = _HIDDEN * scale.height * scale.width
    for lines in range(_BEST, 0, -1):
      plates = [_plate(p.answer[:lines], p.colour, scale) for p in people]
      if sum(each.height * each.width for each in plates) <= most:
        break
    placed = _place(people, lines, scale, {})
    return lines, {who: number for who, (number, _) in placed.items()}


def _place(
  people: Sequence[_Seen],
  lines: int,
  scale: text.Scale,
  usual: Mapping[Hashable, int],
) -> dict[Hashable, tuple[int, placing.Rectangle]]:
  """Returns which place the plate of a person has, and where that is."""
  placed = {}
  for person in people:
    if not person.answer:
      continue
    label = _plate(person.answer[:lines], person.colour, scale)
    found = placing.places(
      person.box,
      (label.height, label.width),
      (scale.height, scale.width),
      scale.stroke,
    )
    plates = [place for _, place in placed.values()]
    others = [other.box for other in people if other is not person]
    number = placing.choose(
      found, person.box, plates, others, usual.get(person.who)
    )
    placed[person.who] = number, found[number]
  return placed


def _pixels(box: np.ndarray, scale: text.Scale) -> placing.Rectangle:
  """Returns the part of a box that is in the frame."""
  sides = (scale.width, scale.height) * 2
  x1, y1, x2, y2 = (
    min(max(0, round(float(edge) * side)), side)
    for edge, side in zip(box, sides)
  )
  return x1, y1, max(x1, x2), max(y1, y2)


def _outline(frame: np.ndarray, person: _Seen, scale: text.Scale) -> None:
  """Draws a box, with a dark edge that is seen before what is as bright."""
  dark = max(1, scale.stroke // 3)
  for thick, colour in (
    (scale.stroke + 2 * dark, palette.BLACK),
    (scale.stroke, person.colour),
  ):
    inset = (scale.stroke + 2 * dark - thick) // 2
    x1, y1, x2, y2 = person.box
    x1, y1, x2, y2 = x1 + inset, y1 + inset, x2 - inset, y2 - inset
    if x2 - x1 > 2 * thick and y2 - y1 > 2 * thick:
      plate.fill(frame, (x1, y1, x2, y1 + thick), colour)
      plate.fill(frame, (x1, y2 - thick, x2, y2), colour)
      plate.fill(frame, (x1, y1, x1 + thick, y2), colour)
      plate.fill(frame, (x2 - thick, y1, x2, y2), colour)


@functools.lru_cache(maxsize=64)
def _plate(
  answer: Answer, colour: palette.Colour, scale: text.Scale
) -> plate.Plate:
  """Returns names and scores on a plate with an edge in a person's colour."""
  size = scale.letter
  lines = [text.Line(name, text.percent(score)) for name, score in answer]
  stripe = max(2, scale.stroke)
  around = stripe + 2 * scale.pad
  inner = min(
    max((line.width(size) for line in lines), default=0),
    _LETTERS * size,
    scale.width - around,
  )
  height = scale.line * len(lines) + scale.pad
  image = plate.veil(inner + around, height, max(1, scale.pad // 2))
  ImageDraw.Draw(image).rectangle((0, 0, stripe - 1, height), colour)
  for number, line in enumerate(lines):
    y = scale.pad // 2 + number * scale.line
    line.draw(image, stripe + scale.pad, y, inner, size)
  return plate.Plate(image)
