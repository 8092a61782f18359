"""Moments in Time of the demo world: three seconds of one verb each.

Verbs are of that dataset's kind; most are AVA's rare actions.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence

from etils import epath

from vidpetl.world import classified, scene
from vidpetl.world.film import Film

DATASET = 'moments_in_time'

CLASSES = {
  'climbing': ('climb',),
  'closing': ('close',),
  'falling': ('fall',),
  'jumping': ('jump',),
  'opening': ('open',),
  'pulling': ('pull',),
  'throwing': ('throw',),
  'unloading': ('put_down',),
}

# Clips by split, and their seconds.
COUNTS = {
  'demo': {'training': 160, 'validation': 40},
  'tiny': {'training': 6, 'validation': 4},
}
SECONDS = 3.0
_LISTS = {'training': 'trainingSet.csv', 'validation': 'validationSet.csv'}

shoot = classified.shoot


def films(seed: int, size: str) -> list[Film]:
  """Plans all clips."""
  planned = []
  for split, count in COUNTS[size].items():
    planned += classified.films(
      DATASET,
      split,
      count,
      seed,
      size,
      seconds=SECONDS,
      classes=CLASSES,
      path=lambda label, id_, split=split: (
        f'{split}/{label}/yt-{id_}_{_start(id_)}.mp4'
      ),
    )
  return planned


def _start(id_: str) -> int:
  """Second of the pretended YouTube video where the moment begins."""
  return int(scene.generator('moment', id_).integers(0, 300))


def annotate(
  folder: epath.Path, films: Sequence[Film], records: Sequence[None]
) -> None:
  """Writes moments_categories.txt and the lists of both splits.

  A list's row is `class/file.mp4,class,votes for it,votes against it`.
  """
  del records
  categories = ''.join(f'{name},{i}\n' for i, name in enumerate(CLASSES))
  path = folder / 'moments_categories.txt'
  path.write_text(categories, encoding='utf-8')
  for split, name in _LISTS.items():
    with open(folder / name, 'w', newline='', encoding='utf-8') as file:
      out = csv.writer(file, lineterminator='\n')
      for film in films:
        if film.split == split:
          inner = film.path.removeprefix(f'{split}/')
          out.writerow([inner, film.label, 3, 0])
