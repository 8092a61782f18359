"""Test performances together with those they are compared with."""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl.data import examples, index
from vidpetl.data.kinds import quality

# Ids of training performances, which may also be ids of test performances.
PREFIX = 'exemplar:'


class Gallery:
  """All test examples, then each of their exemplars once.

  An `examples.Source` of which each video is encoded once, whatever the number
  of test examples that vote by it.

  Attributes:
    info: of the test examples; its table is theirs alone.
    queries: number of test examples.
  """

  def __init__(
    self,
    test: examples.Source,
    train: examples.Source,
    by: str,
    voters: int,
    seed: int,
  ):
    """Draws the exemplars.

    Args:
      test: of kind 'quality'.
      train: where exemplars come from.
      by: one of `quality.EXEMPLARS`.
      voters: exemplars of each test example; all there are if they are fewer.
      seed: of the draw.

    Raises:
      ValueError: naming a test example for which there is no exemplar.
    """
    if voters < 1:
      raise ValueError(f'voters={voters}: a test example needs 1 or more')
    self.info = test.info
    self.queries = len(test)
    self._test, self._train = test, train
    drawn = [
      draw(test[i], train.info, by, voters, seed) for i in range(len(test))
    ]
    self._exemplars = np.unique(np.concatenate(drawn))
    self._voters = [
      self.queries + np.searchsorted(self._exemplars, rows) for rows in drawn
    ]

  def __len__(self) -> int:
    return self.queries + len(self._exemplars)

  def __getitem__(self, i: int) -> quality.Performance:
    source, row = self._find(i)
    example = source[row]
    if source is self._test:
      return example
    return dataclasses.replace(example, id=PREFIX + example.id)

  def video(self, i: int) -> str | bytes:
    """Returns the video of example `i`."""
    source, row = self._find(i)
    return source.video(row)

  def voters(self, i: int) -> np.ndarray:
    """Returns the exemplars of test example `i` as indices of this source."""
    return self._voters[i]

  def _find(self, i: int) -> tuple[examples.Source, int]:
    if i < self.queries:
      return self._test, i
    return self._train, int(self._exemplars[i - self.queries])


def draw(
  example: quality.Performance,
  train_info: examples.Info,
  by: str,
  voters: int,
  seed: int,
) -> np.ndarray:
  """Returns training examples, without replacement; see `Gallery`."""
  candidates = quality.comparable(train_info, example, by)
  words = index.words(len(candidates), seed, 'voters', example.id)
  return candidates[np.argsort(words, kind='stable')[:voters]]
