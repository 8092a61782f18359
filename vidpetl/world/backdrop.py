"""Rooms and streets: painted backgrounds, and things that move in them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from vidpetl.world import body
from vidpetl.world.canvas import MARGIN, SUPERSAMPLE, Colour, Shape, darker
from vidpetl.world.handling import rectangle

_WALL_ENDS = 0.62


def paint(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
  """Paints a wall, a floor and furniture.

  Args:
    rng: of all choices.
    size: (width, height) of the frame in pixels.

  Returns:
    An RGB image at `SUPERSAMPLE` times the frame's resolution that reaches
    `MARGIN` frame heights beyond it on each side.
  """
  width, height = size
  aspect = width / height
  shape = (
    round((1 + 2 * MARGIN) * height),
    round((aspect + 2 * MARGIN) * height),
  )
  wall, floor = muted(rng), muted(rng)
  pixels = np.empty((*shape, 3), np.float32)
  pixels[:] = wall
  pixels[round((_WALL_ENDS + MARGIN) * height) :] = floor
  pixels += _mottle(rng, shape)
  pixels += _pattern(rng, shape, height)
  image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
  # Textures need no supersampling; edges do.
  image = image.resize(
    (shape[1] * SUPERSAMPLE, shape[0] * SUPERSAMPLE),
    Image.Resampling.BILINEAR,
  )
  unit = height * SUPERSAMPLE
  draw = ImageDraw.Draw(image)
  for _ in range(rng.integers(2, 6)):
    _furniture(rng, draw, unit, aspect)
  return image


def muted(rng: np.random.Generator) -> Colour:
  """Draws a colour of little saturation."""
  grey = rng.uniform(150, 225)
  red, green, blue = np.clip(grey + rng.uniform(-28, 28, 3), 0, 255).astype(int)
  return int(red), int(green), int(blue)


def _mottle(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
  """Blotches of brightness, [h, w, 1]."""
  cells = rng.integers(4, 14)
  coarse = rng.normal(0, rng.uniform(3, 12), (cells, cells)).astype(np.float32)
  image = Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC)
  return np.asarray(image)[..., None]


def _pattern(
  rng: np.random.Generator, shape: tuple[int, int], unit: int
) -> np.ndarray:
  """Stripes or tiles of some width and angle, or nothing, [h, w, 1]."""
  if rng.uniform() < 0.35:
    return np.zeros((1, 1, 1), np.float32)
  y, x = np.mgrid[: shape[0], : shape[1]] / unit
  angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
  wave = 2 * np.pi / rng.uniform(0.08, 0.3)
  lines = np.sin(wave * (x * np.cos(angle) + y * np.sin(angle)))
  if rng.uniform() < 0.4:
    lines = lines * np.sin(wave * (y * np.cos(angle) - x * np.sin(angle)))
  return (rng.uniform(2, 10) * np.sign(lines))[..., None].astype(np.float32)


def _furniture(
  rng: np.random.Generator,
  draw: ImageDraw.ImageDraw,
  unit: int,
  aspect: float,
) -> None:
  """Draws a window, a picture, a shelf or a table."""
  kind = rng.choice(['window', 'shelf', 'table', 'plant'])
  colour = muted(rng)
  if rng.uniform() < 0.3:
    colour = tuple(int(c) for c in rng.integers(110, 230, 3))
  x = rng.uniform(-MARGIN, aspect + MARGIN - 0.2)
  width = rng.uniform(0.15, 0.4)

  def box(left, top, right, bottom, fill):
    corners = [left, top, right, bottom]
    corners = [round((c + MARGIN) * unit) for c in corners]
    draw.rectangle(corners, fill, darker(fill, 0.6))

  if kind == 'window':
    y, height = rng.uniform(-0.1, 0.2), rng.uniform(0.15, 0.35)
    box(x, y, x + width, y + height, colour)
    box(x, y + height / 2, x + width, y + height, darker(colour, 0.9))
  elif kind == 'shelf':
    for y in np.arange(0.1, 0.6, rng.uniform(0.1, 0.2)):
      box(x, y, x + width, y + 0.03, colour)
      box(x + 0.03, y - 0.06, x + 0.08, y, muted(rng))
  elif kind == 'table':
    y = rng.uniform(0.5, 0.66)
    box(x, y, x + width, y + 0.04, colour)
    box(x + 0.02, y, x + 0.05, y + 0.22, darker(colour, 0.8))
    box(x + width - 0.05, y, x + width - 0.02, y + 0.22, darker(colour, 0.8))
  else:
    y = rng.uniform(0.6, 0.7)
    box(x, y, x + 0.09, y + 0.1, (120, 70, 45))
    for leaf in rng.uniform(-0.08, 0.08, (6, 2)):
      lx, ly = x + 0.045 + leaf[0], y - 0.08 + leaf[1]
      box(lx - 0.03, ly - 0.04, lx + 0.03, ly + 0.04, (50, 110, 55))


def bystanders(
  rng: np.random.Generator, times: np.ndarray, aspect: float
) -> list[Shape]:
  """Draws up to two things that move behind everyone."""
  found = []
  for _ in range(rng.integers(0, 3)):
    kind = rng.choice([_rolling, _pendulum, _fan])
    found += kind(rng, times, aspect)
  return found


def _rolling(rng, times, aspect) -> list[Shape]:
  """A ball or a box that crosses the scene."""
  speed = rng.uniform(0.08, 0.3) * rng.choice([-1, 1])
  span = aspect + 0.6
  x = (rng.uniform(0, span) + speed * times) % span - 0.3
  y = np.full(len(times), rng.uniform(0.5, 0.66))
  colour, radius = muted(rng), rng.uniform(0.04, 0.1)
  centre = np.stack([x, y], -1)
  if rng.uniform() < 0.5:
    return [Shape(body.disc(centre, radius), colour, 0.1)]
  return [Shape(rectangle(centre, 3 * radius, 1.5 * radius), colour, 0.1)]


def _pendulum(rng, times, aspect) -> list[Shape]:
  """A swinging lamp."""
  angle = rng.uniform(0.1, 0.4) * np.sin(times * rng.uniform(1.5, 4))
  length = rng.uniform(0.15, 0.35)
  x = rng.uniform(0, aspect)
  swing = length * np.stack([np.sin(angle), np.cos(angle)], -1)
  top = np.array([x, -0.05])
  cord = rectangle(top + swing / 2, 0.015, length, -angle)
  lamp = body.disc(top + swing, rng.uniform(0.03, 0.06))
  return [Shape(cord, (40, 40, 40), 0.0), Shape(lamp, muted(rng), 0.1)]


def _fan(rng, times, aspect) -> list[Shape]:
  """A turning fan on the wall."""
  centre = np.array([rng.uniform(0, aspect), rng.uniform(0.05, 0.3)])
  centre = np.broadcast_to(centre, (len(times), 2))
  angle = times * rng.uniform(2, 7)
  size, colour = rng.uniform(0.1, 0.2), muted(rng)
  return [
    Shape(rectangle(centre, size, 0.04, angle + quarter), colour, 0.0)
    for quarter in (0, np.pi / 2)
  ]
