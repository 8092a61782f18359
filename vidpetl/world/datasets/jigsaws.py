"""JIGSAWS of the demo world: three surgical tasks with six sub-scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epath

from vidpetl.world import film as film_lib
from vidpetl.world import performances, scene, surgery, video
from vidpetl.world.performances import Performed

DATASET = 'jigsaws'
FOLDS = 4

_TRIALS_OF_A_FOLD = {'demo': 6, 'tiny': 2}
_SECONDS = {'demo': (2.8, 3.8), 'tiny': (1.4, 1.8)}
# Trials are named by surgeon and repetition, from B001 on.
_SURGEONS = 'BCDEFGHI'
_REPETITIONS = 3
_JUDGES_NOISE = 0.04
# The first trials of a task also come from the other camera.
_TWO_CAMERAS = 2


def films(seed: int, size: str) -> list[Performed]:
  """Plans all trials, the folds of each task in turn."""
  planned = []
  count = _TRIALS_OF_A_FOLD[size]
  for task in surgery.TASKS:
    drawn = [
      performances.qualities((seed, DATASET, task, fold), count)
      for fold in range(FOLDS)
    ]
    for number in range(count * FOLDS):
      key = film_lib.key(seed, DATASET, task, number)
      rng = scene.generator(*key, 'seconds')
      fold, place = number % FOLDS, number // FOLDS
      surgeon, repetition = divmod(number, _REPETITIONS)
      id_ = f'{task}_{_SURGEONS[surgeon]}{repetition + 1:03d}'
      planned.append(
        Performed(
          dataset=DATASET,
          split=task,
          number=number,
          seed=seed,
          id=id_,
          path=f'{task}/video/{id_}_capture1.avi',
          casts=(),
          seconds=rng.uniform(*_SECONDS[size]),
          size=film_lib.FRAMES[size],
          label=task,
          qualities=(drawn[fold][place],),
          splits=(str(fold),),
        )
      )
  return planned


def shoot(film: Performed, folder: epath.Path) -> None:
  """Makes the video of one trial, for some also the second camera's."""
  skill = surgery.Skill.draw(film.key, film.qualities[0])
  staged = surgery.stage(
    film.key, film.label, skill, film.seconds, film.size, video.FPS
  )
  path = folder / film.path
  video.write(path, staged.frames())
  if film.number < _TWO_CAMERAS:
    # Upside down: whoever reads it by mistake sees it at once.
    other = path.with_name(path.name.replace('capture1', 'capture2'))
    turned = (np.ascontiguousarray(f[::-1]) for f in staged.frames())
    video.write(other, turned)


def sub_scores(film: Performed) -> list[int]:
  """What was given for each of `surgery.ASPECTS`, 1 to 5."""
  skill = surgery.Skill.draw(film.key, film.qualities[0])
  rng = scene.generator(*film.key, 'judges')
  aspects = skill.aspects()
  seen = performances.judged(rng, aspects, len(aspects), _JUDGES_NOISE)
  return (1 + np.round(4 * seen)).astype(int).tolist()


def annotate(
  folder: epath.Path, films: Sequence[Performed], records: Sequence[None]
) -> None:
  """Writes <Task>/meta_file_<Task>.txt and info/splits.pkl."""
  del records
  folds = {task: [[] for _ in range(FOLDS)] for task in surgery.TASKS}
  for task in surgery.TASKS:
    lines = []
    for film in films:
      if film.label == task:
        lines.append(_line(film))
        folds[task][int(film.splits[0])].append(film.id)
    path = folder / task / f'meta_file_{task}.txt'
    path.write_text(''.join(lines), encoding='utf-8')
  (folder / 'info').mkdir(parents=True, exist_ok=True)
  performances.write_pickle(folder / 'info' / 'splits.pkl', folds)


def _line(film: Performed) -> str:
  """Trial, level of the surgeon, total, and the sub-scores."""
  given = sub_scores(film)
  level = 'NIE'[min(int(3 * film.qualities[0]), 2)]
  tail = '\t'.join(map(str, given))
  return f'{film.id}\t\t{level}\t{sum(given)}\t\t{tail}\n'
