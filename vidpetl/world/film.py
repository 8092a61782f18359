"""What every dataset of the world tells of its videos before they are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from vidpetl.world import behaviours, scene
from vidpetl.world.figure import Action

# Pixels of all videos, by the world's size.
FRAMES: Mapping[str, tuple[int, int]] = {'demo': (96, 96), 'tiny': (64, 48)}
SIZES = tuple(FRAMES)

_YOUTUBE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'


@dataclasses.dataclass(frozen=True)
class Film:
  """A video to be made; all that it shows follows from these fields.

  Attributes:
    dataset: e.g. 'ava'.
    split: as the dataset calls it.
    number: of the video in its split.
    seed: of the world.
    id: name of the video in the annotation files.
    path: of the file, relative to the dataset's folder.
    casts: behaviours of each person, or the one action of a close-up.
    seconds: duration.
    size: (width, height) in pixels.
    label: class of a classification dataset.
  """

  dataset: str
  split: str
  number: int
  seed: int
  id: str
  path: str
  casts: tuple[tuple[str, ...], ...]
  seconds: float
  size: tuple[int, int]
  label: str = ''

  @property
  def key(self) -> tuple:
    """What all randomness of this video is derived from."""
    return key(self.seed, self.dataset, self.split, self.number)


def key(seed: int, dataset: str, split: str, number: int) -> tuple:
  """The key of a video's random generator."""
  return seed, dataset, split, number


def youtube_id(video_key: tuple) -> str:
  """An id as YouTube gives them: 11 letters, digits, dashes, underscores."""
  rng = scene.generator(*video_key, 'id')
  return ''.join(_YOUTUBE[i] for i in rng.integers(len(_YOUTUBE), size=11))


def clip_cast(
  video_key: tuple,
  choices: Sequence[str],
  extras: Sequence[str] = ('stand', 'walk', 'sit'),
) -> tuple[tuple[str, ...], ...]:
  """Draws who is in a short clip: one who acts, sometimes one more.

  Args:
    video_key: of the generator.
    choices: behaviours that show the clip's class.
    extras: what someone else may do instead.

  Returns:
    One behaviour for each of one or two people.
  """
  rng = scene.generator(*video_key, 'cast')
  cast = [(choices[rng.integers(len(choices))],)]
  if rng.uniform() < 0.25:
    others = choices if rng.uniform() < 0.5 else extras
    cast.append((others[rng.integers(len(others))],))
  return tuple(cast)


def scripts(
  film: Film, cuts: Sequence[float]
) -> tuple[tuple[Action, ...], ...]:
  """What each person of a film does between the cuts, in seconds."""
  rng = scene.generator(*film.key, 'scripts')
  return tuple(
    behaviours.script(rng, cast, cuts, sociable=len(film.casts) > 1)
    for cast in film.casts
  )
