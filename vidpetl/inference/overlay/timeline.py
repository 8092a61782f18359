"""Parts of a film's time, and where they lie on a strip below the picture."""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl.inference.overlay import palette, plate, text


@dataclasses.dataclass(frozen=True, eq=False)
class Spans:
  """Parts of a film's time, which may overlap and leave gaps.

  Attributes:
    begins: seconds [n].
    ends: seconds [n].
    duration: of the film, in seconds.
  """

  begins: np.ndarray
  ends: np.ndarray
  duration: float

  def __post_init__(self):
    begins, ends = np.shape(self.begins), np.shape(self.ends)
    if begins != ends or len(begins) != 1:
      raise ValueError(f'begins {begins} and ends {ends} are not both [n]')

  def at(self, seconds: float) -> int | None:
    """Returns the part in whose middle a time lies most, None in a gap."""
    inside = (self.begins <= seconds) & (seconds < self.ends)
    if not inside.any():
      return None
    off = np.abs((self.begins + self.ends) / 2 - seconds)
    return int(np.where(inside, off, np.inf).argmin())

  def column(self, seconds: float, width: int) -> int:
    """Returns the pixel of a strip of some width at which a time lies."""
    share = seconds / self.duration if self.duration else 0.0
    return min(max(0, int(share * width)), width - 1)

  def columns(self, width: int) -> list[int | None]:
    """Returns the part to which each pixel of a strip belongs."""
    times = (np.arange(width) + 0.5) / width * self.duration
    return [self.at(time) for time in times]


def playhead(
  frame: np.ndarray, scale: text.Scale, x: int, top: int, bottom: int
) -> None:
  """Draws a line through a strip where the film is now.

  Args:
    frame: uint8 [h, w, 3].
    scale: of its size.
    x: column.
    top: first row of the strip.
    bottom: row behind its last.
  """
  edge = max(1, scale.stroke // 3)
  left, over = x - scale.stroke // 2, scale.stroke
  box = (left, top - over, left + scale.stroke, bottom + over)
  around = (-edge, -edge, edge, edge)
  dark = tuple(side + more for side, more in zip(box, around))
  plate.fill(frame, dark, palette.BLACK)
  plate.fill(frame, box, palette.WHITE)


def apart(
  begins: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns parts of which no two overlap: each ends halfway into the next.

  Args:
    begins: seconds [n], ascending.
    ends: seconds [n].
  """
  begins = np.array(begins, np.float64)
  ends = np.array(ends, np.float64)
  between = (begins[1:] + ends[:-1]) / 2
  overlap = ends[:-1] > begins[1:]
  begins[1:][overlap] = ends[:-1][overlap] = between[overlap]
  return begins, ends
