"""The TFDS builder of records: one for every dataset and source.

    from vidpetl.data.records import builder, recipe
    source = {'source': 'raw', 'dataset': 'ava', 'raw': '/raw/ava'}
    builder.VideoBuilder(
      recipe=recipe.make(source), data_dir='/records'
    ).download_and_prepare()

does it in one process; `python -m vidpetl.prepare` runs the same on all cores,
can be interrupted, and reports what it could not read.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from vidpetl import durable, sha256sums
from vidpetl.data import decode, examples, kinds, names, transcode
from vidpetl.data.records import recipe as recipes
from vidpetl.data.records import records, shard_writer, shards, staging


class VideoBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """Writes a dataset's videos, compressed, with their annotations.

  Examples that cannot be decoded are left out and listed, with reasons, in the
  index beside the records; no label depends on them. Records keep the order of
  the annotation files.
  """

  VERSION = tfds.core.Version('1.0.0')
  code_path = None  # where TFDS looks for checksums; nothing is downloaded

  def __init__(
    self,
    *,
    recipe: recipes.Recipe,
    staged: str | None = None,
    beam: bool = False,
    **kwargs: Any,
  ):
    """Opens the source.

    Args:
      recipe: what to make, and of what.
      staged: folder in which `staging` has left the transcoded videos; without
        it they are transcoded one by one while they are packed.
      beam: transcode on Apache Beam, by the runner and options of
        `tfds.download.DownloadConfig`; workers must see the source's files.
      **kwargs: of `tfds.core.GeneratorBasedBuilder`, e.g. `data_dir`.
    """
    self.name = recipe.name
    self._recipe = recipe
    self._staged = staged
    self._beam = beam
    kwargs.setdefault('file_format', 'array_record')
    super().__init__(**kwargs)
    self._original_state |= {'recipe': recipe, 'staged': staged, 'beam': beam}

  def _info(self) -> tfds.core.DatasetInfo:
    info = self._recipe.open(self._recipe.splits[0]).info
    fields = self._recipe.rows.fields(info.num_classes)
    dataset = self._recipe.dataset
    return tfds.core.DatasetInfo(
      builder=self,
      description=dataset.description if dataset else f'{self.name}: videos.',
      features=tfds.features.FeaturesDict(
        {
          'id': tfds.features.Text(),
          'video': tfds.features.Text(doc='the encoded video'),
          **{name: _feature(field, info) for name, field in fields.items()},
        }
      ),
      citation=dataset.citation if dataset else '',
      disable_shuffling=True,  # readers shuffle; packing need not
      metadata=tfds.core.MetadataDict(
        settings=self._recipe.settings(), **records.describe(info)
      ),
    )

  def _split_generators(self, dl_manager) -> Mapping[str, Any]:
    del dl_manager
    return {
      split: self._generate_examples(split) for split in self._recipe.open_all()
    }

  def _generate_examples(self, split: str):
    n = len(self._recipe.open(split))
    if self._beam:
      beam = tfds.core.lazy_imports.apache_beam
      make = functools.partial(_beam_example, self._recipe, split)
      return beam.Create(range(n)) | beam.Reshuffle() | beam.FlatMap(make)
    return self._examples(split, range(n))

  def _examples(self, split: str, numbers: Iterable[int]):
    source = self._recipe.open(split)
    first, failed = None, 0
    for i in numbers:
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
        f'{self.name}: none of the {failed} videos of {split!r} can be '
        f'decoded; the first: {first}'
      )

  def _video(self, item: recipes.Item) -> bytes:
    options = self._recipe.options
    if self._staged is not None:
      return staging.Staging(self._staged, options).read(item)
    return _transcoded(item, options)

  def download_and_prepare(self, **kwargs: Any) -> None:
    """Builds the records, then the index with which they open at once.

    Args:
      **kwargs: of TFDS's method of this name.
    """
    super().download_and_prepare(**kwargs)
    for split in self._recipe.splits:
      if not records.has_index(self.data_path, split):
        self._write_index(split)
    if not sha256sums.read(self.data_path):
      durable.sync(self.data_path)
      sha256sums.write(self.data_path)

  def _example_writer(self) -> shard_writer.Writer:
    return shard_writer.Writer(file_format=self.info.file_format)

  def _write_index(self, split: str) -> None:
    source = self._recipe.open(split)
    flat = records.collect(self.data_path, split)
    packed = records.kind_of(self.data_path).ids(flat)
    dropped = list(source.info.dropped)
    for i in range(len(source)):
      item = self._recipe.item(source, i)
      if item.id not in packed:
        reason = self._why_not(item)
        dropped.append(
          examples.Dropped(item.id, names.shown(item.path), reason)
        )
    records.write_index(self.data_path, split, flat, dropped)

  def _why_not(self, item: recipes.Item) -> str:
    try:
      self._video(item)
    except decode.DecodeError as error:
      return error.reason
    return 'can be decoded now, but could not when it was packed'


def _transcoded(item: recipes.Item, options: transcode.Options) -> bytes:
  return transcode.transcode(item.path, options, item.start, item.end, item.fps)


def _beam_example(recipe: recipes.Recipe, split: str, i: int):
  """Returns the example in a list, or nothing, on a Beam worker."""
  source = recipe.open(split)
  item = recipe.item(source, i)
  try:
    video = _transcoded(item, recipe.options)
  except decode.DecodeError as error:
    logging.warning('left out: %s: %s', item.id, error)
    return []
  return [(i, {'video': video, **recipe.annotation(source, i, item)})]


def _feature(
  field: kinds.Field, info: examples.Info
) -> tfds.features.FeatureConnector:
  """Returns a field in TFDS's words."""
  doc = field.doc or None
  if field.is_class:
    names = [info.classes[i] for i in range(info.num_classes)]
    return tfds.features.ClassLabel(names=names, doc=doc)
  if field.dtype is str:
    return tfds.features.Text(doc=doc)
  if not field.shape:
    return tfds.features.Scalar(field.dtype, doc=doc)
  return tfds.features.Tensor(shape=field.shape, dtype=field.dtype, doc=doc)


def pack(
  recipe: recipes.Recipe,
  out: str,
  staged: str,
  beam_options: Sequence[str] | None = None,
) -> dict[str, dict[str, Any]]:
  """Writes records and index of what was transcoded.

  Args:
    recipe: what to make.
    out: folder for the records, TFDS's data_dir.
    staged: folder with the transcoded videos, and for TFDS's own files.
    beam_options: Apache Beam's pipeline options; transcodes there.

  Returns:
    Split -> 'records', 'bytes' and 'left_out' (`examples.Dropped`).
  """
  builder = VideoBuilder(
    recipe=recipe,
    data_dir=out,
    staged=None if beam_options is not None else staged,
    beam=beam_options is not None,
  )
  # Of a run that was killed, or lost its power; the lock is ours.
  for unfinished in builder.data_path.parent.glob('incomplete.*'):
    unfinished.rmtree()
  if builder.data_path.exists() and not shards.is_readable(builder.data_path):
    builder.data_path.rmtree()
  config = tfds.download.DownloadConfig(
    beam_options=_pipeline_options(beam_options)
  )
  builder.download_and_prepare(download_dir=staged, download_config=config)
  splits = tfds.builder_from_directory(builder.data_path).info.splits
  return {
    split: {
      'records': splits[split].num_examples,
      'bytes': splits[split].num_bytes,
      'left_out': records.read_dropped(builder.data_path, split),
    }
    for split in recipe.splits
  }


def _pipeline_options(beam_options: Sequence[str] | None) -> Any:
  if beam_options is None:
    return None
  beam = tfds.core.lazy_imports.apache_beam
  return beam.options.pipeline_options.PipelineOptions(flags=list(beam_options))
