"""What is surveyed: the clips of a task, and the recipe that is to see them."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vidpetl.data import clip_spec, examples, kinds, samplers
from vidpetl.data.names import shown
from vidpetl.data.survey import record as record_lib

TRAIN, VAL = 'train', 'val'

# Samplers whose frames are `stride` apart; those of others lie as they fall.
_STRIDING = ('stride', 'around')


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What of a task's config decides whether data suit it.

  Attributes:
    frames: of a clip.
    stride: between them, in frames of `fps`; 1 where they lie as they fall.
    fps: in which strides count; None is each file's own.
    resolution: side of the square that the model sees.
    source_side: shorter side of a video that is enlarged in no case.
    views: clips spread over a video in an evaluation.
    flip: whether clips are mirrored in training.
    max_boxes: of a training clip; None without boxes.
    scores: lowest and highest score that a head can say; None if any.
    judges: whether these are scores of single judges.
    max_undecodable: share of clips that may be unreadable before a run stops.
  """

  frames: int
  stride: float
  fps: float | None
  resolution: int
  source_side: int
  views: int
  flip: bool
  max_boxes: int | None
  scores: tuple[float, float] | None
  judges: bool
  max_undecodable: float

  def seconds(self, fps: float) -> float:
    """Returns how long a clip of a file with this rate lasts."""
    return self.frames * self.stride / (self.fps or fps)


def recipe_of(config: Mapping[str, Any], name: str, kind: str) -> Recipe:
  """Returns the recipe of `config.tasks.<name>`; the config may be incomplete.

  Args:
    config: of a run.
    name: of the task.
    kind: of its data's annotations.

  Raises:
    ValueError: for options of clips that do not go together.
  """
  task = config['tasks'][name]
  options = dict(task.get('clip', {}))
  sampling = options.get('sampling')
  if sampling and samplers.load(sampling).pretext:
    kind = 'unlabelled'
  owner = f'config.tasks.{name}.clip'
  cut = clip_spec.ClipSpec.of(options | {'train': True}, kind, owner)
  views = task.get('eval_clip', {}).get('views', cut.views)
  low, high = task.get('low'), task.get('high')
  return Recipe(
    frames=cut.frames,
    stride=cut.stride if cut.sampling in _STRIDING else 1.0,
    fps=cut.fps,
    resolution=cut.resolution,
    source_side=cut.framing.source_side,
    views=views[0],
    flip=task.get('augment', {}).get('flip', True),
    max_boxes=getattr(cut.kind, 'max_boxes', None),
    scores=None if low is None or high is None else (low, high),
    judges=bool(task.get('judges')),
    max_undecodable=config['input']['max_undecodable'],
  )


def lacking(
  config: Mapping[str, Any], name: str, parts: Mapping[str, Part]
) -> dict[str, str]:
  """Returns why nothing can be learned of a split, or measured on it.

  Args:
    config: of a run; it may be incomplete.
    name: of the task.
    parts: its splits.
  """
  task = config['tasks'][name]
  clip = dict(task.get('clip', {}))
  found = {}
  for role, part in parts.items():
    kind = part.info.kind
    more = dict(task.get('eval_clip', {})) if role == VAL else {}
    sampling = more.get('sampling') or clip.get('sampling')
    if sampling and samplers.load(sampling).pretext:
      kind = 'unlabelled'
    options = clip_spec.fitting(clip, kind, more.get('sampling')) | more
    cut = clip_spec.ClipSpec.of(options, kind)
    if why := cut.kind.lacking(part.source):
      found[role] = why
  return found


@dataclasses.dataclass(frozen=True)
class Part:
  """The clips of one split.

  Attributes:
    source: they come from.
    ids: [n], what reports call them.
    paths: [n] of their files; '' where the source has no files.
    begins: [n] seconds on the file's clock.
    ends: [n], inf for the end of the file.
    moments: [n] that clips are about; nan where they are about all of it.
    classes: [n] tuples of indices.
    records: path -> what is known of a file; not all of them, perhaps.
  """

  source: examples.Source
  ids: list[str]
  paths: list[str]
  begins: np.ndarray
  ends: np.ndarray
  moments: np.ndarray
  classes: list[tuple[int, ...]]
  records: Mapping[str, record_lib.Record] = dataclasses.field(
    default_factory=dict
  )

  @property
  def info(self) -> examples.Info:
    return self.source.info

  def __len__(self) -> int:
    return len(self.ids)

  @functools.cached_property
  def counts(self) -> np.ndarray:
    """How often each class is shown, int [c]."""
    flat = [c for found in self.classes for c in found]
    size = max([self.info.num_classes, *(c + 1 for c in self.info.classes)])
    return np.bincount(np.array(flat, np.int64), minlength=size)

  def known(self) -> Iterator[tuple[int, record_lib.Record]]:
    """Yields (clip, record) of clips whose file was read."""
    for i, path in enumerate(self.paths):
      if path in self.records:
        yield i, self.records[path]

  def files(self) -> dict[str, record_lib.Record]:
    """Returns the files that were read, each once, in the clips' order."""
    return {self.paths[i]: record for i, record in self.known()}

  def moment(self, i: int) -> float:
    """Returns the first second that must be there for a clip to be shown."""
    moment = float(self.moments[i])
    return float(self.begins[i]) if np.isnan(moment) else moment

  def end(self, i: int) -> float:
    """Returns when a clip ends: inf where its file was not read."""
    record = self.records.get(self.paths[i])
    known = record.duration if record and record.readable else np.inf
    return min(float(self.ends[i]), known)


def part_of(source: examples.Source) -> Part:
  """Returns the clips of a source, without looking at a file."""
  kind = kinds.load(source.info.kind)
  begins, ends, moments = kind.extents(source)
  rows, shown = source.shown()
  edges = np.searchsorted(rows, np.arange(len(source) + 1)).tolist()
  classes = shown.tolist()
  return Part(
    source,
    list(source.ids),
    _paths(source),
    begins,
    ends,
    moments,
    [tuple(classes[a:b]) for a, b in itertools.pairwise(edges)],
  )


def _paths(source: examples.Source) -> list[str]:
  """Returns the files of all examples; '' of those that are in records."""
  if not len(source) or not isinstance(source.video(0), str):
    return [''] * len(source)
  return [source.video(i) for i in range(len(source))]


@dataclasses.dataclass(frozen=True)
class Subject:
  """The data of a task.

  Attributes:
    name: of the task.
    parts: 'train', and 'val' where there is an evaluation.
    recipe: None if nobody says what is to see them.
    unlisted: clips of a table that are in neither split.
    lacking: split -> why it is of no use; see `lacking`.
  """

  name: str
  parts: Mapping[str, Part]
  recipe: Recipe | None
  unlisted: tuple[str, ...] = ()
  lacking: Mapping[str, str] = dataclasses.field(default_factory=dict)

  @property
  def kind(self) -> str:
    return self.parts[TRAIN].info.kind

  @property
  def classes(self) -> Mapping[int, str]:
    return self.parts[TRAIN].info.classes

  def class_name(self, index: int) -> str:
    return shown(self.classes.get(index, f'class {index}'))

  def paths(self) -> list[str]:
    """Returns all files, each once."""
    found = (path for part in self.parts.values() for path in part.paths)
    return list(dict.fromkeys(filter(None, found)))

  def with_records(self, records: Mapping[str, record_lib.Record]) -> Subject:
    """Returns the same, with what is known of its files."""
    parts = {
      name: dataclasses.replace(part, records=records)
      for name, part in self.parts.items()
    }
    return dataclasses.replace(self, parts=parts)
