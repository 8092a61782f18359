"""What hands do: gestures, and objects that are handled.

An act changes the pose under it and returns the objects it needs, as `Prop`s in
the body's coordinates. Pairs of acts are each other's reverse in time: lift and
put down, open and close, push and pull.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from vidpetl.world import body
from vidpetl.world.motions import (
  SEAT_HIP,
  Style,
  between,
  circle,
  ease,
  effort,
  pair,
)

# Layers around a body, whose own parts lie between -1 and 1.
BEHIND, FRONT = -2.0, 0.8


@dataclasses.dataclass(frozen=True)
class Prop:
  """A polygon in body coordinates.

  Attributes:
    points: [t, k, 2].
    colour: 'object', 'dark', 'wood' or 'light', an entry of a figure's
      palette.
    layer: against the body's own, see `figure.py`.
    visible: bool [t]; None is always.
  """

  points: np.ndarray
  colour: str
  layer: float
  visible: np.ndarray | None = None


Act = Callable[[np.ndarray, Style, body.Pose], list[Prop]]


def rectangle(
  centre: np.ndarray, width: float, height: float, angle=0.0
) -> np.ndarray:
  """[t, 4, 2] corners of a rectangle turned by `angle` (a number or [t])."""
  corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
  corners = corners * [width, height]
  angle = np.broadcast_to(angle, len(centre))
  cos, sin = np.cos(angle), np.sin(angle)
  rotation = np.stack([cos, -sin, sin, cos], -1).reshape(-1, 2, 2)
  return centre[:, None] + np.einsum('tij,kj->tki', rotation, corners)


def fixed(points, frames: int) -> np.ndarray:
  """A polygon that stays, [t, k, 2]."""
  points = np.asarray(points, float)
  return np.broadcast_to(points, (frames, *points.shape))


def _neck(pose: body.Pose) -> np.ndarray:
  up = np.stack([np.sin(pose.lean), np.cos(pose.lean)], -1)
  return pose.hip + body.TORSO * up


def carry(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Holds a box before the chest, or a bag at the side."""
  n = len(clock)
  if style.habit < 0.6:
    pose.hands = pair([0.24, -0.2], [0.28, -0.18], n)
    centre = body.shifted(_neck(pose), 0.29, -0.12)
    return [Prop(rectangle(centre, 0.24, 0.22, 0.1), 'object', FRONT)]
  pose.hands[:, 0] = [0.1, -0.37]
  centre = body.shifted(_neck(pose), 0.1, -0.48)
  return [Prop(rectangle(centre, 0.22, 0.2), 'object', FRONT)]


def wave(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Waves one raised hand from side to side."""
  swing = circle(style.cycles(clock, 0.66)) * style.size
  height = 0.34 - 0.1 * np.abs(swing)
  pose.hands[:, 0] = np.stack([0.14 + 0.24 * swing, height], -1)
  return []


def clap(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Claps before the chest, one arm from above and one from below."""
  n = len(clock)
  apart = 0.5 + 0.5 * circle(style.cycles(clock, 0.6))
  spread = 0.02 + 0.25 * style.size * apart
  ahead = 0.32 - 0.08 * apart
  pose.hands = pair(
    np.stack([ahead, spread - 0.08], -1),
    np.stack([ahead, -spread - 0.08], -1),
    n,
  )
  return []


def throw(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Winds up and throws a ball; the next one is at hand at once."""
  u = style.cycles(clock, 1.35) % 1.0
  fling = ease((u - 0.42) / 0.16)
  back = ease((u - 0.74) / 0.26)
  wind = ease(u / 0.4)
  hand = between([0.12, -0.22], [-0.26, 0.22], wind)
  hand = hand + between([0, 0], [0.66, -0.1], fling)
  hand = hand * (1 - back)[:, None] + back[:, None] * [0.12, -0.22]
  pose.hands[:, 0] = hand
  pose.lean = pose.lean - 0.25 * wind * (1 - fling) + 0.3 * fling * (1 - back)
  flown = np.clip((u - 0.53) / 0.47, 0, 1)
  flight = np.stack([1.35 * flown, 0.28 * flown - 0.75 * flown**2], -1)
  released = u > 0.53
  centre = np.where(
    released[:, None],
    body.shifted(_neck(pose) + flight, 0.4, 0.16),
    _neck(pose) + hand,
  )
  return [Prop(body.disc(centre, 0.075), 'object', FRONT)]


def _raise_object(pose: body.Pose, cycles: np.ndarray) -> list[Prop]:
  """Brings an object from below the hip to above the head, then another."""
  n = len(cycles)
  q = effort(cycles)
  held = cycles % 1.0 < 0.75
  pose.lean = pose.lean + 0.55 * (1 - q)
  hands = between([0.26, -0.34], [0.2, 0.3], q)
  hands[:, 0] += 0.12 * np.sin(np.pi * q)
  pose.hands = pair(hands, body.shifted(hands, 0.04, 0.02), n)
  centre = body.shifted(_neck(pose) + hands, 0.08, 0.02)
  shelf = fixed([[0.3, 0.0], [0.36, 0.0], [0.36, 0.34], [0.3, 0.34]], n)
  return [
    Prop(shelf, 'wood', BEHIND),
    Prop(rectangle(centre, 0.24, 0.2), 'object', FRONT, held),
  ]


def lift(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Lifts objects, one after the other, from knee height to overhead."""
  return _raise_object(pose, style.cycles(clock, 1.5))


def put_down(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Takes objects from overhead and puts them down: `lift` backwards."""
  return _raise_object(pose, -style.cycles(clock, 1.5))


def push(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Holds a loaded cart in front with both hands.

  Whether it is pushed or pulled is in which way the two go.
  """
  n = len(clock)
  jolt = 0.02 * circle(style.cycles(clock, 0.55))
  pose.hands = pair([0.34, -0.16], [0.36, -0.13], n)
  pose.lean = pose.lean + 0.1 + 0.05 * (style.habit - 0.5)
  centre = fixed([0.62, 0.3], n) + np.stack([0 * jolt, 0.3 * jolt], -1)
  parts = [
    Prop(rectangle(centre, 0.4, 0.36), 'object', FRONT),
    Prop(rectangle(body.shifted(centre, 0, 0.24), 0.3, 0.16), 'wood', FRONT),
  ]
  turns = style.cycles(clock, 0.8)
  for x in (0.5, 0.74):
    axle = fixed([x, 0.07], n)
    parts.append(Prop(body.disc(axle, 0.075), 'dark', FRONT))
    spoke = rectangle(axle, 0.13, 0.03, -2 * np.pi * turns)
    parts.append(Prop(spoke, 'light', FRONT))
  return parts


def pull(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Holds a loaded cart and walks backwards: `push` backwards."""
  return push(-clock, style, pose)


def _slide(pose: body.Pose, cycles: np.ndarray) -> list[Prop]:
  """Slides a panel from before a dark doorway, which then shuts again."""
  n = len(cycles)
  q = effort(cycles)
  left, right, top = 0.08, 0.62, 1.12
  shift = 0.5 * q
  near = np.stack([0.4 - 0.55 * q, -0.12 + 0 * q], -1)
  pose.hands[:, 0] = near
  pose.lean = pose.lean + 0.22 * (1 - q) - 0.1 * q
  doorway = fixed([[left, 0], [right, 0], [right, top], [left, top]], n)
  panel = doorway - np.stack([shift, 0 * shift], -1)[:, None]
  handle = rectangle(
    np.stack([right - 0.09 - shift, 0.62 + 0 * shift], -1), 0.05, 0.2
  )
  return [
    Prop(doorway, 'dark', BEHIND - 1),
    Prop(panel, 'wood', BEHIND),
    Prop(handle, 'light', BEHIND),
  ]


def open_(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Opens a sliding door, slowly; it springs back."""
  return _slide(pose, style.cycles(clock, 1.55))


def close(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Closes a sliding door: `open_` backwards."""
  return _slide(pose, -style.cycles(clock, 1.55))


def ladder(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """A ladder whose rungs go by as one climbs."""
  n = len(clock)
  parts = []
  for x in (0.1, 0.3):
    rail = fixed([[x - 0.02, 0], [x + 0.02, 0], [x + 0.02, 1.6],
                  [x - 0.02, 1.6]], n)  # fmt: skip
    parts.append(Prop(rail, 'wood', BEHIND))
  gone = style.cycles(clock, 1.1) * 0.4
  for rung in range(8):
    y = (rung * 0.2 - gone) % 1.6
    centre = np.stack([np.full(n, 0.2), y], -1)
    parts.append(Prop(rectangle(centre, 0.2, 0.04), 'wood', BEHIND))
  return parts


def seat(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """A chair or a stool below someone who sits."""
  n = len(clock)
  low = SEAT_HIP - 0.09
  parts = [
    [[-0.22, low], [0.1, low], [0.1, low + 0.05], [-0.22, low + 0.05]],
    [[-0.2, 0], [-0.16, 0], [-0.16, low], [-0.2, low]],
    [[0.03, 0], [0.07, 0], [0.07, low], [0.03, low]],
  ]
  if style.habit < 0.6:
    parts.append([[-0.24, low], [-0.19, low], [-0.22, 0.6], [-0.27, 0.6]])
  return [Prop(fixed(p, n), 'wood', BEHIND) for p in parts]


def talk(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Opens and shuts the mouth, nods, and beats time with a free hand."""
  beat = circle(style.cycles(clock, 0.55)) * style.size
  pose.mouth = 0.5 + 0.5 * circle(style.cycles(clock, 0.37))
  pose.nod = pose.nod + 0.22 * circle(style.cycles(clock, 0.8))
  return _beat(pose, beat) if style.habit < 0.85 else []


def _beat(pose: body.Pose, beat: np.ndarray) -> list[Prop]:
  pose.hands[:, 1] = np.stack([0.27 + 0.03 * beat, -0.1 + 0.13 * beat], -1)
  return []


def speak(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Talks while both hands are busy."""
  pose.mouth = 0.5 + 0.5 * circle(style.cycles(clock, 0.37))
  pose.nod = pose.nod + 0.3 * circle(style.cycles(clock, 0.7))
  return []


def watch(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Turns to someone and stretches the neck towards him."""
  pose.thrust = pose.thrust + 0.07
  pose.nod = pose.nod - 0.1
  return []


def ignore(clock: np.ndarray, style: Style, pose: body.Pose) -> list[Prop]:
  """Hangs the head."""
  pose.nod = pose.nod + 0.7
  pose.thrust = pose.thrust - 0.01
  return []


ACTS: dict[str, Act] = {
  'carry': carry,
  'wave': wave,
  'clap': clap,
  'throw': throw,
  'lift': lift,
  'put_down': put_down,
  'push': push,
  'pull': pull,
  'open': open_,
  'close': close,
  'ladder': ladder,
  'seat': seat,
  'talk': talk,
  'speak': speak,
  'watch': watch,
  'ignore': ignore,
}
