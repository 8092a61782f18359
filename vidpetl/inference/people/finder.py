"""The people of a film at the moments at which actions are wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from vidpetl import options, ranges
from vidpetl.inference.people import tracks as tracks_lib
from vidpetl.inference.people.tracked import (
  Detect,
  Film,
  Moment,
  People,
  Source,
  Track,
)

# Moments per second at which a detector looks.
RATE = 5.0
# Below this, boxes are left out.
MIN_SCORE = 0.5
# Most people of one moment. AVA's keyframes have up to 30.
MAX_BOXES = 30
# A csv's boxes count for a moment that is at most this far away, in seconds.
_NEAR = 0.5
# Moments that are the same have the same microsecond.
_DIGITS = 6


@dataclasses.dataclass(frozen=True)
class Found:
  """The people of a film.

  Attributes:
    people: at each wanted moment, in its order.
    tracks: all that were seen at any time, by id.
  """

  people: list[People]
  tracks: list[Track]


@dataclasses.dataclass(frozen=True)
class Detected:
  """A source that runs a detector over a film.

  Attributes:
    detect: frame -> boxes and scores.
    progress: called each time some moments are done: how many more, of how
      many.
  """

  detect: Detect
  progress: Callable[[int, int], None] = lambda done, total: None

  def moments(
    self, film: Film, wanted: np.ndarray, rate: float
  ) -> list[Moment]:
    """Looks at every wanted moment and at `rate` moments a second.

    The film is decoded once; one frame at a time is in memory.
    """
    times = _grid(film.duration, wanted, rate)
    found: list[Moment | None] = [None] * len(times)
    # A damaged file may begin anew; what was found before is written over.
    for places, picture in film.pictures(times):
      frame = np.ascontiguousarray(picture.rgb(picture.height, picture.width))
      boxes, scores = self.detect(frame)
      for place in places:
        found[place] = Moment(float(times[place]), boxes, scores)
      self.progress(len(places), len(times))
    return found


def _grid(duration: float, wanted: np.ndarray, rate: float) -> np.ndarray:
  count = max(1, int(np.ceil(duration * rate - 1e-6)))
  return np.union1d(
    np.round(np.arange(count) / rate, _DIGITS), np.round(wanted, _DIGITS)
  )


def find(
  film: Film,
  times: Sequence[float],
  source: Source,
  *,
  boxes_per_second: ranges.Positive = RATE,
  min_score: float = MIN_SCORE,
  max_boxes: ranges.Count = MAX_BOXES,
) -> Found:
  """Finds the people of a film and follows them.

  Args:
    film: open.
    times: seconds [m] at which actions are wanted, e.g. 0, 1, 2, ….
    source: `Detected`, or `boxes.OfFilm` for a csv.
    boxes_per_second: how often a detector looks between these, which linking
      needs; the more, the better it tells people apart.
    min_score: boxes below it are left out.
    max_boxes: at each of `times`, those of the highest scores. Tracks have all.

  Returns:
    People at each of `times`, none where nobody was found, and all tracks.

  Raises:
    ValueError: for an option out of its range, or a missing package.
    vidpetl.data.faults.DecodeError: if the film is damaged.
  """
  numbers = {'boxes_per_second': boxes_per_second, 'max_boxes': max_boxes}
  options.hold(numbers, options.hints(find), 'people')
  wanted = np.asarray(times, float)
  moments = source.moments(film, wanted, boxes_per_second)
  moments = [_above(moment, min_score) for moment in moments]
  ids = tracks_lib.link(moments, _rate(moments, boxes_per_second))
  at = np.array([moment.seconds for moment in moments])
  people = [_at(t, at, moments, ids, max_boxes) for t in wanted]
  return Found(people, tracks_lib.gather(moments, ids))


def _above(moment: Moment, least: float) -> Moment:
  kept = np.asarray(moment.scores) >= least
  return dataclasses.replace(
    moment,
    boxes=np.asarray(moment.boxes)[kept],
    scores=np.asarray(moment.scores)[kept],
    ids=None if moment.ids is None else moment.ids[kept],
  )


def _rate(moments: Sequence[Moment], usual: float) -> float:
  """Returns the moments per second: a csv has those that it has."""
  steps = np.diff([moment.seconds for moment in moments])
  return float(1 / np.median(steps)) if len(steps) else usual


def _at(
  seconds: float,
  at: np.ndarray,
  moments: Sequence[Moment],
  ids: Sequence[np.ndarray],
  most: int,
) -> People:
  """Returns the people of the moment that is nearest, if it is near."""
  off = np.abs(at - seconds)
  if not len(off) or off.min() > _NEAR + 1e-6:
    empty = np.zeros(0, np.float32)
    return People(
      float(seconds), empty.reshape(0, 4), empty, np.zeros(0, np.int64)
    )
  i = int(np.argmin(off))
  best = np.argsort(-np.asarray(moments[i].scores), kind='stable')[:most]
  return People(
    float(seconds),
    np.asarray(moments[i].boxes, np.float32)[best],
    np.asarray(moments[i].scores, np.float32)[best],
    ids[i][best],
  )
