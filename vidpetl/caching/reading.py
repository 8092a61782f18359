"""Batches of kept features, in place of those of `data.pipeline`.

Which example is where follows from `data.index`, as it does there: a batch has
the same rows, with features in place of the video. Epoch e of a training stream
shows view e modulo their number.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vidpetl.caching import key, plan, shards
from vidpetl.data import clip_spec, examples, index, pipeline
from vidpetl.experiment import experiment as experiment_lib

Batch = dict[str, np.ndarray]


class Clips:
  """The clips of a source, in a folder of a cache.

  Attributes:
    views: that each example has.
  """

  def __init__(
    self, folder: shards.Folder, entries: key.Entries, part: plan.Part
  ):
    """Looks up where they are.

    Args:
      folder: that has them.
      entries: of the source.
      part: of the plan.
    """
    self._folder, self._part = folder, part
    self._rows = folder.find(entries.names)  # [views, n]
    self.views = part.views

  def read(
    self, numbers: np.ndarray, views: np.ndarray, seeds: np.ndarray
  ) -> Batch:
    """Returns clips [b, ...].

    Args:
      numbers: int [b], of the examples; -1 for none.
      views: int [b], which showing of each.
      seeds: uint32 [b, 2], that a batch is given.
    """
    rows = np.where(numbers >= 0, self._rows[views, numbers], -1)
    valid = rows >= 0
    found = self._folder.read(rows[valid])
    batch = {
      name: np.zeros((len(rows), *shape), kind)
      for name, (shape, kind) in self._part.layout.items()
    }
    for name, array in found.items():
      batch[name][valid] = array
    seeds = np.where(numbers[:, None] >= 0, seeds, 0).astype(np.uint32)
    anew = {'index': numbers.astype(np.int32), 'seed': seeds, 'valid': valid}
    return batch | anew


class Cache:
  """A cache that is filled, as batches.

  Attributes:
    parts: of the plan, by task and whether in training.
  """

  def __init__(self, parts: Mapping[tuple[str, bool], plan.Part]):
    """Knows nothing of clips before `put`."""
    self.parts = parts
    self._clips: dict[int, Clips] = {}
    self._kept: list[examples.Source] = []  # So that no other has its number.

  @property
  def filled(self) -> bool:
    """Whether it knows of clips."""
    return bool(self._clips)

  def put(self, source: examples.Source, clips: Clips) -> None:
    """Takes the clips of a source."""
    self._clips[id(source)] = clips
    self._kept.append(source)

  def train_batches(
    self,
    source: examples.Source,
    spec: clip_spec.ClipSpec,
    *,
    name: str,
    batch_size: int,
    seed: int,
    start: int = 0,
    **how: Any,
  ) -> Iterator[Batch]:
    """Yields batches without end; see `pipeline.train_batches`."""
    clips, n = self._clips[id(source)], len(source)
    first, rows = pipeline.Reading(**how).rows(batch_size)
    for batch in itertools.count(start):
      places = batch * batch_size + first + np.arange(rows)
      seeds = [index.example_seed(seed, name, place) for place in places]
      yield clips.read(
        index.examples(seed, name, places, n),
        places // n % clips.views,
        np.stack(seeds),
      )

  def eval_batches(
    self,
    source: examples.Source,
    spec: clip_spec.ClipSpec,
    *,
    batch_size: int,
    **how: Any,
  ) -> Iterator[Batch]:
    """Yields every example once; see `pipeline.eval_batches`."""
    clips, n = self._clips[id(source)], len(source)
    first, rows = pipeline.Reading(**how).rows(batch_size)
    for begin in range(first, -(-n // batch_size) * batch_size, batch_size):
      places = begin + np.arange(rows)
      seeds = [index.example_seed(0, source.info.name, i) for i in places]
      numbers = np.where(places < n, places, -1)
      yield clips.read(numbers, np.zeros(rows, int), np.stack(seeds))


def of(
  config: Any,
  experiment: experiment_lib.Experiment,
  infos: Mapping[str, examples.Info],
) -> Cache | None:
  """Returns the cache of a run, None if `config.cache` is none.

  Args:
    config: of the run.
    experiment: model and tasks.
    infos: of the training data.

  Raises:
    ValueError: naming the field for which kept features would be wrong ones.
  """
  if not config.cache.path:
    return None
  return Cache(plan.plan(config, experiment, infos))
