"""How people move: the poses of whole bodies.

Each motion is a function of a clock and a style, and repeats itself, so that
any two seconds of it show what it is. Many are told apart by movement alone:
one frame of getting up could be one of crouching or standing, and so on.
What hands do on top of these is in `handling.py`.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl.world import body

FLOOR_HIP = 0.2
SEAT_HIP = 0.27


@dataclasses.dataclass(frozen=True)
class Style:
  """What is one's own in how one moves.

  Attributes:
    tempo: factor of the speed of all motions.
    size: factor of their amplitude.
    phase: [0, 1) where in its cycle a motion begins.
    habit: [0, 1) chooses among variants, e.g. where idle hands are.
    held: the motion is frozen at its phase: what it looks like without moving.
  """

  tempo: float = 1.0
  size: float = 1.0
  phase: float = 0.0
  habit: float = 0.0
  held: bool = False

  @classmethod
  def draw(cls, rng: np.random.Generator, held: bool = False) -> Style:
    """Draws someone's style."""
    return cls(
      tempo=rng.uniform(0.85, 1.2),
      size=rng.uniform(0.88, 1.12),
      phase=rng.uniform(),
      habit=rng.uniform(),
      held=held,
    )

  def cycles(self, clock: np.ndarray, period: float) -> np.ndarray:
    """Cycles done of a motion, [t], by the `clock` in seconds."""
    if self.held:
      return np.full(len(clock), self.phase)
    return clock * self.tempo / period + self.phase


def circle(cycles: np.ndarray) -> np.ndarray:
  """sin(2 pi cycles)."""
  return np.sin(2 * np.pi * cycles)


def ease(x: np.ndarray) -> np.ndarray:
  """0 up to x = 0, 1 from x = 1 on, smooth between."""
  x = np.clip(x, 0, 1)
  return x * x * (3 - 2 * x)


def effort(cycles: np.ndarray, share: float = 0.72) -> np.ndarray:
  """Rises from 0 to 1 for a `share` of each cycle, then drops back quickly."""
  u = cycles % 1.0
  back = ease((u - share - 0.06) / (1 - share - 0.1))
  return ease(u / share) - back


def between(start, end, q: np.ndarray) -> np.ndarray:
  """Points on the way from `start` to `end`, [t, 2]."""
  start, end = np.asarray(start, float), np.asarray(end, float)
  return start + (end - start) * q[:, None]


def pair(near, far, frames: int) -> np.ndarray:
  """Two fixed or moving points as [t, 2, 2]."""
  points = [np.broadcast_to(p, (frames, 2)) for p in (near, far)]
  return np.stack(points, 1).astype(float)


def stride(
  cycles: np.ndarray, length: float, height: float
) -> tuple[np.ndarray, np.ndarray]:
  """Feet of a walking or running body, [t, 2] each, in its own coordinates."""
  feet = []
  for shift in (0.0, 0.5):
    angle = 2 * np.pi * (cycles + shift)
    raised = height * np.maximum(0, -np.sin(angle))
    feet.append(np.stack([length * np.cos(angle), raised], -1))
  return feet[0], feet[1]


def stand(clock: np.ndarray, style: Style) -> body.Pose:
  """Stands; some stand with an arm up or the hands joined."""
  n = len(clock)
  pose = body.Pose.standing(n)
  sway = circle(style.cycles(clock, 3.1))
  pose.hip[:, 0] += 0.012 * sway
  if style.habit < 0.25:
    pose.hands = pair([-0.15, -0.27], [0.16, -0.27], n)
  elif style.habit < 0.33:
    pose.hands[:, 0] = [0.2, 0.3]
  elif style.habit < 0.41:
    pose.hands = pair([0.22, -0.08], [0.27, -0.08], n)
  elif style.habit < 0.49:
    pose.hands = pair([0.36, -0.12], [0.36, -0.08], n)
  return pose


def sit(clock: np.ndarray, style: Style) -> body.Pose:
  """Sits on a seat of `SEAT_HIP` height."""
  n = len(clock)
  pose = body.Pose.standing(n)
  sway = circle(style.cycles(clock, 3.3))
  pose.hip = pair([-0.08, SEAT_HIP], [0, 0], n)[:, 0]
  pose.lean = 0.1 + 0.03 * sway
  pose.hands = pair([0.2, -0.27], [0.17, -0.24], n)
  pose.feet = pair([0.2, 0.0], [0.13, 0.0], n)
  return pose


def walk(clock: np.ndarray, style: Style) -> body.Pose:
  """Walks."""
  cycles = style.cycles(clock, 1.1)
  near, far = stride(cycles, 0.24 * style.size, 0.11)
  return striding(near, far, cycles, swing=0.24 * style.size, drop=-0.31)


def run(clock: np.ndarray, style: Style) -> body.Pose:
  """Runs: longer and quicker strides, bent elbows, leaning forward."""
  cycles = style.cycles(clock, 0.64)
  near, far = stride(cycles, 0.33 * style.size, 0.27)
  pose = striding(near, far, cycles, swing=0.27 * style.size, drop=-0.16)
  pose.lean += 0.3
  pose.hip[:, 1] += 0.02 + 0.025 * circle(2 * cycles)
  return pose


def striding(near, far, cycles, swing: float, drop: float) -> body.Pose:
  """A body whose arms swing against its legs."""
  n = len(cycles)
  pose = body.Pose.standing(n)
  pose.hip[:, 1] = 0.465 + 0.012 * circle(2 * cycles)
  pose.lean = np.full(n, 0.06)
  pose.feet = pair(near, far, n)
  forth = swing * np.cos(2 * np.pi * cycles)
  level = np.full(n, drop)
  pose.hands = np.stack(
    [np.stack([-forth, level], -1), np.stack([forth, level], -1)], 1
  )
  return pose


def bend(clock: np.ndarray, style: Style) -> body.Pose:
  """Bows down from the waist and comes up again."""
  n = len(clock)
  q = 0.5 - 0.5 * np.cos(2 * np.pi * style.cycles(clock, 1.5))
  pose = body.Pose.standing(n)
  pose.lean = 0.1 + 1.55 * q * style.size
  pose.hip[:, 0] -= 0.13 * q
  pose.nod = 1.0 * q
  pose.hands = pair(
    between([0.0, -0.38], [0.08, -0.38], q),
    between([0.08, -0.38], [0.14, -0.38], q),
    n,
  )
  return pose


def crouch(clock: np.ndarray, style: Style) -> body.Pose:
  """Crouches, or kneels on one knee, and stays down."""
  n = len(clock)
  pose = body.Pose.standing(n)
  sway = circle(style.cycles(clock, 2.6))
  pose.hip = pair([-0.08, FLOOR_HIP], [0, 0], n)[:, 0]
  pose.hip[:, 0] += 0.015 * sway
  pose.lean = 0.45 + 0.06 * sway
  pose.hands = pair([0.22, -0.24], [0.18, -0.22], n)
  kneeling = style.habit < 0.4
  far = [-0.24, 0.0] if kneeling else [-0.02, 0.0]
  pose.feet = pair([0.1, 0.0], far, n)
  return pose


def dance(clock: np.ndarray, style: Style) -> body.Pose:
  """Sways the hips while the arms go up and down in turn."""
  n = len(clock)
  cycles = style.cycles(clock, 0.95)
  swing = circle(cycles) * style.size
  pose = body.Pose.standing(n)
  pose.breadth += 0.05
  pose.hip = np.stack([0.11 * swing, 0.43 + 0.035 * circle(2 * cycles)], -1)
  pose.lean = -0.28 * swing
  near = np.stack([-0.22 - 0.05 * swing, 0.27 * swing], -1)
  far = np.stack([0.22 - 0.05 * swing, -0.27 * swing], -1)
  pose.hands = pair(near, far, n)
  up = 0.1 * np.maximum(0, np.stack([swing, -swing], -1))
  pose.feet = pair([-0.14, 0.0], [0.14, 0.0], n)
  pose.feet[..., 1] += up
  return pose


def get_up(clock: np.ndarray, style: Style) -> body.Pose:
  """Rises from the ground to standing, slowly, again and again."""
  n = len(clock)
  q = effort(style.cycles(clock, 1.7))
  pose = body.Pose.standing(n)
  pose.hip = between([-0.12, 0.14], [0.0, body.STANDING_HIP], q)
  pose.lean = 0.75 * (1 - q) + 0.35 * circle(q / 2)
  pose.feet = pair([0.12, 0.0], [0.02, 0.0], n)
  pose.hands = pair(
    between([0.2, -0.25], [-0.02, -0.38], q),
    between([0.12, -0.25], [0.06, -0.38], q),
    n,
  )
  return pose


def lie(clock: np.ndarray, style: Style) -> body.Pose:
  """Lies on the ground, breathing."""
  n = len(clock)
  pose = body.Pose.standing(n)
  breath = circle(style.cycles(clock, 3.0))
  pose.turn = np.full(n, 1.5) + 0.015 * breath
  pose.hands[:, 0, 0] = 0.1
  if style.habit < 0.4:
    pose.hands[:, 1] = [-0.08, 0.2]
  pose.feet[:, 0] = [0.02, 0.0]
  pose.feet[:, 1] = [0.05, 0.12 * (style.habit > 0.5)]
  return pose


def martial_art(clock: np.ndarray, style: Style) -> body.Pose:
  """Kicks high, then punches, from a guard."""
  n = len(clock)
  u = style.cycles(clock, 1.15) % 1.0
  kick = _bump(u, 0.05, 0.5)
  punch = _bump(u, 0.55, 0.85)
  pose = body.Pose.standing(n)
  pose.hip[:, 1] -= 0.03
  pose.lean = 0.05 - 0.55 * kick + 0.2 * punch
  near = between([-0.14, 0.0], [0.5, 0.56 * style.size], kick)
  pose.feet = pair(near, [0.08, 0.0], n)
  pose.hands = pair(
    [0.15, -0.08], between([0.17, -0.1], [0.41, 0.02], punch), n
  )
  return pose


def fall(clock: np.ndarray, style: Style) -> body.Pose:
  """Topples over like a tree, the arms flailing."""
  n = len(clock)
  u = style.cycles(clock, 1.8) % 1.0
  down = np.clip((u - 0.12) / 0.42, 0, 1) ** 2
  q = down - ease((u - 0.86) / 0.14)
  pose = body.Pose.standing(n)
  pose.turn = 1.5 * q
  flail = 0.12 * circle(4 * u) * (q < 0.98)
  hands = pair([-0.24, 0.12], [0.3, 0.18], n)
  hands[..., 1] += np.stack([flail, -flail], -1)
  pose.hands = hands
  pose.feet[:, 1, 1] += 0.1 * q
  return pose


def jump(clock: np.ndarray, style: Style) -> body.Pose:
  """Leaps up with the arms raised, lands in a squat."""
  n = len(clock)
  u = style.cycles(clock, 0.85) % 1.0
  flight = np.clip((u - 0.35) / 0.65, 0, 1)
  height = 4 * flight * (1 - flight)
  squat = _bump(u, 0.0, 0.35)
  pose = body.Pose.standing(n)
  rise = 0.3 * style.size * height
  pose.hip[:, 1] += rise - 0.17 * squat
  pose.lean = 0.5 * squat
  pose.feet[..., 1] += (rise + 0.1 * height)[:, None]
  pose.breadth += 0.03
  pose.hands = pair(
    between([-0.2, -0.3], [-0.2, 0.3], height),
    between([0.2, -0.3], [0.2, 0.3], height),
    n,
  )
  return pose


def climb(clock: np.ndarray, style: Style) -> body.Pose:
  """Climbs: hands and feet go up in turn."""
  n = len(clock)
  step = circle(style.cycles(clock, 1.1)) * style.size
  pose = body.Pose.standing(n)
  pose.hip[:, 0] = -0.08
  pose.hip[:, 1] = 0.56 + 0.02 * step
  pose.lean = 0.08 + 0.12 * step
  ones = np.ones(n)
  pose.hands = pair(
    np.stack([0.16 * ones, 0.14 + 0.2 * step], -1),
    np.stack([0.2 * ones, 0.14 - 0.2 * step], -1),
    n,
  )
  pose.feet = pair(
    np.stack([0.1 * ones, 0.17 - 0.13 * step], -1),
    np.stack([0.12 * ones, 0.17 + 0.13 * step], -1),
    n,
  )
  return pose


def _bump(u: np.ndarray, start: float, end: float) -> np.ndarray:
  """0 outside [start, end], 1 in the middle of it."""
  x = np.clip((u - start) / (end - start), 0, 1)
  return np.sin(np.pi * x) ** 2


WHOLE_BODY = {
  'stand': stand,
  'sit': sit,
  'walk': walk,
  'run': run,
  'bend': bend,
  'crouch': crouch,
  'dance': dance,
  'get_up': get_up,
  'lie': lie,
  'martial_art': martial_art,
  'fall': fall,
  'jump': jump,
  'climb': climb,
}

# Speed over the ground, in body heights per second.
SPEED = {'walk': 0.34, 'run': 0.62}
