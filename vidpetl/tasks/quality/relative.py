"""What tasks share that score a performance relative to another one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from vidpetl import mistakes, ranges
from vidpetl.data import examples
from vidpetl.data.sources import gallery
from vidpetl.tasks.quality import base, scores


@dataclasses.dataclass(frozen=True)
class Relative(base.Quality):
  """A query is compared with an exemplar, whose score is known.

  In training a clip holds both, [b, 2, ...], and each is the other's exemplar.
  A training example that is like no other is its own exemplar.
  In evaluation every video is encoded once, and each query is compared with
  `voters` exemplars of the training data; its score is their mean.
  `clip.exemplar` says what two performances must have in common.

  Attributes:
    voters: exemplars of a query; fewer where there are no more of its kind.
    voter_seed: of their draw.
  """

  voters: ranges.Count = 10
  voter_seed: ranges.Natural = 0

  def __post_init__(self):
    super().__post_init__()
    if not self.exemplar:
      raise ValueError(
        f"{self.where('clip.exemplar')} is '': say what a query and its "
        "exemplar have in common, 'any' (nothing), 'difficulty' or 'action'."
      )
    if self.table:
      self._check_partners()

  @property
  def exemplar(self) -> str:
    """What a query and its exemplars have in common."""
    return self.train_clip.kind.exemplar

  @property
  def needs(self) -> dict[str, str]:
    by = self.exemplar
    return {} if by == 'any' else {by: f'clip.exemplar={by!r}'}

  def kinds(self) -> np.ndarray:
    """Returns what two training examples have in common if equal, [n]."""
    by = self.exemplar
    if by == 'any':
      return np.zeros(len(self.table['scores']))
    if by == 'difficulty':
      return np.asarray(self.table['difficulties'], float)
    return np.asarray(self.table['actions'], str)

  def evaluation_source(self, test, train):
    """Returns `test`, with the exemplars that it needs of `train`."""
    return gallery.Gallery(
      test, train, self.exemplar, self.voters, self.voter_seed
    )

  def metric(self, source: examples.Source) -> scores.RelativeScores:
    return scores.RelativeScores(source)

  def protocol(self) -> dict[str, Any]:
    return super().protocol() | {
      'exemplar': self.exemplar,
      'voters': self.voters,
      'voter_seed': self.voter_seed,
    }

  def _check_partners(self) -> None:
    """Names the training examples that are compared with themselves.

    Raises:
      ValueError: if it is not known what an example has in common with others,
        or if no two have anything in common.
    """
    by, kinds = self.exemplar, self.kinds()
    field = f'{self.where("clip.exemplar")}={by!r}'
    if by == 'difficulty':
      base.require_difficulties(self.info, field)
    if (kinds == '').any():
      unknown = base.example(self.info, np.flatnonzero(kinds == '')[0])
      raise ValueError(f'{field}, but the action of {unknown} is not known.')
    _, first, count = np.unique(kinds, return_index=True, return_counts=True)
    if (count == 1).all():
      raise ValueError(
        f'{field}, but no two examples of {self.info.name}/{self.info.split} '
        "have that in common; use 'any', for which there must be two."
      )
    alone = np.sort(first[count == 1])
    if alone.size:
      named = [f'{base.example(self.info, i)} ({kinds[i]})' for i in alone]
      mistakes.note(
        f'{field}: {alone.size} of {len(kinds)} training examples have one of '
        f'their own and are compared with themselves: {", ".join(named)}.'
      )
