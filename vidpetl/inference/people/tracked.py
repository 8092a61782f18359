"""People at moments of a film, and the same people over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from vidpetl.data import picture

# Frame uint8 [h, w, 3] RGB -> boxes [n, 4] as x1, y1, x2, y2 in fractions of
# width and height, and scores [n] in [0, 1].
Detect = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class People:
  """The people at one moment.

  Attributes:
    seconds: of the film.
    boxes: float32 [n, 4], x1, y1, x2, y2 as fractions of the frame.
    scores: float32 [n], in falling order where a detector gave them.
    ids: int64 [n], of their tracks.
  """

  seconds: float
  boxes: np.ndarray
  scores: np.ndarray
  ids: np.ndarray


@dataclasses.dataclass(frozen=True)
class Track:
  """One person over time.

  Attributes:
    id: from 1, or that of a csv.
    times: float64 [m], seconds.
    boxes: float32 [m, 4], at these times.
  """

  id: int
  times: np.ndarray
  boxes: np.ndarray


@dataclasses.dataclass(frozen=True)
class Moment:
  """Boxes of one moment before they are linked.

  Attributes:
    seconds: of the film.
    boxes: float [n, 4], fractions.
    scores: float [n].
    ids: int [n] where a csv names people; None where nobody does.
  """

  seconds: float
  boxes: np.ndarray
  scores: np.ndarray
  ids: np.ndarray | None = None


class Film(Protocol):
  """An open film: `vidpetl.data.decode.Video` or `frames.Frames`."""

  duration: float
  fps: float

  def pictures(
    self, times: np.ndarray
  ) -> Iterator[tuple[np.ndarray, picture.Picture]]:
    """See `picture.Readable`."""


class Source(Protocol):
  """Who knows where people are: a csv, or a detector."""

  def moments(
    self, film: Film, wanted: np.ndarray, rate: float
  ) -> list[Moment]:
    """Returns boxes of a film in the order of time.

    Args:
      film: open.
      wanted: seconds [m] at which people will be asked for.
      rate: moments per second to look at between them.
    """
