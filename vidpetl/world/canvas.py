"""From polygons that move through a scene to frames of pixels.

Everything that moves is a `Shape`: a polygon whose corners are known at every
time. World coordinates have their origin at the top left of the unmoved
camera's view, x to the right, y down, and the frame's height as their unit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw

SUPERSAMPLE = 2
# The painted background reaches this far beyond the unmoved camera's view.
MARGIN = 0.4
# Side of the stored grain, of which every frame shows a random part.
_NOISE_SIDE = 192
_GREY = 128

Colour = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Shape:
  """A filled polygon over time.

  Attributes:
    points: [t, k, 2] corners.
    colour: of the filling.
    layer: shapes of a higher layer hide those of a lower one.
    visible: bool [t]; None is always.
    outline: colour of the edge; None draws none.
    body: part of a person, not something that he wears or handles.
  """

  points: np.ndarray
  colour: Colour
  layer: float = 0.0
  visible: np.ndarray | None = None
  outline: Colour | None = None
  body: bool = False


@dataclasses.dataclass(frozen=True)
class Camera:
  """Where a slowly moving camera looks.

  Attributes:
    centre: [t, 2] world point in the middle of the frame.
    zoom: [t] magnification.
    aspect: width / height of the frame.
  """

  centre: np.ndarray
  zoom: np.ndarray
  aspect: float

  def project(self, points: np.ndarray) -> np.ndarray:
    """Maps world points [t, k, 2] to frame coordinates in frame heights."""
    middle = np.array([self.aspect / 2, 0.5])
    centred = points - self.centre[:, None]
    return centred * self.zoom[:, None, None] + middle


@dataclasses.dataclass(frozen=True)
class Light:
  """What the sensor does to the scene's colours.

  Attributes:
    gain: [t, 3] factor of each channel.
    noise: standard deviation of the sensor's noise, in grey levels.
  """

  gain: np.ndarray
  noise: float


def darker(colour: Colour, factor: float) -> Colour:
  """Scales a colour; a factor above 1 makes it lighter."""
  red, green, blue = (min(int(c * factor), 255) for c in colour)
  return red, green, blue


def moving_camera(
  rng: np.random.Generator, times: np.ndarray, aspect: float
) -> Camera:
  """Draws a camera that pans, zooms and shakes a little."""
  pan = _drift(rng, times, 0.05)
  tilt = _drift(rng, times, 0.02)
  shake = rng.choice([0.0, 0.001, 0.003]) * rng.normal(size=(len(times), 2))
  zoom = 1.0 + _drift(rng, times, 0.05)
  centre = np.stack([aspect / 2 + pan, 0.5 + tilt], -1) + shake
  return Camera(centre, zoom, aspect)


def changing_light(rng: np.random.Generator, times: np.ndarray) -> Light:
  """Draws a light with a tint, whose brightness drifts or flickers."""
  brightness = rng.uniform(0.8, 1.1) + _drift(rng, times, 0.08)
  flicker = rng.choice([0.0, 0.0, 0.02]) * rng.normal(size=len(times))
  tint = rng.uniform(0.92, 1.08, 3)
  gain = (brightness + flicker)[:, None] * tint
  return Light(gain, rng.uniform(1.0, 3.5))


def _drift(
  rng: np.random.Generator, times: np.ndarray, size: float
) -> np.ndarray:
  """A slow sinusoid of random speed, phase and amplitude up to `size`."""
  period = rng.uniform(6, 14)
  phase = rng.uniform(0, 2 * np.pi)
  return rng.uniform(0, size) * np.sin(2 * np.pi * times / period + phase)


def render(
  background: Image.Image,
  shapes: Sequence[Shape],
  camera: Camera,
  light: Light,
  size: tuple[int, int],
  rng: np.random.Generator,
) -> Iterator[np.ndarray]:
  """Yields the frames.

  Args:
    background: painted by `backdrop.paint` for the same `size`.
    shapes: what moves, all over the same times.
    camera: over those times.
    light: over those times.
    size: (width, height) of a frame in pixels.
    rng: of the sensor's noise.

  Yields:
    uint8 [height, width, 3], one per time.
  """
  width, height = size
  scale = height * SUPERSAMPLE
  ordered = sorted(shapes, key=lambda s: s.layer)
  corners = np.concatenate([s.points for s in ordered], 1)
  corners = np.round(camera.project(corners) * scale, 1)
  ends = np.cumsum([s.points.shape[1] for s in ordered]) * 2
  grain = rng.normal(_GREY, light.noise, (_NOISE_SIDE, _NOISE_SIDE, 3))
  grain = Image.fromarray(grain.round().astype(np.uint8))
  corner = rng.integers(0, _NOISE_SIDE - max(size), (len(corners), 2)).tolist()
  tables = _tables(light.gain)
  for t, frame_corners in enumerate(corners):
    image = _view(background, camera, t, size)
    draw = ImageDraw.Draw(image)
    flat = frame_corners.ravel().tolist()
    start = 0
    for shape, end in zip(ordered, ends.tolist()):
      if shape.visible is None or shape.visible[t]:
        draw.polygon(flat[start:end], shape.colour, shape.outline)
      start = end
    lit = image.reduce(SUPERSAMPLE).point(tables[t])
    left, top = corner[t]
    noise = grain.crop((left, top, left + width, top + height))
    yield np.asarray(ImageChops.add(lit, noise, offset=-_GREY))


def _tables(gain: np.ndarray) -> list[list[int]]:
  """What becomes of each of the 3 x 256 levels under a gain [t, 3]."""
  levels = gain[:, :, None] * np.arange(256)
  return np.clip(levels, 0, 255).astype(int).reshape(len(gain), -1).tolist()


def _view(
  background: Image.Image, camera: Camera, t: int, size: tuple[int, int]
) -> Image.Image:
  """Cuts what the camera sees at time `t` out of the background."""
  width, height = (SUPERSAMPLE * s for s in size)
  step = 1 / camera.zoom[t]
  middle = np.array([camera.aspect / 2, 0.5])
  left, top = (camera.centre[t] + MARGIN - middle * step) * height
  # NEAREST is enough: the frame is averaged down afterwards.
  return background.transform(
    (width, height),
    Image.Transform.AFFINE,
    (step, 0, left, 0, step, top),
    Image.Resampling.NEAREST,
  )


def extents(
  shapes: Sequence[Shape], camera: Camera
) -> tuple[np.ndarray, np.ndarray]:
  """Bounds what the shapes cover of the frame.

  Returns:
    boxes: [t, 4] x1, y1, x2, y2 as fractions of the frame, around what lies
      within it; zeros where nothing does.
    seen: [t] area of that box over that of the whole shapes' box.
  """
  starts, steps = [], []
  for shape in shapes:
    corners = camera.project(shape.points) / np.array([camera.aspect, 1.0])
    starts.append(corners)
    steps.append(np.roll(corners, -1, 1) - corners)
  start, step = np.concatenate(starts, 1), np.concatenate(steps, 1)
  whole = np.concatenate([start.min(1), start.max(1)], -1)
  enter, leave = _inside(start, step)
  ends = np.clip(np.stack([enter, leave], -1), 0, 1)[..., None]
  parts = start[:, :, None] + ends * step[:, :, None]
  parts = np.clip(parts, 0, 1)
  crosses = (enter <= leave)[..., None, None]
  low = np.where(crosses, parts, np.inf).min((1, 2))
  high = np.where(crosses, parts, -np.inf).max((1, 2))
  boxes = np.concatenate([low, high], -1)
  boxes[~np.isfinite(boxes).all(-1)] = 0.0
  return boxes, _area(boxes) / _area(whole)


def _inside(
  start: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Clips edges to the unit square (Liang and Barsky, 1984).

  Args:
    start: [t, k, 2] first corner of each edge.
    step: [t, k, 2] from there to the second.

  Returns:
    enter and leave, [t, k]: `start + u * step` is inside for u between them;
    enter > leave where no part of the edge is.
  """
  parallel = np.abs(step) < 1e-9
  safe = np.where(parallel, 1.0, step)
  first, second = -start / safe, (1 - start) / safe
  near, far = np.minimum(first, second), np.maximum(first, second)
  outside = (start < 0) | (start > 1)
  near = np.where(parallel, np.where(outside, np.inf, -np.inf), near)
  far = np.where(parallel, np.where(outside, -np.inf, np.inf), far)
  return np.maximum(near.max(-1), 0.0), np.minimum(far.min(-1), 1.0)


def _area(boxes: np.ndarray) -> np.ndarray:
  return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
