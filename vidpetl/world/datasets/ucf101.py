"""UCF101 of the demo world: avi files of one action each, in three splits."""

from __future__ import annotations

from collections.abc import Sequence

from etils import epath

from vidpetl.world import classified
from vidpetl.world.film import Film

DATASET = 'ucf101'

CLASSES = {
  'BodyWeightSquats': ('crouch',),
  'CleanAndJerk': ('lift',),
  'JavelinThrow': ('throw',),
  'Punch': ('martial_art',),
  'RopeClimbing': ('climb',),
  'SalsaSpin': ('dance',),
  'TrampolineJumping': ('jump',),
  'WalkingWithDog': ('walk',),
}

shoot = classified.shoot


def films(seed: int, size: str) -> list[Film]:
  """Plans all clips; a clip is a group of its own."""
  return classified.folded_films(
    DATASET,
    seed,
    size,
    classes=CLASSES,
    path=lambda film: (
      f'UCF-101/{film.label}/v_{film.label}_g'
      f'{film.number // len(CLASSES) + 1:02d}_c01.avi'
    ),
  )


def annotate(
  folder: epath.Path, films: Sequence[Film], records: Sequence[None]
) -> None:
  """Writes ucfTrainTestlist/{classInd,trainlist0N,testlist0N}.txt.

  A training list has the class's number, a test list has not.
  """
  del records
  out = folder / 'ucfTrainTestlist'
  out.mkdir(parents=True, exist_ok=True)
  numbers = {label: i for i, label in enumerate(CLASSES, 1)}
  index = ''.join(f'{i} {label}\n' for label, i in numbers.items())
  (out / 'classInd.txt').write_text(index, encoding='utf-8')
  for fold in classified.FOLDS:
    lists = {1: [], 2: []}
    for label, number in numbers.items():
      paths = [f.path for f in films if f.label == label]
      for path, role in zip(paths, classified.roles(len(paths), fold)):
        name = path.removeprefix('UCF-101/')
        if role:
          lists[role].append(f'{name} {number}\n' if role == 1 else f'{name}\n')
    for role, kind in ((1, 'train'), (2, 'test')):
      path = out / f'{kind}list0{fold}.txt'
      path.write_text(''.join(lists[role]), encoding='utf-8')
