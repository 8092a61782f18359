"""Image datasets by TFDS's own builders: an image is a clip of one frame."""

from __future__ import annotations

import copy
import functools
import hashlib
import os

import numpy as np
from etils import epath, epy

from vidpetl.data import examples, kinds
from vidpetl.data.kinds.classification import Classified

with epy.lazy_imports():  # Of seconds, and not all that name data read them.
  import tensorflow_datasets as tfds


def open(data_dir: str, dataset: str, split: str) -> Images:
  """Opens a split of an image dataset that TFDS has prepared.

  Args:
    data_dir: of TFDS.
    dataset: e.g. 'cifar100'; its features have 'image' and 'label'.
    split: of the dataset, e.g. 'train' or 'test'.

  Raises:
    FileNotFoundError: if it is not prepared, with the command that does so.
    ValueError: for an unknown dataset or split, one without images and labels,
      or files that have no random access.
  """
  builder = _builder(data_dir, dataset)
  if split not in builder.info.splits:
    there = ', '.join(builder.info.splits)
    raise ValueError(f'split={split!r} is not in {dataset}; there are: {there}')
  if missing := {'image', 'label'} - set(builder.info.features):
    raise ValueError(
      f'dataset={dataset!r} has no {" and no ".join(sorted(missing))}'
    )
  return Images(builder, dataset, split)


class Images:
  """Images with one label each; an `examples.Source`.

  Labels lie within the records, so looking at an example reads its image.
  """

  def __init__(self, builder: tfds.core.DatasetBuilder, name: str, split: str):
    self._builder, self._split = builder, split
    self._rows = np.arange(builder.info.splits[split].num_examples)
    label = builder.info.features['label']
    described = f'{builder.info.full_name} {split} {len(self)}'
    self.info = examples.Info(
      name=name,
      split=split,
      kind='classification',
      num_classes=label.num_classes,
      classes=dict(enumerate(label.names)),
      fingerprint=hashlib.sha256(described.encode()).hexdigest()[:16],
      files=tuple(map(os.fspath, builder.info.splits[split].filepaths)),
    )

  @functools.cached_property
  def _records(self):
    return self._builder.as_data_source(
      self._split, decoders={'image': tfds.decode.SkipDecoding()}
    )

  def __len__(self) -> int:
    return len(self._rows)

  def __getitem__(self, i: int) -> Classified:
    return Classified(self.ids[i], int(self._record(i)['label']))

  def video(self, i: int) -> bytes:
    """Returns the encoded image of example `i`."""
    return self._record(i)['image']

  def _record(self, i: int):
    return self._records[int(self._rows[i])]

  @functools.cached_property
  def ids(self) -> list[str]:
    """Ids of the images."""
    return [f'{self._split}/{row}' for row in self._rows]

  def shown(self):
    """Reads every image, to see its label."""
    everything = range(len(self))
    labels = [int(self._record(i)['label']) for i in everything]
    return np.array(everything), np.array(labels)

  def take(self, rows):
    part = copy.copy(self)
    part.__dict__.pop('ids', None)
    part._rows = self._rows[rows]
    part.info = kinds.with_fingerprint(self.info, [part._rows])
    return part


def _builder(data_dir: str, dataset: str) -> tfds.core.DatasetBuilder:
  """Returns the builder of prepared files.

  Raises:
    FileNotFoundError: if there are none.
    ValueError: for an unknown dataset, or other files than ArrayRecord.
  """
  try:
    builder = tfds.builder(
      dataset, data_dir=data_dir, file_format='array_record'
    )
  except tfds.core.DatasetNotFoundError:
    raise ValueError(f'dataset={dataset!r} is none that TFDS has') from None
  command = (
    'python -c "import tensorflow_datasets as tfds; tfds.builder('
    f"'{dataset}', data_dir='{data_dir}', file_format='array_record')"
    '.download_and_prepare()"'
  )
  if not epath.Path(builder.data_dir, 'dataset_info.json').exists():
    raise FileNotFoundError(
      f'{builder.data_dir}: {dataset} is not prepared there; this does it: '
      f'{command}'
    )
  if builder.info.file_format != tfds.core.FileFormat.ARRAY_RECORD:
    raise ValueError(
      f'{builder.data_dir}: prepared as {builder.info.file_format.value}, '
      'without random access; remove that folder and prepare it so: ' + command
    )
  return builder
