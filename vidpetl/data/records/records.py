"""Prepared records: what `vidpetl.prepare` or a TFDS builder wrote.

Beside the ArrayRecord shards lies an index per split, with all annotations in
columns, so that opening a split touches no video.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tqdm
from etils import epath, epy

from vidpetl.data import examples, kinds
from vidpetl.data.sources import localisation

with epy.lazy_imports():  # Of seconds, and not all that name data read them.
  import tensorflow_datasets as tfds


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
    ValueError: for an unknown split, or detections of a set without boxes.
  """
  folder = _folder(path, dataset)
  splits = tfds.builder_from_directory(folder).info.splits
  if split not in splits:
    there = ', '.join(splits)
    raise ValueError(f'split={split!r} is not in {folder}; there are: {there}')
  info, flat = _read_index(folder, split)
  data = _Data(folder, split)
  source = kinds.load(info.kind).source(info, flat, data.video)
  if detections is None:
    return source
  if not hasattr(source, 'with_detections'):
    raise ValueError(f'detections={detections!r}, but {dataset} has no boxes')
  persons = localisation.read_persons(
    detections, info.num_classes, degenerate_boxes, boxes
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


class _Data:
  """Random access to the records of a split, opened on first use."""

  def __init__(self, folder: epath.Path, split: str):
    self._folder, self._split = folder, split

  @functools.cached_property
  def records(self):
    builder = tfds.builder_from_directory(self._folder)
    return builder.as_data_source(split=self._split)

  def video(self, i: int) -> bytes:
    """Returns the encoded video of record `i`."""
    return self.records[int(i)]['video']


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
  common = json.loads((folder / 'metadata.json').read_text())
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
  with np.load(io.BytesIO(arrays.read_bytes())) as file:
    flat = dict(file)
  dropped = [examples.Dropped(**d) for d in json.loads(rest.read_text())]
  return _info(folder, split, dropped), flat


def _index_paths(folder, split) -> tuple[epath.Path, epath.Path]:
  folder = epath.Path(folder)
  return folder / f'index-{split}.npz', folder / f'dropped-{split}.json'


def has_index(folder: epath.PathLike, split: str) -> bool:
  """Returns whether a split has its index."""
  return all(path.exists() for path in _index_paths(folder, split))


def read_dropped(folder: epath.PathLike, split: str) -> list[examples.Dropped]:
  """Returns what is annotated but not in the records."""
  _, path = _index_paths(folder, split)
  return [examples.Dropped(**d) for d in json.loads(path.read_text())]


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
  buffer = io.BytesIO()
  np.savez(buffer, **flat)
  _write(arrays, buffer.getvalue())
  text = json.dumps([dataclasses.asdict(d) for d in dropped], indent=1)
  _write(rest, text.encode())


def _write(path: epath.Path, data: bytes) -> None:
  unfinished = path.parent / (path.name + '.unfinished')
  unfinished.write_bytes(data)
  unfinished.replace(path)


def collect(folder: epath.PathLike, split: str) -> dict[str, np.ndarray]:
  """Returns a split's annotations in columns, by a pass over its records."""
  records = _Data(epath.Path(folder), split).records
  progress = tqdm.tqdm(
    (records[i] for i in range(len(records))),
    total=len(records),
    desc=f'indexing {split}',
    leave=False,
    disable=None,
  )
  rows = [{k: v for k, v in r.items() if k != 'video'} for r in progress]
  return kind_of(folder).columns(rows)


def kind_of(folder: epath.PathLike) -> kinds.Kind:
  """Returns of which kind records are annotated."""
  common = json.loads((epath.Path(folder) / 'metadata.json').read_text())
  return kinds.load(common['kind'], f'{folder}: kind')
