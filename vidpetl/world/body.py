"""A person's body: joints from a pose, and the outline of the flesh on them.

Body coordinates have their origin on the ground below the person, x towards
where he faces, y up, and his height when standing as their unit.
"""

from __future__ import annotations

import dataclasses

import numpy as np

THIGH = SHIN = 0.255
TORSO = 0.34
UPPER_ARM = FOREARM = 0.205
NECK_TO_HEAD = 0.115
HEAD = 0.1
STANDING_HIP = 0.48

_ARC = np.linspace(-np.pi / 2, np.pi / 2, 6)


@dataclasses.dataclass
class Pose:
  """How the body is held over time.

  Attributes:
    hip: [t, 2].
    lean: [t] angle of the torso from the vertical, forwards, in radians.
    hands: [t, 2, 2] near and far hand, relative to the neck.
    feet: [t, 2, 2] near and far ankle.
    turn: [t] rotation of the whole body about the ground point, forwards.
    nod: [t] angle of the head against the vertical, forwards.
    thrust: [t] how far the head is pushed forwards.
    mouth: [t] how far open, 0 to 1.
    breadth: [t] half of the distance between the shoulders as one sees it:
      small in profile, large from the front.
  """

  hip: np.ndarray
  lean: np.ndarray
  hands: np.ndarray
  feet: np.ndarray
  turn: np.ndarray
  nod: np.ndarray
  thrust: np.ndarray
  mouth: np.ndarray
  breadth: np.ndarray

  @classmethod
  def standing(cls, frames: int) -> Pose:
    """Upright, the arms hanging."""
    zeros = np.zeros(frames)
    return cls(
      hip=np.tile([0.0, STANDING_HIP], (frames, 1)),
      lean=zeros.copy(),
      hands=np.tile([[-0.07, -0.38], [0.09, -0.38]], (frames, 1, 1)),
      feet=np.tile([[-0.08, 0.0], [0.07, 0.0]], (frames, 1, 1)),
      turn=zeros.copy(),
      nod=zeros.copy(),
      thrust=zeros.copy(),
      mouth=zeros.copy(),
      breadth=zeros + 0.04,
    )


def blend(poses: list[Pose], weights: np.ndarray) -> Pose:
  """Mixes poses with weights [n, t] that sum to 1 over n."""
  mixed = {}
  for field in dataclasses.fields(Pose):
    stacked = np.stack([getattr(p, field.name) for p in poses])
    shape = weights.shape + (1,) * (stacked.ndim - 2)
    mixed[field.name] = (stacked * weights.reshape(shape)).sum(0)
  return Pose(**mixed)


@dataclasses.dataclass(frozen=True)
class Joints:
  """Points of the body, [t, 2] or, with a near and a far side, [t, 2, 2]."""

  hip: np.ndarray
  neck: np.ndarray
  head: np.ndarray
  face: np.ndarray
  mouth: np.ndarray
  shoulders: np.ndarray
  elbows: np.ndarray
  hands: np.ndarray
  hips: np.ndarray
  knees: np.ndarray
  ankles: np.ndarray
  toes: np.ndarray


def joints(pose: Pose) -> Joints:
  """Places the joints; hands and feet out of reach are drawn in."""
  up = _direction(pose.lean)
  neck = pose.hip + TORSO * up
  apart = np.array([[-1.0, 0.0], [1.0, 0.0]]) * pose.breadth[:, None, None]
  shoulders = (neck - 0.03 * up)[:, None] + apart
  hips = pose.hip[:, None] + apart * 0.6
  targets = neck[:, None] + pose.hands
  # Elbows point backwards and down, knees forwards.
  elbows, hands = _bend(shoulders, targets, UPPER_ARM, FOREARM, -1.0)
  knees, ankles = _bend(hips, pose.feet, THIGH, SHIN, 1.0)
  gaze = _direction(pose.nod + np.pi / 2)
  head = neck + NECK_TO_HEAD * _direction(pose.nod + 0.5 * pose.lean)
  head = head + pose.thrust[:, None] * np.array([1.0, 0.0])
  face = head + 0.045 * gaze
  mouth = head + 0.06 * gaze - 0.05 * _direction(pose.nod)
  toes = ankles + np.array([0.07, -0.005])
  placed = Joints(
    pose.hip, neck, head, face, mouth, shoulders, elbows, hands, hips, knees,
    ankles, toes,
  )  # fmt: skip
  return _turned(placed, pose.turn)


def _turned(placed: Joints, turn: np.ndarray) -> Joints:
  """Tips the whole body over, and lays it down where it stood."""
  cos, sin = np.cos(turn), np.sin(turn)
  # Positive turns go from y (up) towards x (forwards).
  rotation = np.stack([cos, sin, -sin, cos], -1).reshape(-1, 2, 2)
  shift = np.stack([-0.45 * sin, 0.08 * np.abs(sin)], -1)
  fields = {}
  for field in dataclasses.fields(Joints):
    points = getattr(placed, field.name)
    moved = np.einsum('tij,t...j->t...i', rotation, points)
    fields[field.name] = moved + (shift if points.ndim == 2 else shift[:, None])
  return Joints(**fields)


def _direction(angle: np.ndarray) -> np.ndarray:
  """Unit vectors [t, 2] at an angle from the vertical, forwards."""
  return np.stack([np.sin(angle), np.cos(angle)], -1)


def _bend(
  root: np.ndarray,
  target: np.ndarray,
  upper: float,
  lower: float,
  side: float,
) -> tuple[np.ndarray, np.ndarray]:
  """Two-bone inverse kinematics.

  Args:
    root: [t, 2, 2] shoulders or hips.
    target: [t, 2, 2] where hands or ankles should be.
    upper: length of the bone at the root.
    lower: length of the other bone.
    side: 1 bends the middle joint to the left of root -> target (seen with
      x forwards and y up), -1 to the right.

  Returns:
    middle joints and ends, [t, 2, 2] each.
  """
  ahead = target - root
  wanted = np.linalg.norm(ahead, axis=-1, keepdims=True)
  ahead = ahead / np.maximum(wanted, 1e-6)
  distance = np.clip(wanted, 0.03, 0.998 * (upper + lower))
  along = (upper**2 - lower**2 + distance**2) / (2 * distance)
  across = np.sqrt(np.maximum(upper**2 - along**2, 0))
  normal = np.stack([-ahead[..., 1], ahead[..., 0]], -1) * side
  return root + along * ahead + across * normal, root + distance * ahead


def capsule(
  start: np.ndarray, end: np.ndarray, first: float, last: float
) -> np.ndarray:
  """Outlines a limb with round ends.

  Args:
    start: [t, 2].
    end: [t, 2]; where it equals `start` the capsule is a disc.
    first: radius at the start.
    last: radius at the end.

  Returns:
    [t, 12, 2] corners.
  """
  ahead = end - start
  angle = np.arctan2(ahead[:, 1], ahead[:, 0])[:, None]
  front = np.stack([np.cos(angle + _ARC), np.sin(angle + _ARC)], -1)
  return np.concatenate(
    [end[:, None] + last * front, start[:, None] - first * front], 1
  )


def shifted(points: np.ndarray, x: float, y: float) -> np.ndarray:
  """Moves points [..., 2] by a fixed step."""
  return points + np.array([x, y])


def disc(centre: np.ndarray, radius: float | np.ndarray) -> np.ndarray:
  """Outlines a disc of radius [t] or one number as [t, 14, 2] corners."""
  angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
  circle = np.stack([np.cos(angles), np.sin(angles)], -1)
  radius = np.broadcast_to(radius, len(centre))[:, None, None]
  return centre[:, None] + radius * circle
