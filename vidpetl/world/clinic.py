"""Four tests of how someone with Parkinson's disease moves.

The worse, the slower, the smaller towards the end, and the more often it
falters: with severity 0 a movement is quick, wide and even.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from vidpetl.world import backdrop, body, closeup, figure, handling, motions
from vidpetl.world.canvas import Colour, Shape, darker
from vidpetl.world.motions import ease
from vidpetl.world.scene import Scene, generator, things

# Cycles per second of the slowest as a share of the quickest, what is lost of
# the amplitude by the end, and halts, all with severity 1.
_SLOWEST, _DECREMENT, _HALTS = 0.15, 0.4, 3
_HALT_SECONDS = 0.35


def repetitions(
  rng: np.random.Generator, times: np.ndarray, severity: float, pace: float
) -> tuple[np.ndarray, np.ndarray]:
  """Draws the course of a repeated movement.

  Args:
    rng: of halts, amplitude and phase.
    times: [t] in seconds, evenly spaced.
    severity: 0 to 1.
    pace: cycles per second with severity 0.

  Returns:
    Cycles done [t] and the amplitude [t], at most 1.
  """
  rate = pace * (1 - (1 - _SLOWEST) * severity) * rng.uniform(0.95, 1.05)
  halted = np.zeros(len(times))
  length = times[-1]
  count = round(_HALTS * severity)
  for i in range(count):
    middle = (i + rng.uniform(0.3, 0.7)) / count * length
    away = np.abs(times - middle) / _HALT_SECONDS
    halted = np.maximum(halted, 1 - ease(2 * away - 0.5))
  step = times[1] - times[0]
  cycles = rng.uniform() + np.cumsum(rate * (1 - halted)) * step
  shrinking = 1 - _DECREMENT * severity * times / length
  return cycles, rng.uniform(0.85, 1.0) * shrinking


def _open(cycles: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
  """From 0, shut, to the amplitude and back, once a cycle."""
  return amplitude * (0.5 - 0.5 * np.cos(2 * np.pi * cycles))


def _forearm(rng, frames: int, aspect: float, look: figure.Look):
  """A resting hand: its place, where it points, and the arm's shapes."""
  side = int(rng.choice([-1, 1]))
  place = [aspect / 2 + 0.22 * side, rng.uniform(0.5, 0.62)]
  hand = handling.fixed([place], frames)[:, 0]
  elbow = body.shifted(hand, 0.8 * side, rng.uniform(0.1, 0.4))
  wrist = hand + 0.25 * (elbow - hand)
  sleeve, skin = look.palette['shirt'], look.palette['skin']
  found = [
    _drape(rng, frames, aspect, skin),
    _limb(elbow, wrist, 0.12, 0.1, sleeve, 3.1),
    _limb(wrist, hand, 0.09, 0.13, skin, 3.0),
  ]
  return hand, -side, found


def _drape(rng, frames: int, aspect: float, skin: Colour) -> Shape:
  """A cloth behind the hand, dark behind light skin and the reverse."""
  centre = [aspect / 2 + rng.uniform(-0.1, 0.1), 0.5]
  cloth = backdrop.muted(rng)
  if sum(skin) > 3 * 128:
    cloth = darker(cloth, 0.4)
  outline = handling.rectangle(
    handling.fixed([centre], frames)[:, 0],
    rng.uniform(0.85, 1.05),
    rng.uniform(0.85, 1.05),
    rng.uniform(-0.1, 0.1),
  )
  return Shape(outline, cloth, 2.5)


def _limb(start, end, first: float, last: float, colour, layer: float) -> Shape:
  outline = body.capsule(start, end, first, last)
  return Shape(outline, colour, layer, None, darker(colour, 0.5))


def _pointing(side: int, angle: np.ndarray) -> np.ndarray:
  """Unit vectors [t, 2]: forwards, turned up by an angle."""
  return np.stack([side * np.cos(angle), -np.sin(angle)], -1)


def _finger_tapping(rng, times, severity, aspect, look) -> list[Shape]:
  """The index finger taps on the thumb."""
  opened = _open(*repetitions(rng, times, severity, 2.2))
  hand, side, found = _forearm(rng, len(times), aspect, look)
  skin = look.palette['skin']
  for sign, root, length, layer in ((1, 0.07, 0.2, 3.4), (-1, 0.08, 0.16, 3.3)):
    start = body.shifted(hand, 0.05 * side, -sign * root)
    knuckle = start + length * _pointing(side, sign * (0.25 + 0.85 * opened))
    tip = knuckle + 0.15 * _pointing(side, sign * (-0.5 + 0.85 * opened))
    found.append(_limb(start, knuckle, 0.07, 0.06, skin, layer))
    found.append(_limb(knuckle, tip, 0.06, 0.05, skin, layer))
  return found


def _hand_movement(rng, times, severity, aspect, look) -> list[Shape]:
  """The hand opens wide and makes a fist."""
  opened = _open(*repetitions(rng, times, severity, 2.2))
  hand, side, found = _forearm(rng, len(times), aspect, look)
  skin = look.palette['skin']
  for i, spread in enumerate((-0.9, -0.45, 0.0, 0.45, 0.95)):
    ahead = _pointing(side, spread * (0.5 + 0.5 * opened))
    start = hand + 0.09 * ahead
    end = start + (0.05 + 0.29 * opened)[:, None] * ahead
    found.append(_limb(start, end, 0.06, 0.05, skin, 3.3 + 0.01 * i))
  return found


def _leg_agility(rng, times, severity, aspect, look) -> list[Shape]:
  """Someone on a chair raises a foot and stomps."""
  opened = _open(*repetitions(rng, times, severity, 2.4))
  pose = motions.sit(times, motions.Style.draw(rng))
  pose.feet[:, 0, 1] += 0.3 * opened
  pose.feet[:, 0, 0] += 0.03
  side = int(rng.choice([-1, 1]))
  height = rng.uniform(1.05, 1.2)
  place = np.full(len(times), aspect / 2 - 0.06 * side)
  chair = handling.seat(times, motions.Style(habit=0.9), pose)
  return _standing_at(pose, chair, look, place, side, height, 0.93)


def _gait(rng, times, severity, aspect, look) -> list[Shape]:
  """Walks to and fro."""
  cycles, amplitude = repetitions(rng, times, severity, 1.5)
  length, raised = 0.26 * amplitude, 0.14 * amplitude
  near, far = motions.stride(cycles, length, raised)
  pose = motions.striding(near, far, cycles, swing=length, drop=-0.31)
  height = rng.uniform(0.72, 0.8)
  # A foot on the ground stays where it is, as far as that can be.
  steps = np.diff(cycles, prepend=cycles[0]) * length * 4 * height
  gone = rng.uniform() * 2 + np.cumsum(steps) / (aspect - 0.6)
  side = np.where(gone % 2 < 1, 1, -1)
  place = 0.3 + (aspect - 0.6) * (1 - np.abs(1 - gone % 2))
  return _standing_at(pose, [], look, place, side, height, 0.92)


def _standing_at(pose, props, look, place, side, height, ground) -> list[Shape]:
  """A whole person and what belongs to him, in the scene."""
  flip = height * np.broadcast_to(side, len(place))[:, None]

  def to_world(points: np.ndarray) -> np.ndarray:
    x = place[:, None] + flip * points[..., 0]
    return np.stack([x, ground - height * points[..., 1]], -1)

  found = [
    Shape(
      to_world(points),
      colour,
      3.0 + 0.1 * depth,
      outline=darker(colour, 0.45) if edge else None,
      body=True,
    )
    for points, colour, depth, edge in figure.flesh(pose, look)
  ]
  for prop in props:
    colour = look.palette[prop.colour]
    layer = 3.0 + 0.1 * prop.layer
    found.append(
      Shape(to_world(prop.points), colour, layer, None, darker(colour, 0.5))
    )
  return found


TASKS: Mapping[str, Callable[..., list[Shape]]] = {
  'Finger tapping': _finger_tapping,
  'Gait': _gait,
  'Hand movement': _hand_movement,
  'Leg agility': _leg_agility,
}
_CLOSE_UPS = ('Finger tapping', 'Hand movement')


def stage(
  key: tuple,
  task: str,
  severity: float,
  subject: tuple,
  seconds: float,
  size: tuple[int, int],
  fps: int,
) -> Scene:
  """Sets up one test.

  Args:
    key: of the generator.
    task: a key of `TASKS`.
    severity: 0 to 1.
    subject: key of the generator of who is tested, i.e. of his looks.
    seconds: duration.
    size: (width, height) of the frames in pixels.
    fps: frames per second.

  Returns:
    A scene.
  """
  rng = generator(*key, 'stage')
  times = np.arange(round(seconds * fps)) / fps
  aspect = size[0] / size[1]
  look = figure.Look.draw(generator(*subject, 'look'))
  moving = closeup.table(rng, times, aspect) if task in _CLOSE_UPS else []
  moving += TASKS[task](rng, times, severity, aspect, look)
  return things(rng, key, times, size, moving)
