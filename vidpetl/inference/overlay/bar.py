"""Classes over time: bars of the best ones, and a strip of the whole film."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vidpetl.inference.overlay import palette, plate, text, timeline

# Widest that the panel of bars is, in letters; and the share of a frame that it
# may take, of the width on large frames and of the height.
_LETTERS, _WIDE, _HIGH = 17, 0.34, 0.5
# Opacity of the strip where the score is 0; it is 1 where that is 1.
_FAINT = 0.45


@dataclasses.dataclass(eq=False)
class Bars:
  """Draws the best classes of the window that is shown.

  The strip at the bottom is the whole film. It has at each time the colour of
  the class that is best there, the brighter the higher its score. Classes that
  are best for the longest time have colours of their own, and the others are
  grey. A frame outside of all windows has no bars.

  Attributes:
    begins: seconds [n] at which windows begin.
    ends: seconds [n] at which they end. Where windows overlap, the one is shown
      in whose middle the time lies most.
    names: [c] of classes.
    scores: [n, c], from 0 to 1.
    duration: of the film, in seconds.
    best: how many classes are shown, fewer where the frame is small.
  """

  begins: np.ndarray
  ends: np.ndarray
  names: Sequence[str]
  scores: np.ndarray
  duration: float
  best: int = 5

  def __post_init__(self):
    self._spans = timeline.Spans(
      np.asarray(self.begins), np.asarray(self.ends), self.duration
    )
    self.scores = np.asarray(self.scores, np.float64)
    if self.scores.shape != (len(self._spans.begins), len(self.names)):
      raise ValueError(
        f'scores {self.scores.shape} are not those of '
        f'{len(self._spans.begins)} windows and {len(self.names)} classes'
      )
    self._colours = {
      c: palette.of(i) for i, c in enumerate(self._by_time()[:_MOST])
    }
    # What many frames share is drawn once.
    self._panel = functools.lru_cache(4)(self._draw_panel)
    self._strip = functools.lru_cache(2)(self._draw_strip)

  def _by_time(self) -> list[int]:
    """Returns classes, the one first that is best for the longest time."""
    if not self.scores.size:
      return []
    length = self._spans.ends - self._spans.begins
    seconds = np.zeros(len(self.names))
    np.add.at(seconds, self.scores.argmax(1), length)
    means = self.scores.mean(0)
    return sorted(
      range(len(self.names)), key=lambda c: (-seconds[c], -means[c], c)
    )

  def colour(self, index: int) -> palette.Colour:
    """Returns the colour of a class, which it has throughout the film."""
    return self._colours.get(index, palette.GREY)

  def __call__(self, frame: np.ndarray, seconds: float) -> np.ndarray:
    """Draws on a frame, uint8 [h, w, 3], and returns it."""
    scale = text.Scale(*frame.shape[:2])
    window = self._spans.at(seconds)
    if window is not None:
      self._panel(window, scale).onto(frame, scale.margin, scale.margin)
    strip = self._strip(scale)
    top = scale.height - scale.margin - strip.height
    strip.onto(frame, scale.margin, top)
    x = scale.margin + self._spans.column(seconds, strip.width)
    timeline.playhead(frame, scale, x, top, top + strip.height)
    return frame

  def _draw_panel(self, window: int, scale: text.Scale) -> plate.Plate:
    thick = max(2, round(0.25 * scale.letter))
    row = scale.line + thick + max(2, round(0.3 * scale.letter))
    room = int(_HIGH * scale.height - 2 * scale.pad) // row
    count = min(self.best, len(self.names), max(1, room))
    width = min(
      scale.width - 2 * scale.margin,
      max(_LETTERS * scale.letter, round(_WIDE * scale.width)),
    )
    inner = width - 2 * scale.pad
    height = count * row + scale.pad + scale.pad // 2
    image = plate.veil(width, height, scale.pad)
    draw = ImageDraw.Draw(image)
    order = np.argsort(-self.scores[window], kind='stable')[:count]
    for number, index in enumerate(order.tolist()):
      score = self.scores[window, index]
      y = scale.pad // 2 + number * row
      name = text.Line(self.names[index], text.percent(score))
      name.draw(image, scale.pad, y, inner, scale.letter)
      y += scale.line
      x, full = scale.pad, scale.pad + inner - 1
      draw.rectangle((x, y, full, y + thick - 1), palette.DIM)
      end = x + round(min(max(score, 0), 1) * inner) - 1
      if end >= x:
        draw.rectangle((x, y, end, y + thick - 1), self.colour(index))
    return plate.Plate(image)

  def _draw_strip(self, scale: text.Scale) -> plate.Plate:
    width = scale.width - 2 * scale.margin
    pixels = np.zeros((1, width, 4), np.uint8)
    pixels[..., 3] = round(255 * palette.VEIL)
    for x, window in enumerate(self._spans.columns(width)):
      if window is not None:
        index = int(self.scores[window].argmax())
        share = _FAINT + (1 - _FAINT) * self.scores[window, index]
        pixels[0, x, :3] = np.array(self.colour(index)) * min(1.0, share)
        pixels[0, x, 3] = 255
    edge = max(1, scale.stroke // 2)
    height = max(4, round(0.5 * scale.letter))
    strip = Image.new('RGBA', (width, height + 2 * edge), palette.BLACK)
    strip.paste(Image.fromarray(pixels).resize((width, height)), (0, edge))
    return plate.Plate(strip)


_MOST = len(palette.COLOURS)
