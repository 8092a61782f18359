"""The box around a shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vidpetl.data.importers.contract import Corners


def around(points: Sequence[Sequence[float]]) -> Corners:
  """Returns the box around points [n, 2]; n >= 1."""
  xs, ys = zip(*points)
  return min(xs), min(ys), max(xs), max(ys)


def ellipse(
  x: float, y: float, rx: float, ry: float, theta: float = 0.0
) -> Corners:
  """Returns the box around an ellipse; theta in radians.

  Half its width is sqrt((rx cos)^2 + (ry sin)^2).
  """
  cos, sin = math.cos(theta), math.sin(theta)
  half_x, half_y = (
    math.hypot(rx * cos, ry * sin),
    math.hypot(rx * sin, ry * cos),
  )
  return x - half_x, y - half_y, x + half_x, y + half_y


def rotated(corners: Corners, degrees: float) -> Corners:
  """Returns the upright box around a box that is turned about its centre."""
  if not degrees % 360:
    return corners
  x1, y1, x2, y2 = corners
  x, y, w, h = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2
  cos = abs(math.cos(math.radians(degrees)))
  sin = abs(math.sin(math.radians(degrees)))
  half_x, half_y = w * cos + h * sin, w * sin + h * cos
  return x - half_x, y - half_y, x + half_x, y + half_y
