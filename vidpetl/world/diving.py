"""Dives from a platform: take-off, somersaults, entry into the water."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from vidpetl.world import backdrop, body, figure, performances
from vidpetl.world.canvas import Colour, Shape, darker
from vidpetl.world.motions import ease, pair
from vidpetl.world.scene import Scene, generator, things

# Dive number -> difficulty. The first digit is the group (1 forward, 2 back, 4
# inward), the third counts half somersaults, the letter is the position (B
# pike, C tuck).
DIVES: Mapping[str, float] = {
  '101B': 2.0,
  '103B': 2.2,
  '203C': 2.4,
  '105B': 2.7,
  '205C': 2.9,
  '405C': 2.9,
}
# How many of the numbers there are, and how often each.
_NUMBERS = {'demo': 6, 'tiny': 3}
_DIVES_OF_A_NUMBER = {
  'demo': {'train': 10, 'test': 4},
  'tiny': {'train': 2, 'test': 1},
}
# How much quicker everything goes where films must be short.
HURRY = {'demo': 1.0, 'tiny': 2.0}
_JUDGES_NOISE = 0.03

# Layers: behind the diver, and before him.
_PLATFORM, _DIVER, _WATER, _SPLASH = 1.0, 3.0, 5.0, 6.0
# Share of the flight after which the diver is stretched and turns no more.
_OPENED = 0.8
_RISE = 0.5


@dataclasses.dataclass(frozen=True)
class Pool:
  """Where dives take place.

  Attributes:
    side: 1 dives to the right, -1 to the left.
    edge: x of the platform's end, in frame heights from where it is fixed.
    top: y of the platform.
    water: y of the water's surface.
    colours: of platform and water.
  """

  side: int
  edge: float
  top: float
  water: float
  colours: tuple[Colour, Colour]

  @classmethod
  def draw(cls, rng: np.random.Generator) -> Pool:
    """Draws a pool."""
    blue = rng.uniform(0.7, 1.1)
    return cls(
      side=int(rng.choice([-1, 1])),
      edge=rng.uniform(0.26, 0.34),
      top=rng.uniform(0.52, 0.58),
      water=rng.uniform(0.86, 0.91),
      colours=(backdrop.muted(rng), darker((40, 130, 190), blue)),
    )


@dataclasses.dataclass(frozen=True)
class Schedule:
  """When a dive's parts begin, in seconds: flight, entry, and its end."""

  flight: float
  entry: float
  end: float

  @classmethod
  def draw(cls, rng: np.random.Generator, hurry: float = 1.0) -> Schedule:
    """Draws a schedule; `hurry` shortens all of it."""
    waiting = rng.uniform(0.9, 1.3) / hurry
    airborne = rng.uniform(1.7, 2.1) / hurry
    sinking = rng.uniform(0.2, 0.4) / hurry
    opened = waiting + _OPENED * airborne
    return cls(waiting, opened, waiting + airborne + sinking)

  @property
  def landing(self) -> float:
    """When the hips meet the water."""
    return self.flight + (self.entry - self.flight) / _OPENED

  def steps(self, fps: int) -> np.ndarray:
    """Label of each frame, [t]."""
    times = np.arange(round(self.end * fps)) / fps
    return (times >= self.flight).astype(int) + (times >= self.entry)


def halves(number: str) -> int:
  """Half somersaults of a dive."""
  return int(number[2])


def scores(
  key: tuple, quality: float, difficulty: float
) -> tuple[list[float], float]:
  """What seven judges give, in halves from 0 to 10, and what comes of it.

  Args:
    key: of the generator of the judges' noise.
    quality: 0 to 1.
    difficulty: of the dive.

  Returns:
    The judges' scores, and the sum of the middle three times the difficulty.
  """
  rng = generator(*key, 'judges')
  seen = performances.judged(rng, quality, 7, _JUDGES_NOISE)
  given = (np.round(20 * seen) / 2).tolist()
  return given, round(sum(sorted(given)[2:5]) * difficulty, 2)


def deal(seed: int, dataset: str, size: str) -> list[tuple[str, str, float]]:
  """Deals dives: number, split and quality, in random order.

  In each split every dive number is as frequent as any other, and qualities
  fill their range.
  """
  numbers = list(DIVES)[: _NUMBERS[size]]
  dealt = []
  for split, count in _DIVES_OF_A_NUMBER[size].items():
    key = (seed, dataset, split)
    drawn = performances.qualities(key, count * len(numbers))
    dealt += [
      (numbers[i % len(numbers)], split, quality)
      for i, quality in enumerate(drawn)
    ]
  order = generator(seed, dataset, 'order').permutation(len(dealt))
  return [dealt[i] for i in order]


def stage(
  key: tuple,
  dives: list[tuple[str, float]],
  schedules: list[Schedule],
  pause: float,
  size: tuple[int, int],
  fps: int,
) -> Scene:
  """Sets up one event at one pool.

  Args:
    key: of the generator.
    dives: number and quality of each dive.
    schedules: of each dive.
    pause: seconds between two dives, in which nobody is seen.
    size: (width, height) of the frames in pixels.
    fps: frames per second.

  Returns:
    A scene as long as `starts` says.
  """
  rng = generator(*key, 'stage')
  begun = starts(schedules, pause, fps)
  lengths = [len(schedule.steps(fps)) for schedule in schedules]
  times = np.arange(begun[-1] + lengths[-1]) / fps
  aspect = size[0] / size[1]
  pool = Pool.draw(rng)
  moving = _basin(rng, pool, times)
  for (number, quality), schedule, start, length in zip(
    dives, schedules, begun, lengths
  ):
    clock = np.arange(length) / fps
    for shape in _dive(rng, pool, clock, number, quality, schedule):
      moving.append(_during(shape, start, len(times)))
  moving = [_placed(shape, pool, aspect) for shape in moving]
  return things(rng, key, times, size, moving)


def starts(schedules: list[Schedule], pause: float, fps: int) -> list[int]:
  """The first frame of each dive of an event."""
  gap = round(pause * fps)
  lengths = [len(schedule.steps(fps)) + gap for schedule in schedules]
  return [sum(lengths[:i]) for i in range(len(lengths))]


def _during(shape: Shape, start: int, frames: int) -> Shape:
  """Shows a shape of one dive in the film of all."""
  length = len(shape.points)
  t = np.arange(frames) - start
  within = (t >= 0) & (t < length)
  t = np.clip(t, 0, length - 1)
  visible = within if shape.visible is None else within & shape.visible[t]
  return dataclasses.replace(shape, points=shape.points[t], visible=visible)


def _placed(shape: Shape, pool: Pool, aspect: float) -> Shape:
  """Mirrors a shape of a pool where one dives to the left."""
  points = shape.points.copy()
  middle = (aspect - 1) / 2
  x = points[..., 0] + middle
  points[..., 0] = x if pool.side > 0 else aspect - x
  return dataclasses.replace(shape, points=points)


def _basin(
  rng: np.random.Generator, pool: Pool, times: np.ndarray
) -> list[Shape]:
  """The platform and the water, whose surface ripples."""
  n = len(times)
  platform, blue = pool.colours
  x = np.linspace(-1.5, 2.5, 41)
  ripple = 0.006 * np.sin(9 * x - 2.0 * times[:, None] + rng.uniform(0, 6))
  surface = np.stack(np.broadcast_arrays(x, pool.water + ripple), -1)
  floor = np.broadcast_to([[2.5, 2.0], [-1.5, 2.0]], (n, 2, 2))
  slab = _box(-1.5, pool.edge, pool.top, pool.top + 0.05, n)
  tower = _box(-0.12, 0.02, pool.top, pool.water + 0.1, n)
  return [
    Shape(tower, darker(platform, 0.7), _PLATFORM),
    Shape(slab, darker(platform, 0.85), _PLATFORM + 0.1, None, (60, 60, 60)),
    Shape(np.concatenate([surface, floor], 1), blue, _WATER),
  ]


def _box(left: float, right: float, top: float, bottom: float, n: int):
  corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
  return np.broadcast_to(np.array(corners, float), (n, 4, 2))


def _dive(
  rng: np.random.Generator,
  pool: Pool,
  times: np.ndarray,
  number: str,
  quality: float,
  schedule: Schedule,
) -> list[Shape]:
  """One diver, and the splash that he makes."""
  look = figure.Look.draw(rng)
  height = rng.uniform(0.48, 0.56)
  swing = performances.sway(rng, times, quality, 7)
  flight = (times - schedule.flight) / (schedule.landing - schedule.flight)
  pose = _pose(flight, swing, number[3])
  turned = np.clip(flight / _OPENED, 0, 1)
  turned = performances.halting(turned, quality, halves(number))
  # Inward and back dives begin with the back to the water; reverse and back
  # ones turn backwards.
  facing = -1 if number[0] in '24' else 1
  forwards = -1 if number[0] in '23' else 1
  tilt = 0.35 * swing[:, 0]
  angle = forwards * halves(number) * np.pi * turned + tilt
  hips, entering = _path(rng, pool, flight, facing * tilt, height)

  def to_world(points: np.ndarray) -> np.ndarray:
    offset = points - pose.hip[:, None]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x = offset[..., 0] * cos + offset[..., 1] * sin
    y = offset[..., 1] * cos - offset[..., 0] * sin
    return hips[:, None] + height * np.stack([facing * x, -y], -1)

  found = [
    Shape(
      to_world(points),
      colour,
      _DIVER + 0.1 * depth,
      outline=darker(colour, 0.45) if edge else None,
      body=True,
    )
    for points, colour, depth, edge in figure.flesh(pose, look)
  ]
  return found + _splash(rng, times, schedule.landing, entering, pool)


def _path(rng, pool: Pool, flight, tilt, height):
  """Where the hips are, [t, 2], and x where they meet the water."""
  u = np.maximum(flight, 0)
  reach = rng.uniform(0.4, 0.48)
  begin = pool.top - height * body.STANDING_HIP
  fall = pool.water - begin
  x = pool.edge - 0.05 + reach * u
  y = begin - _RISE * u + (fall + _RISE) * u**2
  # Who still stands tilts about his feet.
  standing = height * body.STANDING_HIP * (1 - ease(u / 0.1))
  x = x + standing * np.sin(tilt)
  y = y + standing * (1 - np.cos(tilt))
  return np.stack([x, y], -1), pool.edge - 0.05 + reach


def _pose(flight: np.ndarray, swing: np.ndarray, position: str) -> body.Pose:
  """Stretched, drawn up for the somersaults, stretched again."""
  drawn = ease((flight - 0.02) / 0.1) - ease((flight - 0.72) / 0.12)
  drawn = drawn * (0.75 + 0.25 * swing[:, 6])
  shape = _tuck if position == 'C' else _pike
  n = len(flight)
  pose = body.blend([_stretched(n), shape(n)], np.stack([1 - drawn, drawn]))
  airborne = ease(flight / 0.1)
  pose.lean = pose.lean + 0.25 * swing[:, 1]
  pose.feet[:, 0, 0] += 0.2 * airborne * swing[:, 2]
  pose.feet[:, 1, 0] -= 0.2 * airborne * swing[:, 2]
  pose.feet[..., 1] += 0.06 * (airborne * swing[:, 3])[:, None]
  pose.hands[:, 0, 0] += 0.3 * swing[:, 4]
  pose.hands[:, 1, 0] -= 0.3 * swing[:, 5]
  return pose


def _stretched(frames: int) -> body.Pose:
  """Upright, the arms raised."""
  pose = body.Pose.standing(frames)
  pose.hands = pair([0.03, 0.34], [-0.03, 0.34], frames)
  pose.feet = pair([-0.03, 0.0], [0.03, 0.0], frames)
  return pose


def _tuck(frames: int) -> body.Pose:
  """Knees to the chest, hands on the shins."""
  pose = body.Pose.standing(frames)
  pose.lean = np.full(frames, 0.9)
  pose.nod = np.full(frames, 0.9)
  pose.feet = pair([0.08, 0.33], [0.1, 0.33], frames)
  pose.hands = pair([-0.03, -0.22], [0.0, -0.22], frames)
  return pose


def _pike(frames: int) -> body.Pose:
  """Folded at the hips, legs straight, hands at the feet."""
  pose = body.Pose.standing(frames)
  pose.lean = np.full(frames, 1.1)
  pose.nod = np.full(frames, 1.1)
  pose.feet = pair([0.4, 0.72], [0.42, 0.7], frames)
  pose.hands = pair([0.1, 0.02], [0.12, 0.0], frames)
  return pose


def _splash(rng, times, landing: float, x: float, pool: Pool) -> list[Shape]:
  """Drops that fly up; how many and how far says nothing of the dive."""
  since = times - landing
  visible = (since >= 0) & (since < 0.6)
  white = darker(pool.colours[1], 2.2)
  found = []
  for _ in range(rng.integers(5, 9)):
    across, up = rng.uniform(-0.35, 0.35), rng.uniform(0.3, 0.8)
    drop = [x + across * since, pool.water - up * since + 1.3 * since**2]
    outline = body.disc(np.stack(drop, -1), rng.uniform(0.012, 0.024))
    found.append(Shape(outline, white, _SPLASH, visible))
  return found
