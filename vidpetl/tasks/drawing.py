"""Keyframes with their boxes and labels drawn, and figures as pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epy
from PIL import Image, ImageDraw

from vidpetl import lettering

with epy.lazy_imports():  # Pictures are drawn when a run ends.
  from matplotlib import figure
  from matplotlib.backends import backend_agg

TRUTH, RIGHT, WRONG = (255, 255, 255), (90, 220, 90), (255, 140, 60)
_WIDTH = 640
_LETTER = 13
_LINE = 17  # Brackets reach below a line.


def pixels(picture: figure.Figure) -> np.ndarray:
  """Returns a figure as it looks on a screen, uint8 [h, w, 3]."""
  canvas = backend_agg.FigureCanvasAgg(picture)
  canvas.draw()
  return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def boxed_frame(
  frame: np.ndarray,
  people: Sequence[tuple[np.ndarray, Sequence[tuple[str, bool]]]],
  truth: Sequence[tuple[np.ndarray, Sequence[str]]],
) -> np.ndarray:
  """Draws who is where and does what.

  Ground truth is thin and white, its actions in the caption below. What was
  found is orange, with its best-scoring actions inside the box: green if the
  person was annotated with the action, orange if not.

  Args:
    frame: uint8 [h, w, 3].
    people: box [4] as fractions, and ('sit 0.93', right) lines, best first.
    truth: box [4] as fractions, and names of actions.

  Returns:
    uint8 [h', w', 3], enlarged so that text can be read.
  """
  scale = max(1.0, _WIDTH / frame.shape[1])
  size = [round(scale * n) for n in (frame.shape[1], frame.shape[0])]
  image = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
  draw = ImageDraw.Draw(image)
  for box, _ in truth:
    draw.rectangle(_pixels(box, size), outline=TRUTH, width=1)
  for box, lines in people:
    x1, y1, x2, y2 = _pixels(box, size)
    draw.rectangle((x1, y1, x2, y2), outline=WRONG, width=2)
    for number, (text, right) in enumerate(lines):
      font = lettering.font(_LETTER, text)
      left = min(x1 + 4, max(0, size[0] - font.getlength(text)))
      at = (left, y1 + 3 + number * _LINE)
      draw.rectangle(draw.textbbox(at, text, font), fill=(0, 0, 0))
      draw.text(at, text, RIGHT if right else WRONG, font)
  return np.asarray(_captioned(image, truth))


def _pixels(box: np.ndarray, size: Sequence[int]) -> tuple[float, ...]:
  return tuple(float(b) * size[i % 2] for i, b in enumerate(box))


def _captioned(image, truth) -> Image.Image:
  """Lists the annotated people from left to right below the picture."""
  ordered = sorted(truth, key=lambda person: person[0][0])
  lines = [f'annotated: {", ".join(names)}' for _, names in ordered]
  height = image.height + _LINE * max(len(lines), 1) + 6
  canvas = Image.new('RGB', (image.width, height))
  canvas.paste(image)
  draw = ImageDraw.Draw(canvas)
  for number, line in enumerate(lines or ['nobody is annotated']):
    at = (4, image.height + 3 + number * _LINE)
    draw.text(at, line, TRUTH, lettering.font(_LETTER, line))
  return canvas
