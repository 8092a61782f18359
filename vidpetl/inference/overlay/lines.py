"""Lines of text that change over a film."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from vidpetl.inference.overlay import plate, text, timeline


@dataclasses.dataclass(eq=False)
class Lines:
  """Writes what is said of the window that is shown into a corner.

  Attributes:
    begins: seconds [n] at which windows begin.
    ends: seconds [n] at which they end.
    told: of each window, names with values.
    duration: of the film, in seconds.
  """

  begins: np.ndarray
  ends: np.ndarray
  told: Sequence[Sequence[tuple[str, str]]]
  duration: float

  def __post_init__(self):
    self._spans = timeline.Spans(self.begins, self.ends, self.duration)
    self._plate = functools.lru_cache(4)(self._draw)

  def __call__(self, frame: np.ndarray, seconds: float) -> np.ndarray:
    """Draws on a frame, uint8 [h, w, 3], and returns it."""
    scale = text.Scale(*frame.shape[:2])
    window = self._spans.at(seconds)
    if window is not None and self.told[window]:
      self._plate(window, scale).onto(frame, scale.margin, scale.margin)
    return frame

  def _draw(self, window: int, scale: text.Scale) -> plate.Plate:
    lines = [text.Line(*each) for each in self.told[window]]
    widest = max(line.width(scale.letter) for line in lines)
    inner = min(widest, scale.width - 2 * scale.margin - 2 * scale.pad)
    height = scale.line * len(lines) + scale.pad
    image = plate.veil(inner + 2 * scale.pad, height, scale.pad)
    for number, line in enumerate(lines):
      y = scale.pad // 2 + number * scale.line
      line.draw(image, scale.pad, y, inner, scale.letter)
    return plate.Plate(image)
