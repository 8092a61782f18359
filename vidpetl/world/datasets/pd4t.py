"""PD4T of the demo world: four motor tests, UPDRS 0 to 4, split by subject."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epath

from vidpetl.world import clinic, performances, scene, video
from vidpetl.world import film as film_lib
from vidpetl.world.performances import Performed

DATASET = 'pd4t'

# Subjects by split, and visits of each.
SUBJECTS = {
  'demo': {'train': 9, 'test': 3},
  'tiny': {'train': 3, 'test': 1},
}
VISITS = {'demo': 3, 'tiny': 2}
_SECONDS = {'demo': (2.8, 3.8), 'tiny': (1.4, 1.8)}
_WORST = 4
_RATERS_NOISE = 0.02
# Tests that are done on one side.
_SIDED = ('Finger tapping', 'Hand movement', 'Leg agility')


def films(seed: int, size: str) -> list[Performed]:
  """Plans the visits of all subjects, by task and split."""
  planned = []
  for task in clinic.TASKS:
    subject = 0
    for split, subjects in SUBJECTS[size].items():
      visits = VISITS[size]
      drawn = performances.qualities(
        (seed, DATASET, task, split), subjects * visits
      )
      for number, quality in enumerate(drawn):
        who = f'{subject + number // visits + 1:03d}'
        planned.append(_film(seed, size, task, split, number, who, quality))
      subject += subjects
  return planned


def _film(
  seed: int,
  size: str,
  task: str,
  split: str,
  number: int,
  subject: str,
  quality: float,
) -> Performed:
  key = film_lib.key(seed, DATASET, f'{task},{split}', number)
  rng = scene.generator(*key, 'visit')
  visit = f'{number % VISITS[size] + 12}-{rng.integers(1_000_000):06d}'
  side = ('_l', '_r')[rng.integers(2)] if task in _SIDED else ''
  return Performed(
    dataset=DATASET,
    split=f'{task},{split}',
    number=number,
    seed=seed,
    id=f'{visit}{side}_{subject}',
    path=f'Videos/{task}/{subject}/{visit}{side}.mp4',
    casts=(),
    seconds=rng.uniform(*_SECONDS[size]),
    size=film_lib.FRAMES[size],
    label=task,
    qualities=(quality,),
    splits=(split,),
    subject=subject,
  )


def shoot(film: Performed, folder: epath.Path) -> None:
  """Makes the video of one visit's test."""
  staged = clinic.stage(
    film.key,
    film.label,
    1 - film.qualities[0],
    (film.seed, DATASET, film.subject),
    film.seconds,
    film.size,
    video.FPS,
  )
  video.write(folder / film.path, staged.frames())


def updrs(film: Performed) -> int:
  """What a rater gave: 0 is normal, 4 is severe."""
  rng = scene.generator(*film.key, 'rater')
  severity = 1 - film.qualities[0]
  seen = performances.judged(rng, severity, 1, _RATERS_NOISE)[0]
  grades = _WORST + 1
  return int(np.clip(np.floor(grades * seen), 0, _WORST))


def annotate(
  folder: epath.Path, films: Sequence[Performed], records: Sequence[None]
) -> None:
  """Writes Annotations/<Task>/{train,test}.csv: sample, frames, score."""
  del records
  for task in clinic.TASKS:
    out = folder / 'Annotations' / task
    out.mkdir(parents=True, exist_ok=True)
    for split in ('train', 'test'):
      lines = [
        f'{film.id},{round(film.seconds * video.FPS)},{updrs(film)}\n'
        for film in films
        if film.label == task and film.splits == (split,)
      ]
      (out / f'{split}.csv').write_text(''.join(lines), encoding='utf-8')
