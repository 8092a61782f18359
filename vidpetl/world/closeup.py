"""Close-ups of a hand that does something with an object on a table.

What is done can only be told from the movement: the same object on the same
table goes left or right, up or down, opens or closes, before or behind the
hand. World coordinates and rendering are those of whole scenes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from vidpetl.world import backdrop, body, figure
from vidpetl.world.canvas import Shape, darker
from vidpetl.world.handling import rectangle
from vidpetl.world.motions import ease
from vidpetl.world.scene import Scene, generator, things

_TABLE = 0.78
_HAND, _ARM = 0.075, 0.06
# How far a hand is from the middle of what it holds.
_GRIP = 0.15


def _column(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  return np.stack(np.broadcast_arrays(x, y), -1).astype(float)


def _path(
  rng: np.random.Generator, times: np.ndarray
) -> tuple[np.ndarray, float]:
  """Progress 0 to 1 of the one movement, [t], and how far it goes."""
  seconds = len(times) * (times[1] - times[0])
  start = rng.uniform(0.02, 0.16) * seconds
  length = rng.uniform(0.62, 0.8) * seconds
  return ease((times - start) / length), rng.uniform(0.9, 1.1)


Motion = tuple[np.ndarray, np.ndarray, np.ndarray, list]


def _across(direction: int, behind: bool) -> Callable[..., Motion]:
  """Along the table: the hand is behind the object or ahead of it."""

  def motion(rng, times, aspect) -> Motion:
    q, reach = _path(rng, times)
    x = aspect / 2 + direction * (q - 0.5) * 0.62 * reach
    thing = _column(x, np.full(len(times), _TABLE - 0.1))
    side = -direction if behind else direction
    hand = body.shifted(thing, side * _GRIP, -0.01)
    drop = -0.1 + rng.uniform(-0.3, 0.2)
    elbow = body.shifted(hand, side * 0.8, drop)
    return thing, hand, elbow, []

  return motion


def _vertical(direction: int) -> Callable[..., Motion]:
  """Up from the table, or down onto it."""

  def motion(rng, times, aspect) -> Motion:
    q, reach = _path(rng, times)
    q = q if direction > 0 else 1 - q
    x = aspect / 2 + rng.uniform(-0.2, 0.2)
    thing = _column(x + 0.05 * np.sin(3 * q), _TABLE - 0.1 - 0.5 * reach * q)
    side = rng.choice([-1, 1])
    hand = body.shifted(thing, side * 0.12, -0.04)
    return thing, hand, body.shifted(hand, side * 0.8, 0.25), []

  return motion


def _lid(direction: int) -> Callable[..., Motion]:
  """The lid of a box turns up about its edge, or back down."""

  def motion(rng, times, aspect) -> Motion:
    q, _ = _path(rng, times)
    q = q if direction > 0 else 1 - q
    side = rng.choice([-1, 1])
    n = len(times)
    thing = _column(np.full(n, aspect / 2), np.full(n, _TABLE - 0.12))
    angle = 1.9 * q
    hinge = body.shifted(thing, side * 0.2, -0.12)
    edge = np.stack([-side * np.cos(angle), -np.sin(angle)], -1)
    lid = rectangle(hinge + 0.2 * edge, 0.4, 0.05, side * angle)
    hand = body.shifted(hinge + 0.38 * edge, 0, -0.03)
    return thing, hand, body.shifted(hand, -side * 0.8, 0.1), [lid]

  return motion


ACTIONS: Mapping[str, Callable[..., Motion]] = {
  'push_right': _across(1, behind=True),
  'push_left': _across(-1, behind=True),
  'pull_right': _across(1, behind=False),
  'pull_left': _across(-1, behind=False),
  'raise': _vertical(1),
  'lower': _vertical(-1),
  'unlid': _lid(1),
  'relid': _lid(-1),
}

# Objects by name; the shape follows from it.
OBJECTS = ('box', 'ball', 'cup', 'bottle', 'book')


def drawn_object(key: tuple, action: str) -> str:
  """The name of the object that a close-up with this key shows."""
  if action in ('unlid', 'relid'):
    return 'box'
  rng = generator(*key, 'object')
  return OBJECTS[rng.integers(len(OBJECTS))]


def stage(
  key: tuple, action: str, seconds: float, size: tuple[int, int], fps: int
) -> Scene:
  """Sets up a close-up.

  Args:
    key: of the generator.
    action: a key of `ACTIONS`.
    seconds: duration.
    size: (width, height) of the frames in pixels.
    fps: frames per second.

  Returns:
    A scene without whole people.
  """
  rng = generator(*key, 'stage')
  times = np.arange(round(seconds * fps)) / fps
  aspect = size[0] / size[1]
  look = figure.Look.draw(rng)
  thing, hand, elbow, lids = ACTIONS[action](rng, times, aspect)
  name = drawn_object(key, action)
  moving = table(rng, times, aspect)
  moving += _thing(name, thing, look, bool(lids))
  moving += [
    Shape(lid, darker(look.palette['object'], 1.3), 2.5, None, (30, 30, 30))
    for lid in lids
  ]
  moving += arm(hand, elbow, look)
  return things(rng, key, times, size, moving)


def table(rng, times, aspect) -> list[Shape]:
  """The table's top and some things that lie about on it."""
  n = len(times)
  top = np.array([[-0.5, _TABLE - 0.06], [aspect + 0.5, _TABLE - 0.06],
                  [aspect + 0.5, 1.6], [-0.5, 1.6]])  # fmt: skip
  found = [Shape(np.broadcast_to(top, (n, 4, 2)), backdrop.muted(rng), 0.5)]
  for _ in range(rng.integers(0, 4)):
    centre = [rng.uniform(0, aspect), rng.uniform(_TABLE + 0.05, 1.0)]
    shape = rectangle(
      np.broadcast_to(centre, (n, 2)),
      rng.uniform(0.05, 0.2),
      rng.uniform(0.03, 0.08),
      rng.uniform(-0.4, 0.4),
    )
    found.append(Shape(shape, figure.vivid(rng), 0.6))
  return found + backdrop.bystanders(rng, times, aspect)


def _thing(
  name: str, centre: np.ndarray, look: figure.Look, large: bool
) -> list[Shape]:
  """The object, its base on the table when the centre is 0.1 above it."""
  colour = look.palette['object']
  edge = darker(colour, 0.4)
  if large:
    outlines = [rectangle(centre, 0.4, 0.22)]
  elif name == 'ball':
    outlines = [body.disc(centre, 0.1)]
  elif name == 'cup':
    outlines = [
      body.disc(body.shifted(centre, 0.09, 0), 0.05),
      rectangle(centre, 0.17, 0.2),
    ]
  elif name == 'bottle':
    outlines = [
      rectangle(centre, 0.14, 0.2),
      rectangle(body.shifted(centre, 0, -0.14), 0.06, 0.1),
    ]
  elif name == 'book':
    outlines = [rectangle(body.shifted(centre, 0, 0.04), 0.26, 0.1)]
  else:
    outlines = [rectangle(centre, 0.22, 0.2)]
  return [Shape(o, colour, 2.0, None, edge) for o in outlines]


def arm(hand: np.ndarray, elbow: np.ndarray, look: figure.Look) -> list[Shape]:
  """A forearm in a sleeve that comes into view, a hand and fingers."""
  skin, sleeve = look.palette['skin'], look.palette['shirt']
  wrist = hand + 0.22 * (elbow - hand)
  ahead = hand - elbow
  ahead = ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
  across = np.stack([-ahead[:, 1], ahead[:, 0]], -1)
  found = [
    Shape(body.capsule(elbow, wrist, 0.09, _ARM + 0.015), sleeve, 3.1,
          None, darker(sleeve, 0.45)),
    Shape(body.capsule(wrist, hand, _ARM, _HAND), skin, 3.0,
          None, darker(skin, 0.5)),
  ]  # fmt: skip
  for finger in (-0.045, 0.0, 0.045):
    root = hand + finger * across
    tip = root + 0.1 * ahead
    found.append(
      Shape(body.capsule(root, tip, 0.026, 0.02), skin, 3.2, None,
            darker(skin, 0.5))
    )  # fmt: skip
  return found
