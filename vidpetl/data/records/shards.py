"""The shards of a split, read by number.

Beside the hashes that ArrayRecord has of its chunks, an index has the sum of
each encoded video, which is compared whenever one is read.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import xxhash
from array_record.python import array_record_data_source
from etils import epath, epy

from vidpetl.data import decode, opening

with epy.lazy_imports():  # Of seconds, and not all that name data read them.
  import tensorflow_datasets as tfds

# Behind what is said of one record: what says how much is damaged.
MORE = '; `vidpetl check --records='


def sum_of(video: bytes) -> int:
  """Returns the sum of an encoded video, below 2**64."""
  return xxhash.xxh3_64_intdigest(video)


def open_builder(folder: epath.Path) -> tfds.core.DatasetBuilder:
  """Opens what TFDS wrote.

  Raises:
    ValueError: naming the file that is damaged.
  """
  for path in sorted(folder.glob('*.json')):
    opening.read_json(path, object)
  try:
    return tfds.builder_from_directory(folder)
  except OSError:
    raise
  except Exception as error:  # TFDS and protobuf have many.
    raise ValueError(
      f'{folder}: dataset_info.json, features.json or the names of classes are '
      f'damaged ({_first_line(error)}); copy or prepare them again'
    ) from None


class Videos:
  """Random access to the records of a split, opened on first use.

  Attributes:
    ids: what errors call the examples; their numbers are used without.
  """

  def __init__(
    self, folder: epath.Path, split: str, sums: np.ndarray | None = None
  ):
    """Takes what is opened later.

    Args:
      folder: of the records, '<path>/<dataset>/<version>'.
      split: of them.
      sums: uint64 [n], `sum_of` each video as it was prepared, if known.
    """
    self.ids: Sequence[str] = ()
    self._folder, self._split, self._sums = folder, split, sums

  @property
  def count(self) -> int:
    """Number of the records."""
    return self._builder.info.splits[self._split].num_examples

  @functools.cached_property
  def records(self):
    """The records, by number."""
    return self._builder.as_data_source(split=self._split)

  @functools.cached_property
  def _builder(self):
    return open_builder(self._folder)

  def record(self, i: int) -> dict[str, Any]:
    """Returns record `i`.

    Raises:
      decode.DecodeError: if it is damaged.
      ValueError: naming the shard, if nothing of it can be read.
    """
    try:
      return self.records[i]
    except Exception as error:  # Whatever ArrayRecord, TFDS, protobuf have.
      self._blame(i, error)

  def video(self, i: int) -> bytes:
    """Returns the encoded video of record `i`; raises as `record` does."""
    i = int(i)
    video = self.record(i)['video']
    if self._sums is not None and sum_of(video) != self._sums[i]:
      reason = f'is not the video that was prepared, in {self.shard(i)}'
      raise decode.DecodeError(self.name(i), f'{reason}{self._more()}')
    return video

  def shard(self, i: int) -> epath.Path:
    """Returns the file that holds record `i`."""
    split = self._builder.info.splits[self._split]
    ends = np.cumsum(split.shard_lengths)
    return epath.Path(split.filepaths[int(np.searchsorted(ends, i, 'right'))])

  def _blame(self, i: int, error: Exception) -> NoReturn:
    shard = self.shard(i)
    if why := unreadable(shard):
      raise ValueError(f'{shard} {why}{self._more()}') from error
    reason = f'is damaged in {shard} ({_first_line(error)})'
    raise decode.DecodeError(self.name(i), f'{reason}{self._more()}')

  def name(self, i: int) -> str:
    """Returns what errors call record `i`."""
    example = self.ids[i] if len(self.ids) else f'record {i}'
    return f'{self._folder.parent.name}/{self._split}: {example}'

  def _more(self) -> str:
    return f'{MORE}{self._folder}` says more'


def is_readable(folder: epath.Path) -> bool:
  """Returns whether the shards of all splits can be opened."""
  try:
    splits = open_builder(folder).info.splits
  except (ValueError, OSError):
    return False
  paths = [epath.Path(path) for s in splits.values() for path in s.filepaths]
  return not any(map(unreadable, paths))


def unreadable(shard: epath.Path) -> str:
  """Returns why nothing of a shard can be read, or ''."""
  if not shard.exists():
    return 'is missing'
  try:
    len(array_record_data_source.ArrayRecordDataSource([str(shard)]))
  except Exception as error:
    return f'is damaged ({_first_line(error)})'
  return ''


def _first_line(error: Exception) -> str:
  return str(error).strip().partition('\n')[0]
