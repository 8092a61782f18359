"""What is made of each annotated video, before any of it is."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etils import epath

from vidpetl import options as options_lib
from vidpetl.data import dataset as dataset_lib
from vidpetl.data import datasets, examples, kinds, sources, transcode

_SHORT_SIDE = 256
_NAME = re.compile('[a-z][a-z0-9_]*')


@dataclasses.dataclass(frozen=True)
class Item:
  """A piece of a file.

  Attributes:
    id: of the example.
    path: of the file, or of the folder of frames.
    start: seconds on its clock.
    end: seconds; None is the end of the file.
    fps: of a folder of frames, None for files.
  """

  id: str
  path: str
  start: float
  end: float | None
  fps: float | None = None


@dataclasses.dataclass(frozen=True)
class Recipe:
  """All that decides what the records of a dataset hold.

  Attributes:
    name: of the records, by which they are opened.
    source: fields of `sources.open_source` but for the split, in pairs;
      '{split}' in a text stands for its name.
    options: how videos are encoded.
    window: seconds kept before and after a keyframe; None for clips.
    splits: which.
  """

  name: str
  source: tuple[tuple[str, Any], ...]
  options: transcode.Options
  window: float | None = None
  splits: tuple[str, ...] = ('train', 'val')

  def __post_init__(self):
    if not _NAME.fullmatch(self.name):
      raise ValueError(
        f'name={self.name!r} of the records: small letters, digits and _'
      )
    if (self.window is None) != (self.rows.window is None):
      raise ValueError(f'window={self.window}, but {self.name} is {self.kind}')
    if self.window is not None and self.window <= 0:
      raise ValueError(f'window={self.window} is not above 0')
    if self.window is not None and self.options.copy:
      raise ValueError('copy=True, but keyframes are cut out of their films')
    if len(set(self.splits)) < len(self.splits) or not self.splits:
      raise ValueError(f'splits={self.splits}: each once, at least one')
    if 'all' in self.splits:
      raise ValueError(
        "splits: TFDS keeps the name 'all' for itself; a csv tells splits "
        "apart by a column 'split'"
      )

  @property
  def dataset(self) -> dataset_lib.Dataset | None:
    """The public dataset; None if it is one's own."""
    return dataset_of(dict(self.source))

  @property
  def kind(self) -> str:
    """The kind of the annotations."""
    source = dict(self.source)
    return self.dataset.kind if self.dataset else sources.kind(source)

  @property
  def rows(self) -> kinds.Kind:
    """How the annotations are kept."""
    return kinds.load(self.kind)

  def settings(self) -> dict[str, Any]:
    """Returns the recipe in json's types; where a raw folder lies is no part.

    As they stand in records: of a public dataset by its own name, 'source' has
    just the options.
    """
    source = dict(self.source)
    source.pop('raw', None)
    if self.dataset:
      source.pop('source')
      if source['dataset'] == self.name:
        source.pop('dataset')
    return {
      'dataset': self.name,
      'options': dataclasses.asdict(self.options),
      'window': self.window,
      'splits': list(self.splits),
      'source': source,
    }

  def open(self, split: str) -> examples.Source:
    """Opens a split of the source."""
    return _open(self.source, split)

  def open_all(self) -> dict[str, examples.Source]:
    """Opens all splits.

    Raises:
      ValueError: if two splits are the same, which would be tested on what was
        learned.
    """
    opened = {split: self.open(split) for split in self.splits}
    seen: dict[str, str] = {}
    for split, source in opened.items():
      first = seen.setdefault(source.info.fingerprint, split)
      if first != split:
        raise ValueError(
          f'{self.name}: the splits {first!r} and {split!r} hold the same '
          "examples; where each is a file of its own, write '{split}' in the "
          'name, or prepare one of them by `splits`'
        )
    return opened

  def item(self, source: examples.Source, i: int) -> Item:
    """Returns what to cut for example `i`."""
    example, path = source[i], source.video(i)
    start, end = self.rows.cut(example, self.window)
    fps = source.info.fps if epath.Path(path).is_dir() else None
    return Item(example.id, path, start, end, fps)

  def annotation(
    self, source: examples.Source, i: int, item: Item
  ) -> Mapping[str, Any]:
    """Returns example `i` as a record's fields, times on the cut's clock."""
    return self.rows.row(source[i], item.start)


@functools.lru_cache(maxsize=8)
def _open(source, split):
  fields = {
    name: value.replace('{split}', split) if isinstance(value, str) else value
    for name, value in source
  }
  return sources.open_source({**fields, 'split': split})


def make(
  source: Mapping[str, Any],
  *,
  name: str = '',
  splits: Sequence[str] = (),
  window: float | None = None,
  least: int = 0,
  **encoding: Any,
) -> Recipe:
  """Returns a recipe with the defaults of the source's kind.

  Keyframes keep their size, as people may be small in them, and 2.4 s on each
  side. Other videos get a shorter side of 256 pixels, or of `least`.

  Args:
    source: fields of `sources.open_source` but for the split, for which
      '{split}' stands in texts.
    name: of the records; a public dataset has one of its own.
    splits: which; those of the dataset, or 'train' and 'val'.
    window: seconds kept before and after a keyframe.
    least: pixels that the shorter side must keep, where it is not said.
    **encoding: of `transcode.Options`.

  Raises:
    ValueError: naming options that the source does not have or lacks, and
      those it has.
  """
  source = dict(source)
  dataset = dataset_of(source)
  kind = dataset.kind if dataset else sources.kind(source)
  if 'split' in source:
    raise ValueError('records hold several splits: give `splits`, not `split`')
  check(source)
  if not dataset and not name:
    raise ValueError(f'source {source["source"]!r} needs a name of its records')
  if not dataset and 'name' in options_lib.fields(opener(source)):
    source['name'] = name
  default = kinds.load(kind).window
  side = max(_SHORT_SIDE, least) if default is None else None
  encoding = {'short_side': side} | encoding
  return Recipe(
    name=name or _name(dataset, source),
    source=tuple(source.items()),
    options=transcode.Options(**encoding),
    window=default if window is None else window,
    splits=tuple(splits) or (dataset.splits if dataset else ('train', 'val')),
  )


def dataset_of(source: Mapping[str, Any]) -> dataset_lib.Dataset | None:
  """Returns the public dataset that a source opens, None if it is one's own."""
  if source['source'] != 'raw':
    return None
  return datasets.find(source['dataset'])


def opener(source: Mapping[str, Any]) -> Callable[..., examples.Source]:
  """Returns the function that the fields of a source are arguments of."""
  dataset = dataset_of(source)
  if dataset is None:
    return sources.opener(source['source'])
  if dataset.open is None:
    raise ValueError(f'{dataset.name} is prepared by TFDS itself')
  return dataset.open


def check(source: Mapping[str, Any]) -> None:
  """Raises ValueError for fields that a source does not have, or lacks."""
  arguments = {**source, 'split': ''}
  del arguments['source']
  dataset = dataset_of(source)
  what = (
    f'dataset {dataset.name!r}' if dataset else f'source {source["source"]!r}'
  )
  options_lib.check(opener(source), arguments, what)


def _name(dataset: dataset_lib.Dataset, source: Mapping[str, Any]) -> str:
  """Returns 'jigsaws_suturing_1': the dataset and what makes it another."""
  values = (source[option] for option in dataset.variants)
  return '_'.join(map(str, (source['dataset'], *values)))
