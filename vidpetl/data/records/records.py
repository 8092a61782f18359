"""Prepared records: what `vidpetl.prepare` or a TFDS builder wrote.

Beside the ArrayRecord shards lies an index per split, with all annotations in
columns, so that opening a split touches no video, and a file of sums.
"""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tqdm
from etils import epath, epy

from vidpetl import durable, sealed, sha256sums
from vidpetl.data import examples, kinds
from vidpetl.data.records import shards
from vidpetl.data.sources import localisation

with epy.lazy_imports():  # Of seconds, and not all that name data read them.
  import tensorflow_datasets as tfds

# The index' column of `shards.sum_of` each video; older ones have none.
_SUMS = 'video_sums'


def open(
  path: str,
  dataset: str,
  split: str,
  detections: str | Sequence[str] | None = None,
  match_iou: float = 0.9,
  degenerate_boxes: str = 'error',
  boxes: str = 'rounding',
) -> examples.Source:
  """Opens a split of prepared records.

  Args:
    path: the `--out` of prepare (TFDS's data_dir).
    dataset: name, e.g. 'ava'.
    split: 'train' or 'val'.
    detections: person boxes to use in place of the recorded ones: a file or
      several, or 'none' for ground-truth boxes in their place.
    match_iou: with `detections`, those without a label inherit the actions of
      a ground-truth box that they overlap this much.
    degenerate_boxes: with `detections`, 'error', or 'drop' for boxes without
      area.
    boxes: with `detections`, which of them are cut to the frame: 'rounding',
      'clip' or 'error' (see `vidpetl.data.annotations.ava`).

  Returns:
    The source, in the order of the records. `info.dropped` lists the videos
    that were missing or undecodable when they were prepared, and keyframes of
    `detections` that were not prepared.

  Raises:
    FileNotFoundError: if there are no such records.
    ValueError: for an unknown split, detections of a set without boxes, or a
      file beside the records that is damaged.
  """
  folder = _folder(path, dataset)
  _check(folder, split)
  splits = shards.open_builder(folder).info.splits
  if split not in splits:
    there = ', '.join(splits)
    raise ValueError(f'split={split!r} is not in {folder}; there are: {there}')
  files = tuple(map(os.fspath, splits[split].filepaths))
  source, _ = _open(folder, split, files)
  if detections is None:
    return source
  if not hasattr(source, 'with_detections'):
    raise ValueError(f'detections={detections!r}, but {dataset} has no boxes')
  persons = localisation.read_persons(
    detections, source.info.num_classes, degenerate_boxes, boxes
  )
  return source.with_detections(dataset, persons, match_iou)


def _folder(path: str, dataset: str) -> epath.Path:
  """Returns the folder of the newest version."""
  folder = epath.Path(path) / dataset
  versions = []
  if folder.is_dir():
    versions = [
      version
      for version in folder.iterdir()
      if tfds.core.Version.is_valid(version.name)
      and (version / 'dataset_info.json').exists()
    ]
  if not versions:
    raise FileNotFoundError(
      f'{folder}: no prepared records; make them by python -m vidpetl.prepare '
      f'--dataset={dataset} --raw=… --out={path}'
    )
  return max(versions, key=lambda version: tfds.core.Version(version.name))


def _check(folder: epath.Path, split: str) -> None:
  """Refuses what is damaged beside the records, where there are sums."""
  known = sha256sums.read(folder)
  own = {path.name for path in _index_paths(folder, split)}
  of_splits = 'index-', 'dropped-'
  names = [
    name
    for name in known
    if name in own
    or not (name.startswith(of_splits) or '.array_record-' in name)
  ]
  sha256sums.check(folder, known, names)


def videos(folder: epath.Path, split: str) -> shards.Videos:
  """Returns the videos of a split, with ids and sums from its index."""
  _, data = _open(folder, split)
  return data


def _open(
  folder: epath.Path, split: str, files: tuple[str, ...] = ()
) -> tuple[examples.Source, shards.Videos]:
  info, flat = _read_index(folder, split)
  info = dataclasses.replace(info, files=files)
  data = shards.Videos(folder, split, flat.pop(_SUMS, None))
  source = kinds.load(info.kind).source(info, flat, data.video)
  data.ids = source.ids
  return source, data


def describe(info: examples.Info) -> dict[str, Any]:
  """Returns what a dataset's splits have in common, in json's types."""
  return {
    'name': info.name,
    'kind': info.kind,
    'num_classes': info.num_classes,
    'classes': {str(i): name for i, name in info.classes.items()},
    'fps': info.fps,
  }


def _info(
  folder: epath.Path, split: str, dropped: Sequence[examples.Dropped]
) -> examples.Info:
  """Inverts `describe`."""
  common = sealed.read_json(folder / 'metadata.json')
  classes = {int(i): name for i, name in common['classes'].items()}
  fields = ('name', 'kind', 'num_classes', 'fps')
  return examples.Info(
    split=split,
    classes=classes,
    dropped=tuple(dropped),
    short_side=common['settings']['options']['short_side'],
    **{field: common[field] for field in fields},
  )


def _read_index(folder, split):
  """Returns a split's info and columns."""
  arrays, rest = _index_paths(folder, split)
  if not has_index(folder, split):
    logging.warning('%s: no index of %s; reading all records', folder, split)
    return _info(folder, split, ()), collect(folder, split)
  try:
    with np.load(io.BytesIO(arrays.read_bytes())) as file:
      flat = dict(file)
  except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
    raise ValueError(f'{arrays} is damaged ({error}); {_AGAIN}') from None
  dropped = [examples.Dropped(**d) for d in sealed.read_json(rest)]
  return _info(folder, split, dropped), flat


_AGAIN = 'take it out, and an index is made anew from the records'


def _index_paths(folder, split) -> tuple[epath.Path, epath.Path]:
  folder = epath.Path(folder)
  return folder / f'index-{split}.npz', folder / f'dropped-{split}.json'


def has_index(folder: epath.PathLike, split: str) -> bool:
  """Returns whether a split has its index."""
  return all(path.exists() for path in _index_paths(folder, split))


def read_dropped(folder: epath.PathLike, split: str) -> list[examples.Dropped]:
  """Returns what is annotated but not in the records."""
  _, path = _index_paths(folder, split)
  return [examples.Dropped(**d) for d in sealed.read_json(path)]


def write_index(
  folder: epath.PathLike,
  split: str,
  flat: Mapping[str, np.ndarray],
  dropped: Iterable[examples.Dropped],
) -> None:
  """Writes a split's index.

  Args:
    folder: of the records, '<path>/<dataset>/<version>'.
    split: of the records.
    flat: `collect` of them.
    dropped: what is annotated but not in the records.
  """
  arrays, rest = _index_paths(folder, split)
  with durable.opened(arrays) as file:
    np.savez(file, **flat)
  text = json.dumps([dataclasses.asdict(d) for d in dropped], indent=1)
  durable.write(rest, text)


def collect(folder: epath.PathLike, split: str) -> dict[str, np.ndarray]:
  """Returns a split's annotations in columns, by a pass over its records.

  The sums of the videos are a column, too.
  """
  data = shards.Videos(epath.Path(folder), split)
  progress = tqdm.tqdm(
    (data.record(i) for i in range(len(data.records))),
    total=len(data.records),
    desc=f'indexing {split}',
    leave=False,
    disable=None,
  )
  rows, sums = [], []
  for record in progress:
    sums.append(shards.sum_of(record['video']))
    rows.append({k: v for k, v in record.items() if k != 'video'})
  return {**kind_of(folder).columns(rows), _SUMS: np.array(sums, np.uint64)}


def kind_of(folder: epath.PathLike) -> kinds.Kind:
  """Returns of which kind records are annotated."""
  common = sealed.read_json(epath.Path(folder) / 'metadata.json')
  return kinds.load(common['kind'], f'{folder}: kind')
