"""What the builders share."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow_datasets as tfds

from vidpetl.data import decode, examples, kinds, transcode
from vidpetl.data.records import recipe as recipes
from vidpetl.data.records import records, staging


class VideoBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """Writes a public dataset's videos, compressed, with their annotations.

  Examples that cannot be decoded are left out and listed, with reasons, in the
  index beside the records; no label depends on them. Records keep the order of
  the annotation files.
  """

  VERSION = tfds.core.Version('1.0.0')
  DATASET: str
  CITATION: str
  code_path = None  # where TFDS looks for checksums; nothing is downloaded

  def __init__(
    self,
    *,
    recipe: recipes.Recipe | None = None,
    staged: str | None = None,
    beam: bool = False,
    **kwargs: Any,
  ):
    """Sets the builder up.

    Args:
      recipe: what to make; the dataset's default if left out.
      staged: folder in which `staging` has left the transcoded videos; without
        it they are transcoded one by one while they are packed.
      beam: transcode on Apache Beam, by the runner and options of
        `tfds.download.DownloadConfig`; workers must see the raw folder.
      **kwargs: of `tfds.core.GeneratorBasedBuilder`, e.g. `data_dir`.
    """
    self._recipe = recipe or recipes.default(self.DATASET)
    self._staged = staged
    self._beam = beam
    self._raw: str | None = None
    self._sources: dict[str, examples.Source] = {}
    kwargs.setdefault('file_format', 'array_record')
    super().__init__(**kwargs)
    self._original_state |= {'recipe': recipe, 'staged': staged, 'beam': beam}

  def features(self) -> Mapping[str, Any]:
    """Returns the annotation's TFDS features."""
    return features_of(kinds.load('classification'))

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      description=type(self).__doc__,
      features=tfds.features.FeaturesDict(
        {
          'id': tfds.features.Text(),
          'video': tfds.features.Text(doc='the encoded video'),
          **self.features(),
        }
      ),
      citation=self.CITATION,
      disable_shuffling=True,  # readers shuffle; packing need not
      metadata=tfds.core.MetadataDict(),
    )

  def _split_generators(self, dl_manager) -> Mapping[str, Any]:
    raw = self._raw = os.fspath(dl_manager.manual_dir)
    for split in self._recipe.splits:
      self._sources[split] = self._recipe.open(raw, split)
    info = next(iter(self._sources.values())).info
    for name, field in kinds.load(info.kind).fields(info.num_classes).items():
      if field.is_class:
        classes = [info.classes[i] for i in range(info.num_classes)]
        self.info.features[name].names = classes
    self.info.metadata.update(
      settings=self._recipe.settings(),
      **records.describe(info),
    )
    return {
      split: self._generate_examples(raw, split) for split in self._sources
    }

  def _generate_examples(self, raw: str, split: str):
    n = len(self._sources[split])
    if self._beam:
      beam = tfds.core.lazy_imports.apache_beam
      make = functools.partial(_beam_example, self._recipe, raw, split)
      return beam.Create(range(n)) | beam.Reshuffle() | beam.FlatMap(make)
    return self._examples(raw, split, range(n))

  def _examples(self, raw, split, rows: Iterable[int]):
    source = self._sources[split]
    first, failed = None, 0
    for i in rows:
      item = self._recipe.item(source, i)
      try:
        video = self._video(item)
      except decode.DecodeError as error:
        first = first or error
        failed += 1
        continue
      yield i, {'video': video, **self._recipe.annotation(source, i, item)}
    if failed == len(source):
      raise ValueError(
        f'{raw}: none of the {failed} videos of {split!r} can be decoded; the '
        f'first: {first}'
      )

  def _video(self, item: recipes.Item) -> bytes:
    options = self._recipe.options
    if self._staged is not None:
      return staging.Staging(self._staged, options).read(item)
    return transcode.transcode(item.path, options, item.start, item.end)

  def download_and_prepare(self, **kwargs: Any) -> None:
    """Builds the records, then the index with which they open at once.

    Args:
      **kwargs: of TFDS's method of this name.
    """
    super().download_and_prepare(**kwargs)
    config = kwargs.get('download_config')
    raw = self._raw or (config and config.manual_dir)
    if raw is None:  # records of an earlier run, and nothing to compare with
      return
    for split in self._recipe.splits:
      if not records.has_index(self.data_path, split):
        source = self._recipe.open(os.fspath(raw), split)
        self._write_index(split, source)

  def _write_index(self, split: str, source: examples.Source) -> None:
    flat = records.collect(self.data_path, split)
    packed = kinds.load(source.info.kind).ids(flat)
    dropped = list(source.info.dropped)
    for i in range(len(source)):
      item = self._recipe.item(source, i)
      if item.id not in packed:
        reason = self._why_not(item)
        dropped.append(examples.Dropped(item.id, item.path, reason))
    records.write_index(self.data_path, split, flat, dropped)

  def _why_not(self, item: recipes.Item) -> str:
    try:
      self._video(item)
    except decode.DecodeError as error:
      return error.reason
    return 'can be decoded now, but could not when it was packed'


def _beam_example(recipe, raw, split, i):
  """Returns the example in a list, or nothing, on a Beam worker."""
  source = recipe.open(raw, split)
  item = recipe.item(source, i)
  try:
    video = transcode.transcode(item.path, recipe.options, item.start, item.end)
  except decode.DecodeError as error:
    logging.warning('left out: %s: %s', item.id, error)
    return []
  return [(i, {'video': video, **recipe.annotation(source, i, item)})]


def features_of(kind: kinds.Kind, num_classes: int = 0) -> Mapping[str, Any]:
  """Returns the TFDS features of a kind's records."""
  fields = kind.fields(num_classes)
  return {name: _feature(field) for name, field in fields.items()}


def _feature(field: kinds.Field):
  if field.is_class:
    return tfds.features.ClassLabel(doc=field.doc or None)
  if field.dtype is str:
    return tfds.features.Text(doc=field.doc or None)
  if not field.shape:
    return tfds.features.Scalar(field.dtype, doc=field.doc or None)
  return tfds.features.Tensor(
    shape=field.shape, dtype=field.dtype, doc=field.doc or None
  )
