"""Annotations: of the public datasets, and of one's own films."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from etils import epath

from launch.chaos import bench, makers
from vidpetl import world
from vidpetl.data import datasets, sources

_TASKS = {'jigsaws': 'suturing', 'pd4t': 'gait'}
_FILMS = ('a/1.mp4', 'a/2.mp4', 'b/3.mp4')


def _drawn(name: str, folder: epath.Path) -> None:
  world.write(folder, size='tiny', datasets=(name,), processes=1)
  (folder / name / world.MARKER).unlink()


def _files(folder: epath.Path) -> Iterator[epath.Path]:
  for root, _, names in os.walk(folder):
    yield from (epath.Path(root) / name for name in names)


def _open(fields: Mapping[str, Any]) -> list[Any]:
  """Returns all that a source says."""
  source = sources.open_source(fields)
  items = [(source[i], source.video(i)) for i in range(len(source))]
  told = source.info
  return [items, told.classes, told.kind, [d.id for d in told.dropped]]


def _both(fields: Mapping[str, Any]) -> list[Any]:
  return [_open({**fields, 'split': split}) for split in ('train', 'val')]


def _of_dataset(name: str, folder: epath.Path, below: str = '') -> list[Any]:
  fields = {'source': 'raw', 'dataset': name, 'raw': str(folder / below)}
  options = sources.arguments({**fields, 'split': 'train'})
  given = {'fold': 1, 'video_start': 900, 'task': _TASKS.get(name)}
  return _both({**fields, **{k: given[k] for k in given if k in options}})


def _listed(name: str, folder: epath.Path) -> None:
  """Writes what the tests have of a dataset that the world has not."""
  contents = makers.find(f'{name}_test', 'data/datasets')
  files = getattr(contents, '_FILES', None) or contents._OFFICIAL
  for file, content in {**files, **_CLIPS[name]}.items():
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, str):
      content = '' if content is None else json.dumps(content)
    path.write_text(content)


# Films of the lists in the tests.
_CLIPS = {
  'charades': {
    f'Charades_v1_480/{name}.mp4': ''
    for name in ('46GP8', 'N11GT', '0IH69', 'YSKX3')
  },
  'diving48': {},
  'epic_kitchens': {
    f'{name.partition("_")[0]}/videos/{name}.MP4': ''
    for name in ('P01_01', 'P02_102', 'P01_11')
  },
  'jester': {
    f'20bn-jester-v1/{name}/{i:05d}.jpg': ''
    for name in (9223, 107090, 3, 42920)
    for i in (1, 2, 3)
  },
}


def _own(name: str, folder: epath.Path) -> None:
  """Writes a source of one's own, and empty films for it."""
  tests = makers.find('sources_test', 'data/records')
  flat = ('1.mp4', '3.mp4', '4.mp4')
  for film in flat if name == '_ava_csv' else _FILMS:
    path = folder / film
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'')
  (folder / 'frames').mkdir()
  for i in range(1, 4):
    (folder / 'frames' / f'{i:03d}.jpg').write_bytes(b'')
  getattr(tests, name)(folder)


def _of_own(name: str, folder: epath.Path) -> list[Any]:
  tests = makers.find('sources_test', 'data/records')
  kept = {path: path.read_bytes() for path in _files(folder)}
  fields = getattr(tests, name)(folder)
  for path, content in kept.items():  # The maker wrote them anew.
    path.write_bytes(content)
  if 'annotations' not in fields:
    return _both(fields)
  return [
    _open({**fields, 'annotations': fields['annotations'].format(split=split)})
    for split in ('train', 'val')
  ]


def _sheet(folder: epath.Path) -> None:
  for film in _FILMS:
    (folder / film).parent.mkdir(parents=True, exist_ok=True)
    (folder / film).write_bytes(b'')
  rows = [['video', 'score', 'split']]
  rows += [[film, 10.0 + i, 'train'] for i, film in enumerate(_FILMS)]
  rows[-1][-1] = 'val'
  makers.find('spreadsheets').ods(folder / 'scores.ods', rows)


def _of_sheet(folder: epath.Path) -> list[Any]:
  return _both({'source': 'performances', 'path': str(folder / 'scores.ods')})


_TEXTS = ('*.csv', '*.txt', '*.json', '*.pbtxt', '*.pkl', '*.tsv', '*.pickle')
_SOURCES = ('_manifest', '_several_labels', '_no_labels')


def _name_of(world_name: str) -> str:
  """Returns the name under which a dataset of the world is opened."""
  return datasets.find(world_name).names[0]


READERS = (
  *(
    bench.Reader(
      f'annotations, {name}',
      functools.partial(_drawn, name),
      functools.partial(_of_dataset, _name_of(name), below=name),
      damaged=_TEXTS,
    )
    for name in world.DATASETS
  ),
  *(
    bench.Reader(
      f'annotations, {name}',
      functools.partial(_listed, name),
      functools.partial(
        _of_dataset, name + ('_verb' if name == 'epic_kitchens' else '')
      ),
      damaged=_TEXTS,
    )
    for name in _CLIPS
  ),
  *(
    bench.Reader(
      f'own{name.replace("_", " ")}',
      functools.partial(_own, name),
      functools.partial(_of_own, name),
      damaged=('*.csv',),
    )
    for name in (*_SOURCES, '_performances', '_ava_csv')
  ),
  bench.Reader('own spreadsheet', _sheet, _of_sheet, damaged=('*.ods',)),
)
