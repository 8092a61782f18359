"""HMDB51 of the demo world: avi files of one action each, in three splits."""

from __future__ import annotations

from collections.abc import Sequence

from etils import epath

from vidpetl.world import classified
from vidpetl.world.film import Film

DATASET = 'hmdb51'

CLASSES = {
  'clap': ('stand_clap', 'sit_clap'),
  'climb': ('climb',),
  'fall_floor': ('fall',),
  'jump': ('jump',),
  'kick': ('martial_art',),
  'throw': ('throw',),
  'walk': ('walk',),
  'wave': ('stand_wave', 'sit_wave'),
}

shoot = classified.shoot


def films(seed: int, size: str) -> list[Film]:
  """Plans all clips."""
  return classified.folded_films(
    DATASET,
    seed,
    size,
    classes=CLASSES,
    path=lambda film: (
      f'videos/{film.label}/{film.id}_{film.label}_f_cm_np1_fr_med_'
      f'{film.number}.avi'
    ),
  )


def annotate(
  folder: epath.Path, films: Sequence[Film], records: Sequence[None]
) -> None:
  """Writes testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt.

  About 2 in 7 clips of a class are tested, others in each split; one of many
  is unused.
  """
  del records
  out = folder / 'testTrainMulti_7030_splits'
  out.mkdir(parents=True, exist_ok=True)
  for label in CLASSES:
    names = [epath.Path(f.path).name for f in films if f.label == label]
    for fold in classified.FOLDS:
      roles = classified.roles(len(names), fold)
      lines = [f'{name} {role} \n' for name, role in zip(names, roles)]
      path = out / f'{label}_test_split{fold}.txt'
      path.write_text(''.join(lines), encoding='utf-8')
