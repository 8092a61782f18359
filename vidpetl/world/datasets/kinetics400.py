"""Kinetics of the demo world: short clips of one action each.

Class names are of Kinetics' kind. The classes are AVA's rarer actions, so that
training on both has something to transfer. Files lie flat in train/ and val/
under CVDF's names.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence

from etils import epath

from vidpetl.world import classified, scene
from vidpetl.world.film import Film

DATASET = 'kinetics400'

CLASSES = {
  'bouncing on trampoline': ('jump',),
  'clapping': ('stand_clap', 'sit_clap'),
  'climbing ladder': ('climb',),
  'faceplanting': ('fall',),
  'high kick': ('martial_art',),
  'pushing cart': ('push',),
  'snatch weight lifting': ('lift',),
  'throwing ball': ('throw',),
  'tug of war': ('pull',),
  'waving hand': ('stand_wave', 'sit_wave'),
}

# Clips by split, and their seconds.
COUNTS = {
  'demo': {'train': 240, 'val': 60},
  'tiny': {'train': 6, 'val': 4},
}
SECONDS = {'demo': 3.0, 'tiny': 3.0}

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
      seconds=SECONDS[size],
      classes=CLASSES,
      path=lambda label, id_, split=split: f'{split}/{_file_name(id_, size)}',
    )
  return planned


def _excerpt(id_: str, size: str) -> tuple[int, int]:
  """Seconds of the pretended YouTube video that a clip was cut from."""
  start = int(scene.generator('excerpt', id_).integers(0, 300))
  return start, start + round(SECONDS[size])


def _file_name(id_: str, size: str) -> str:
  start, end = _excerpt(id_, size)
  return f'{id_}_{start:06d}_{end:06d}.mp4'


def annotate(
  folder: epath.Path, films: Sequence[Film], records: Sequence[None]
) -> None:
  """Writes annotations/{train,val}.csv: label, YouTube id, excerpt, split."""
  del records
  (folder / 'annotations').mkdir(parents=True, exist_ok=True)
  for split in ('train', 'val'):
    path = folder / 'annotations' / f'{split}.csv'
    with open(path, 'w', newline='', encoding='utf-8') as file:
      out = csv.writer(file, lineterminator='\n')
      out.writerow(['label', 'youtube_id', 'time_start', 'time_end', 'split'])
      for film in films:
        if film.split == split:
          start, end = epath.Path(film.path).stem[-13:].split('_')
          out.writerow([film.label, film.id, int(start), int(end), split])
