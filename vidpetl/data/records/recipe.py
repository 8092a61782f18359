"""What is made of each annotated video, before any of it is."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from vidpetl.data import examples, kinds, transcode
from vidpetl.data.kinds import localisation
from vidpetl.data.sources import raw as raw_source
from vidpetl.data.sources.official import ava


def default_options(dataset: str) -> transcode.Options:
  """Returns how a dataset's videos are encoded unless one says otherwise.

  AVA's people are often small, and accuracy falls with resolution: it is kept.
  """
  keep = dataset in ava.DATASETS
  return transcode.Options(short_side=None if keep else 256)


def default(dataset: str) -> Recipe:
  """Returns the recipe with a dataset's default options."""
  window = localisation.KIND.window if dataset in ava.DATASETS else None
  return Recipe(dataset, default_options(dataset), window)


@dataclasses.dataclass(frozen=True)
class Item:
  """A piece of a file.

  Attributes:
    id: of the example.
    path: of the file.
    start: seconds on its clock.
    end: seconds; None is the end of the file.
  """

  id: str
  path: str
  start: float
  end: float | None


@dataclasses.dataclass(frozen=True)
class Recipe:
  """All that decides what the records of a dataset hold.

  Attributes:
    dataset: name.
    options: how videos are encoded.
    window: seconds kept before and after a keyframe; None for clips.
    splits: which.
    source: further arguments of `sources.raw.open`, in pairs.
  """

  dataset: str
  options: transcode.Options
  window: float | None = None
  splits: tuple[str, ...] = ('train', 'val')
  source: tuple[tuple[str, Any], ...] = ()

  def __post_init__(self):
    if self.window is not None and self.window <= 0:
      raise ValueError(f'window={self.window} is not above 0')
    if self.window is not None and self.options.copy:
      raise ValueError('copy=True, but keyframes are cut out of their films')
    if len(set(self.splits)) < len(self.splits) or not self.splits:
      raise ValueError(f'splits={self.splits}: each once, at least one')

  def settings(self) -> dict[str, Any]:
    """Returns the recipe in json's types."""
    settings = dataclasses.asdict(self)
    settings |= {'splits': list(self.splits), 'source': dict(self.source)}
    return settings

  def open(self, raw: str, split: str) -> examples.Source:
    """Opens a split of the raw dataset."""
    return _open(self.dataset, raw, split, self.source)

  def item(self, source: examples.Source, i: int) -> Item:
    """Returns what to cut for example `i`."""
    kind = kinds.load(source.info.kind)
    start, end = kind.cut(source[i], self.window)
    return Item(source[i].id, source.video(i), start, end)

  def annotation(
    self, source: examples.Source, i: int, item: Item
  ) -> Mapping[str, Any]:
    """Returns example `i` as a record's fields, times on the cut's clock."""
    return kinds.load(source.info.kind).row(source[i], item.start)


@functools.lru_cache(maxsize=8)
def _open(dataset, raw, split, source):
  return raw_source.open(dataset, raw, split, **dict(source))
