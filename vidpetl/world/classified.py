"""What the world's classification datasets of people have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from etils import epath

from vidpetl.world import film as film_lib
from vidpetl.world import scene, video
from vidpetl.world.film import Film

# Seconds between repetitions are no concern of a clip: one action fills it.
_FOR_EVER = 1e6

# Of datasets with several splits of the same clips.
FOLDS = (1, 2, 3)
CLIPS_OF_A_CLASS = {'demo': 35, 'tiny': 2}
FOLDED_SECONDS = 2.5


def films(
  dataset: str,
  split: str,
  count: int,
  seed: int,
  size: str,
  *,
  seconds: float,
  classes: Mapping[str, Sequence[str]],
  path: Callable[[str, str], str],
) -> list[Film]:
  """Plans clips of one split, the classes in turn.

  Args:
    dataset: name, part of each clip's key.
    split: name, part of each clip's key.
    count: how many clips.
    seed: of the world.
    size: 'demo' or 'tiny'.
    seconds: duration of a clip.
    classes: label -> behaviours that show it.
    path: (label, id) -> the file's path in the dataset's folder.

  Returns:
    The films.
  """
  labels = list(classes)
  planned = []
  for number in range(count):
    key = film_lib.key(seed, dataset, split, number)
    label = labels[number % len(labels)]
    id_ = film_lib.youtube_id(key)
    planned.append(
      Film(
        dataset=dataset,
        split=split,
        number=number,
        seed=seed,
        id=id_,
        path=path(label, id_),
        casts=film_lib.clip_cast(key, classes[label]),
        seconds=seconds,
        size=film_lib.FRAMES[size],
        label=label,
      )
    )
  return planned


def folded_films(
  dataset: str,
  seed: int,
  size: str,
  *,
  classes: Mapping[str, Sequence[str]],
  path: Callable[[Film], str],
) -> list[Film]:
  """Plans the clips of a dataset that has several splits of the same clips.

  Args:
    dataset: name, part of each clip's key.
    seed: of the world.
    size: 'demo' or 'tiny'.
    classes: label -> behaviours that show it.
    path: film -> its file's path in the dataset's folder.
  """
  planned = films(
    dataset,
    'all',
    CLIPS_OF_A_CLASS[size] * len(classes),
    seed,
    size,
    seconds=FOLDED_SECONDS,
    classes=classes,
    path=lambda label, id_: '',
  )
  return [dataclasses.replace(film, path=path(film)) for film in planned]


def shoot(film: Film, folder: epath.Path) -> None:
  """Makes the video of one clip."""
  scripts = film_lib.scripts(film, [0.0, _FOR_EVER])
  staged = scene.stage(film.key, scripts, film.seconds, film.size, video.FPS)
  video.write(folder / film.path, staged.frames())


def roles(count: int, fold: int) -> list[int]:
  """Returns 1 (training), 2 (test) or 0 (unused) for each clip of a class.

  Args:
    count: clips of the class.
    fold: from 1 on; each tests other clips, as far as there are enough.
  """
  tested = max(1, count * 2 // 7)
  first = (fold - 1) * tested
  test = {(first + i) % count for i in range(tested)}
  unused = {(first + tested) % count} if count > 3 else set()
  return [2 if i in test else 0 if i in unused else 1 for i in range(count)]
