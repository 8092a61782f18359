"""Prepared records."""

from __future__ import annotations

from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from launch.chaos import bench
from vidpetl import prepare, world
from vidpetl.data import sources
from vidpetl.data.records import recipe

_NAME = 'hmdb51_1'


def _make(folder: epath.Path) -> None:
  tfds.disable_progress_bar()
  raw = folder.parent / 'raw'
  world.write(raw, size='tiny', datasets=('hmdb51',), processes=1)
  source = {'source': 'raw', 'dataset': _NAME, 'raw': str(raw / 'hmdb51')}
  prepare.prepare(recipe.make(source), str(folder))


def _read(folder: epath.Path) -> Any:
  return [_split(folder, split) for split in ('train', 'val')]


def _split(folder: epath.Path, split: str) -> Any:
  source = sources.open_source(
    {'source': 'records', 'path': str(folder), 'dataset': _NAME, 'split': split}
  )
  numbers = range(len(source))
  return [source.info.classes, [(source[i], source.video(i)) for i in numbers]]


READERS = (
  bench.Reader('records', _make, _read, checked=('*.array_record*', '*.npz')),
)
