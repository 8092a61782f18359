"""Close-ups of two instruments that work on a pad: three surgical tasks.

How well somebody works shows in three things, each with a quality of its own:
how steady the tips are, whether the work flows or stops and starts, and whether
the tips go to and fro before they get where they should.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from vidpetl.world import backdrop, body, figure, performances
from vidpetl.world.canvas import Shape, darker
from vidpetl.world.handling import fixed, rectangle
from vidpetl.world.scene import Scene, generator, things

# Aspects that are judged, in the order of JIGSAWS, and how much steadiness,
# flow and economy count in each.
ASPECTS: Mapping[str, tuple[float, float, float]] = {
  'respect for tissue': (0.8, 0.0, 0.2),
  'suture and needle handling': (0.6, 0.2, 0.2),
  'time and motion': (0.1, 0.3, 0.6),
  'flow of operation': (0.1, 0.8, 0.1),
  'overall performance': (0.4, 0.3, 0.3),
  'quality of final product': (0.5, 0.2, 0.3),
}
# How far the three differ within one person.
_SPREAD = 0.08
# Rounds per second, and how far a tremor and a vain attempt go.
_PACE, _TREMOR, _ATTEMPT = 0.5, 0.06, 0.12
_STEEL = (150, 155, 165)


@dataclasses.dataclass(frozen=True)
class Skill:
  """Qualities 0 to 1 of the three things that show."""

  steadiness: float
  flow: float
  economy: float

  @classmethod
  def draw(cls, key: tuple, quality: float) -> Skill:
    """Draws the three, which differ a little from one overall quality."""
    noise = _SPREAD * generator(*key, 'skill').normal(size=3)
    return cls(*np.clip(quality + noise, 0, 1).tolist())

  def aspects(self) -> np.ndarray:
    """Quality of each of `ASPECTS`, [6]."""
    return np.array(list(ASPECTS.values())) @ dataclasses.astuple(self)


def _suture(rounds: np.ndarray) -> np.ndarray:
  """Stitches: arcs across a line, one beside the other."""
  angle = 2 * np.pi * rounds
  along = 0.16 * np.sin(angle / 3)
  right = np.stack([along + 0.14 * np.cos(angle), 0.15 * np.sin(angle)], -1)
  left = np.stack([along - 0.26, 0.12 + 0.04 * np.sin(angle)], -1)
  return np.stack([left, right], 1)


def _pass_needle(rounds: np.ndarray) -> np.ndarray:
  """From ring to ring, up and down, the tips one after the other."""
  angle = np.pi * rounds
  right = np.stack([0.24 * np.sin(angle), 0.14 * np.cos(2 * angle)], -1)
  later = angle - 0.9
  left = np.stack([0.24 * np.sin(later), 0.14 * np.cos(2 * later)], -1)
  left, right = body.shifted(left, -0.1, 0.04), body.shifted(right, 0.06, -0.04)
  return np.stack([left, right], 1)


def _tie(rounds: np.ndarray) -> np.ndarray:
  """The tips circle about each other."""
  angle = 2 * np.pi * rounds
  right = 0.17 * np.stack([np.cos(angle), np.sin(angle)], -1)
  left, right = body.shifted(-right, -0.05, 0), body.shifted(right, 0.05, 0)
  return np.stack([left, right], 1)


TASKS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
  'Suturing': _suture,
  'Needle_Passing': _pass_needle,
  'Knot_Tying': _tie,
}


def stage(
  key: tuple,
  task: str,
  skill: Skill,
  seconds: float,
  size: tuple[int, int],
  fps: int,
) -> Scene:
  """Sets up a close-up.

  Args:
    key: of the generator.
    task: a key of `TASKS`.
    skill: of who holds the instruments.
    seconds: duration.
    size: (width, height) of the frames in pixels.
    fps: frames per second.

  Returns:
    A scene without people.
  """
  rng = generator(*key, 'stage')
  times = np.arange(round(seconds * fps)) / fps
  aspect = size[0] / size[1]
  look = figure.Look.draw(rng)
  tips = body.shifted(_tips(rng, times, task, skill), aspect / 2, 0.5)
  moving = _pad(rng, task, len(times), aspect)
  moving += _thread(rng, tips, look)
  moving += _instrument(rng, tips[:, 0], -1, aspect)
  moving += _instrument(rng, tips[:, 1], 1, aspect)
  return things(rng, key, times, size, moving)


def _tips(rng, times: np.ndarray, task: str, skill: Skill) -> np.ndarray:
  """Where the tips are, [t, 2 (left, right), 2], about the middle."""
  rounds = rng.uniform() + _PACE * rng.uniform(0.9, 1.1) * times
  rounds = performances.halting(rounds, skill.flow, 3)
  attempt = performances.sway(rng, times, skill.economy, 1)[:, 0]
  path = TASKS[task](rounds + _ATTEMPT * attempt)
  tremor = performances.sway(rng, times, skill.steadiness, 4)
  return path + _TREMOR * tremor.reshape(-1, 2, 2)


def _pad(rng, task: str, frames: int, aspect: float) -> list[Shape]:
  """The pad, with a wound, rings or a post on it."""
  middle = np.broadcast_to([aspect / 2, 0.52], (frames, 2))
  width, height = rng.uniform(0.75, 0.95), rng.uniform(0.5, 0.7)
  colour = backdrop.muted(rng)
  edge = darker(colour, 0.6)
  pad = rectangle(middle, width, height, rng.uniform(-0.15, 0.15))
  found = [Shape(pad, colour, 1.0, None, edge)]
  if task == 'Suturing':
    marks = [rectangle(middle, 0.6, 0.03)]
  elif task == 'Knot_Tying':
    marks = [body.disc(middle, 0.07)]
  else:
    places = [
      (x, 0.52 + y) for x, y in ((-0.24, 0.08), (0, -0.1), (0.24, 0.08))
    ]
    marks = [
      body.disc(np.broadcast_to([aspect / 2 + x, y], (frames, 2)), 0.05)
      for x, y in places
    ]
  return found + [Shape(m, edge, 1.5) for m in marks]


def _thread(rng, tips: np.ndarray, look: figure.Look) -> list[Shape]:
  """A thread that sags between the tips."""
  ends = tips[:, 0], tips[:, 1]
  low = (ends[0] + ends[1]) / 2 + [0, rng.uniform(0.05, 0.12)]
  colour = look.palette['object']
  return [Shape(body.capsule(e, low, 0.012, 0.012), colour, 2.0) for e in ends]


def _instrument(rng, tip: np.ndarray, side: int, aspect: float) -> list[Shape]:
  """A shaft that comes in from one side, a wrist, and two jaws."""
  frames = len(tip)
  root = [aspect / 2 + side * rng.uniform(0.7, 0.9), rng.uniform(0.8, 1.1)]
  root = fixed([root], frames)[:, 0]
  steel = darker(_STEEL, rng.uniform(0.5, 1.3))
  edge = darker(steel, 0.4)
  ahead = tip - root
  ahead = ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
  across = np.stack([-ahead[:, 1], ahead[:, 0]], -1)
  wrist = tip - 0.13 * ahead
  found = [Shape(body.capsule(root, wrist, 0.06, 0.06), steel, 3.0, None, edge)]
  for jaw in (-0.04, 0.04):
    outline = body.capsule(wrist, tip + jaw * across, 0.045, 0.022)
    found.append(Shape(outline, darker(steel, 1.3), 3.1, None, edge))
  return found
