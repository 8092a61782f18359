"""What `data=` of a config names: a dataset, a folder, or a table.

found = data.find('my_clips', val='', roots=('data/prepared', 'data/raw'))
found.kind, found.train, found.eval
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from etils import epath

from vidpetl.data import dataset as dataset_lib
from vidpetl.data import datasets, sources
from vidpetl.data.annotations import sheets, text
from vidpetl.data.sources import performances

TABLES = ('.csv', '.tsv', '.txt', *sheets.SUFFIXES)

# Columns that tell what a table lists, how they are spelled, and its source.
_HEADERS = (
  (('path', 'label'), text.column, 'manifest'),
  (('video', 'score'), performances.column, 'performances'),
)


@dataclasses.dataclass(frozen=True)
class Data:
  """Training and evaluation data of a task.

  Attributes:
    name: of the task.
    kind: of its annotations.
    train: fields of its training source.
    eval: of its evaluation source.
    known: the public dataset; None if it is one's own.
  """

  name: str
  kind: str
  train: Mapping[str, Any]
  eval: Mapping[str, Any]
  known: dataset_lib.Dataset | None = None


def find(
  named: str,
  *,
  roots: tuple[str, str],
  val: str = '',
  variants: Mapping[str, Any] | None = None,
  boxes: Mapping[str, Any] | None = None,
) -> Data:
  """Returns the data that a config's argument names.

  Args:
    named: a dataset's name, the path of a folder of class folders (split or
      not), or of a table: a manifest `path,label`, performances `video,score`,
      or keyframes in AVA's format.
    roots: folder of prepared records, and folder of the raw datasets' folders.
    val: table of the evaluation, where `named` has no column `split`.
    variants: options of a dataset that make others of it: task and fold.
    boxes: of keyframes: `videos`, `labelmap`, `detections`,
      `val_detections` and `video_start`, as of the source 'ava_csv'.

  Raises:
    ValueError: if it is none of these, or lacks its evaluation.
    FileNotFoundError: if there is no such table.
  """
  if not named:
    raise ValueError(
      'data= names nothing: give a folder of class folders, a table '
      f'({", ".join(TABLES)}), or a dataset: {", ".join(datasets.names())}.'
    )
  if named.endswith(TABLES):
    return _table(named, val, boxes or {})
  if epath.Path(named).is_dir():
    return _pair(task_name(named), 'folder', {'path': named})
  try:
    known = datasets.find(named)
  except ValueError as error:
    raise ValueError(
      f'data={named} is no folder, no table ({", ".join(TABLES)}), and no '
      f'dataset: {error}'
    ) from None
  return _dataset(named, known, roots, variants or {})


def _pair(
  name: str,
  source: str,
  fields: Mapping[str, Any],
  known: dataset_lib.Dataset | None = None,
) -> Data:
  train, test = known.splits if known else ('train', 'val')
  kind = known.kind if known else sources.kind({'source': source})
  shared = {'source': source, **fields}
  return Data(
    name, kind, {**shared, 'split': train}, {**shared, 'split': test}, known
  )


def task_name(path: str) -> str:
  """Returns what the task of a folder or table is called in a config."""
  # Not `resolve`, which would name what a link leads to.
  stem = epath.Path(os.path.abspath(path)).stem
  return ''.join(c if c.isalnum() else '_' for c in stem)


def _table(path: str, val: str, boxes: Mapping[str, Any]) -> Data:
  """Returns what a table lists, by its first row."""
  text.require(path, 'a table of videos')
  header = text.first_row(path)
  for columns, spelled, source in _HEADERS:
    found = set(map(spelled, header))
    if found.issuperset(columns):
      return _listed(path, val, 'split' in found, source)
  if len(header) in (2, 7, 8) and _is_number(header[1]):
    return _keyframes(path, val, boxes)
  raise ValueError(
    f'{path}: its first row is {",".join(header)}; expected a header with '
    'path and label (clips) or video and score (performances), or keyframes '
    'video,seconds,x1,y1,x2,y2,action,person.'
  )


def _is_number(text: str) -> bool:
  return text.replace('.', '', 1).isdigit()


def _listed(path: str, val: str, has_split: bool, source: str) -> Data:
  # A share is evaluated where nothing else is said.
  if has_split or not val:
    return _pair(task_name(path), source, {'path': path})
  split = {'source': source, 'split': 'all'}
  kind = sources.kind(split)
  return Data(
    task_name(path), kind, {**split, 'path': path}, {**split, 'path': val}
  )


def _keyframes(path: str, val: str, boxes: Mapping[str, Any]) -> Data:
  if not val:
    raise ValueError(
      f'{path} has keyframes: give those to evaluate on as val=OTHER.csv.'
    )
  known = {k: v for k, v in boxes.items() if v and k != 'val_detections'}
  # As it was spelled: configs of runs of before have it so.
  shared = {'source': 'ava_csv', 'videos': os.path.dirname(path) or '.'}
  train = {**shared, **known, 'annotations': path, 'split': 'train'}
  test = {
    **train,
    'annotations': val,
    'split': 'val',
    'detections': boxes.get('val_detections') or None,
  }
  return Data(task_name(path), sources.kind(train), train, test)


def _dataset(
  named: str,
  known: dataset_lib.Dataset,
  roots: tuple[str, str],
  variants: Mapping[str, Any],
) -> Data:
  """Returns a public dataset, from its records where they are prepared."""
  prepared, raw = roots
  if known.open is None:
    fields = {'dataset': named, 'data_dir': prepared}
    return _pair(known.name, 'tfds_images', fields, known)
  if named not in known.names:
    raise ValueError(
      f'data={named} has splits of its own: {", ".join(known.names)}.'
    )
  chosen = {name: variants.get(name) for name in known.variants}
  if missing := [name for name, value in chosen.items() if not value]:
    raise ValueError(f'data={named} needs {", ".join(missing)}.')
  records = '_'.join([named, *map(str, chosen.values())])
  if '://' in prepared or (epath.Path(prepared) / records).is_dir():
    fields = {'path': prepared, 'dataset': records}
    return _pair(known.name, 'records', fields, known)
  # As it was spelled: configs of runs of before have it so.
  folder = os.path.join(raw, known.folder)
  fields = {'dataset': named, 'raw': folder, **chosen}
  return _pair(known.name, 'raw', fields, known)
