"""Performances of a known quality, and how quality shows in movement.

Quality is told by how things move in time: a good performer sways slowly where
a bad one trembles, and flows where a bad one stops and starts. How far things
move does not depend on it. So one frame tells nothing, and neither does the
mean of all frames.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Sequence

import numpy as np
from etils import epath

from vidpetl.world import scene
from vidpetl.world.film import Film

# Swings per second of the best and of the worst. At `video.FPS` the worst
# still has five frames per swing.
_CALM, _SHAKY = 0.3, 3.0
# Of a halting movement's speed, how much comes and goes with the worst.
_HALTING = 0.95


@dataclasses.dataclass(frozen=True)
class Performed(Film):
  """A film of performances whose quality is known before it is made.

  Attributes:
    qualities: of each performance, 0 (worst) to 1 (best).
    actions: what is performed, e.g. the number of each dive.
    splits: of each performance, where one film holds those of several.
    subject: who performs, where one person does so more than once.
  """

  qualities: tuple[float, ...] = ()
  actions: tuple[str, ...] = ()
  splits: tuple[str, ...] = ()
  subject: str = ''


def qualities(key: Sequence[object], count: int) -> list[float]:
  """Draws qualities that fill the range 0 to 1 evenly.

  Args:
    key: of the generator.
    count: how many; one lies in each of so many equal parts of the range.

  Returns:
    The qualities in random order.
  """
  rng = scene.generator(*key, 'qualities')
  drawn = (rng.permutation(count) + rng.uniform(size=count)) / count
  return drawn.tolist()


def sway(
  rng: np.random.Generator, times: np.ndarray, quality: float, channels: int
) -> np.ndarray:
  """Swings about zero: slow ones if the quality is high, a tremor if not.

  Args:
    rng: of phases and of each channel's rate about the quality's own.
    times: [t] in seconds.
    quality: 0 to 1; tells the rate, not the amplitude.
    channels: how many independent swings.

  Returns:
    [t, channels] within -1 and 1.
  """
  rate = _SHAKY + (_CALM - _SHAKY) * quality
  rates = rate * rng.uniform([[0.9], [1.3]], [[1.1], [1.6]], (2, channels))
  phases = rng.uniform(0, 2 * np.pi, (2, channels))
  swings = np.sin(2 * np.pi * times[:, None, None] * rates + phases)
  return 0.75 * swings[:, 0] + 0.25 * swings[:, 1]


def halting(progress: np.ndarray, quality: float, stops: int) -> np.ndarray:
  """Makes an even progress come to a stop again and again.

  Args:
    progress: [t] in units that hold `stops` stops each.
    quality: 0 to 1; the best does not slow down at all.
    stops: per unit of progress, of which whole numbers stay as they are.

  Returns:
    [t] the progress, never backwards.
  """
  turns = 2 * np.pi * stops
  return progress + _HALTING * (1 - quality) * np.sin(turns * progress) / turns


def judged(
  rng: np.random.Generator,
  quality: float | np.ndarray,
  judges: int,
  noise: float,
) -> np.ndarray:
  """What judges see of a quality: itself with noise, kept between 0 and 1.

  Args:
    rng: of the noise.
    quality: one, or [judges] where each looks at another aspect.
    judges: how many.
    noise: standard deviation of each judge's error.

  Returns:
    [judges].
  """
  return np.clip(quality + noise * rng.normal(size=judges), 0, 1)


def write_pickle(path: epath.Path, value: object) -> None:
  """Writes annotations as the official files of performances have them."""
  path.write_bytes(pickle.dumps(value, protocol=4))
