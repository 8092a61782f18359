"""A score, and which parts of the film it comes from."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from PIL import ImageDraw

from vidpetl.inference.overlay import palette, plate, text, timeline

# Colours of what raises and lowers a score, and how those of segments that are
# not shown now are mixed with black.
_RAISES, _LOWERS = palette.COLOURS[0], palette.COLOURS[1]
_AWAY = 0.6
_LARGE = 2.4  # letters of the score, in those of other text
_STRIP = 0.12  # of a frame's height


@dataclasses.dataclass(eq=False)
class Score:
  """Draws a score in a corner, and each segment's part of it along the film.

  What raises the score stands above the strip's line, what lowers it hangs
  below. The segment that is shown is bright, has a frame, and is told in words.

  Attributes:
    score: of the film.
    begins: seconds [s] at which segments begin.
    ends: seconds [s] at which they end.
    values: [s], what each contributes.
    duration: of the film, in seconds.
    name: of the score.
    digits: behind the point.
  """

  score: float
  begins: np.ndarray
  ends: np.ndarray
  values: np.ndarray
  duration: float
  name: str = 'score'
  digits: int = 1

  def __post_init__(self):
    begins, ends = timeline.apart(self.begins, self.ends)
    self._spans = timeline.Spans(begins, ends, self.duration)
    self.values = np.asarray(self.values, np.float64)
    if self.values.shape != begins.shape:
      raise ValueError(
        f'values {self.values.shape} are not those of {len(begins)} segments'
      )
    self._plates = functools.lru_cache(2)(self._draw)

  def __call__(self, frame: np.ndarray, seconds: float) -> np.ndarray:
    """Draws on a frame, uint8 [h, w, 3], and returns it."""
    scale = text.Scale(*frame.shape[:2])
    corner, strip = self._plates(self._spans.at(seconds), scale)
    corner.onto(frame, scale.margin, scale.margin)
    if strip is not None:
      top = scale.height - scale.margin - strip.height
      strip.onto(frame, scale.margin, top)
      x = scale.margin + self._spans.column(seconds, strip.width)
      timeline.playhead(frame, scale, x, top, top + strip.height)
    return frame

  def _draw(
    self, segment: int | None, scale: text.Scale
  ) -> tuple[plate.Plate, plate.Plate | None]:
    corner = self._draw_corner(segment, scale)
    if not self.values.size:
      return corner, None
    return corner, self._draw_strip(segment, scale)

  def _draw_corner(self, segment: int | None, scale: text.Scale) -> plate.Plate:
    large = round(_LARGE * scale.letter)
    lines = [
      (text.Line(self.name), scale.letter),
      (text.Line(f'{self.score:.{self.digits}f}', bold=True), large),
    ]
    # All have room, so that the plate does not change while the film plays.
    told = [self._told(i, scale) for i in range(len(self.values))]
    if segment is not None:
      lines.append((told[segment], scale.letter))
    widths = [line.width(size) for line, size in lines[:2]]
    widths += [line.width(scale.letter) for line in told]
    inner = min(max(widths), scale.width - 2 * scale.margin - 2 * scale.pad)
    tall = scale.line * (1 + bool(told)) + round(1.1 * large)
    image = plate.veil(inner + 2 * scale.pad, tall + scale.pad, scale.pad)
    y = scale.pad // 2
    for line, size in lines:
      line.draw(image, scale.pad, y, inner, size)
      y += scale.line if size == scale.letter else round(1.1 * large)
    return plate.Plate(image)

  def _told(self, segment: int, scale: text.Scale) -> text.Line:
    value = self.values[segment]
    place = f'part {segment + 1}/{len(self.values)}'
    return text.Line(place, f'{value:+.{self.digits}f}', _colour(value))

  def _draw_strip(self, segment: int | None, scale: text.Scale) -> plate.Plate:
    width = scale.width - 2 * scale.margin
    height = max(12, round(_STRIP * scale.height))
    image = plate.veil(width, height, max(1, scale.pad // 2))
    draw = ImageDraw.Draw(image)
    low, high = min(0.0, self.values.min()), max(0.0, self.values.max())
    inner = height - 2 * scale.stroke - 2
    row = lambda value: (
      scale.stroke + 1 + round(inner * (high - value) / ((high - low) or 1.0))
    )
    for i, value in enumerate(self.values.tolist()):
      left, right = (
        round(edge / (self.duration or 1.0) * width)
        for edge in (self._spans.begins[i], self._spans.ends[i])
      )
      top, bottom = sorted((row(value), row(0.0)))
      box = (left + 1, top, max(left + 1, right - 2), max(top, bottom - 1))
      colour = _colour(value)
      if i == segment:
        draw.rectangle(
          (left, 0, right - 1, height - 1),
          palette.DIM,
          palette.WHITE,
          max(1, scale.stroke // 2),
        )
      else:
        colour = tuple(round(_AWAY * part) for part in colour)
      draw.rectangle(box, colour)
    draw.line((0, row(0.0), width, row(0.0)), palette.GREY)
    return plate.Plate(image)


def _colour(value: float) -> palette.Colour:
  return _RAISES if value >= 0 else _LOWERS
