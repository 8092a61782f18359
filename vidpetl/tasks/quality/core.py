"""CoRe: contrastive regression of scores in groups (Yu et al. 2021)."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import ranges
from vidpetl.tasks import heads
from vidpetl.tasks.quality import base, core_groups, core_tree, relative

KIND = 'quality'


@dataclasses.dataclass(frozen=True)
class Core(relative.Relative):
  """A tree regresses the difference between a query's label and an exemplar's.

  With f the mean of a video's segments, y its label, and d = y_q - y_e,

      log p, x = tree([f_e, f_q, y_e / score_range])
      L = -log p_g + sum over leaves of the mean of (x_leaf - place_leaf(d))^2

  with g the leaf of d, and each leaf's mean over those of the batch that
  belong to it; and the same with q and e exchanged. A prediction is
  (l + (r - l) x_leaf + y_e) of the most probable leaf [l, r].

  Attributes:
    starts: of the segments, as CoRe has them on MTL-AQA.
    depth: levels of the tree, of 2^(depth - 1) leaves.
    width: features of a node.
    divide_by_difficulty: y is the score over the difficulty, else the score.
    score_range: edge of the outermost leaves, more than any difference.
    edges: of the leaves of positive differences, from 0 to `score_range`; None
      takes them from the training data, such that leaves hold as many pairs;
      where there is none, as in a run's description, they are evenly spaced.
  """

  starts: base.Starts = (*range(0, 81, 10), 86)
  depth: Annotated[int, ranges.Between(2, 20)] = 5
  width: ranges.Count = 256
  divide_by_difficulty: bool = False
  score_range: ranges.Positive = 100.0
  edges: tuple[ranges.Number, ...] | None = None

  def __post_init__(self):
    super().__post_init__()
    half = 2 ** (self.depth - 2)
    edges = tuple(np.linspace(0.0, self.score_range, half + 1).tolist())
    if self.table:
      edges = core_groups.edges(self._differences(), half, self.score_range)
    if self.edges is None:
      object.__setattr__(self, 'edges', edges)
    self._check_edges()

  @property
  def needs(self) -> dict[str, str]:
    if not self.divide_by_difficulty:
      return super().needs
    return {**super().needs, 'difficulty': 'divide_by_difficulty=True'}

  def head(self) -> core_tree.RegressionTree:
    return core_tree.RegressionTree(self.depth, self.width, probe=self.probe)

  def head_inputs(self, clip):
    if not clip.paired:
      return {}
    return dict.fromkeys(('score', 'difficulty'), ((2,), jnp.float32))

  def read(self, head, features, inputs, train):
    """Compares each with the other of its pair, if there are pairs.

    Returns:
      log p and x, [b, 2, leaves] both, of the query relative to its exemplar
      and the other way round; for single videos f [b, d].
    """
    f = head.summary(features, train).astype(jnp.float32).mean(-2)
    if f.ndim == 2:
      return f
    y = self._label(inputs)
    return head(f, f[:, ::-1], y[:, ::-1] / self.score_range)

  def digest(self, head, features, inputs):
    return heads.digest(self.probe, features)

  def digest_options(self):
    return {'starts': self.starts, 'length': self.length}

  def loss(self, outputs, batch):
    """outputs log p, x [b, 2, leaves]; see `Base.loss`.

    The published loss averages squared errors over those of a batch that
    belong to a leaf, whatever their number m of the batch's n. As the step
    divides the sum of losses by n, each of them counts n / m times. Under
    gradient accumulation, a part of the batch is a batch of its own.
    """
    log_p, x = outputs
    valid = batch['valid'][:, None]
    y = jnp.where(valid, self._label(batch), 0.0)
    d = y - y[:, ::-1]
    edges = self.edges
    leaves = jax.nn.one_hot(core_groups.leaf(d, edges), x.shape[-1])
    leaves *= valid[..., None]
    n = valid.sum() * 1.0
    classification = -(leaves * log_p).sum()
    squares = leaves * (x - core_groups.places(d, edges)) ** 2
    members = jnp.maximum(leaves.sum(0), 1.0)  # [2, leaves]
    regression = n * (squares.sum(0) / members).sum()
    return (
      classification + regression,
      n,
      {'classification': classification, 'regression': regression},
    )

  def outputs(self, f, batch):
    """f [b, d]."""
    return {
      'embedding': f,
      'score': batch['score'],
      'difficulty': batch['difficulty'],
    }

  def compare(self, head, pairs):
    """Returns final scores of the queries, [p]."""
    query, exemplar = pairs['query'], pairs['exemplar']
    y = self._label(exemplar)
    log_p, x = head(
      query['embedding'], exemplar['embedding'], y / self.score_range
    )
    predicted = y + self.difference(log_p, x)
    if self.divide_by_difficulty:
      predicted *= query['difficulty']
    return {'predicted': predicted}

  def difference(self, log_p: jax.Array, x: jax.Array) -> jax.Array:
    """Returns l + (r - l) x of the most probable of [..., leaves], [...]."""
    left, right = core_groups.bounds(self.edges)
    values = left + (right - left) * x
    best = jnp.argmax(log_p, -1, keepdims=True)
    return jnp.take_along_axis(values, best, axis=-1)[..., 0]

  def metric(self, source):
    if self.divide_by_difficulty:
      base.require_difficulties(source.info, self._dividing)
    return super().metric(source)

  def resolved(self) -> dict[str, Any]:
    return {'edges': list(self.edges)}

  def protocol(self) -> dict[str, Any]:
    return super().protocol() | {
      'divide_by_difficulty': self.divide_by_difficulty,
      'score_range': self.score_range,
      'edges': list(self.edges),
    }

  @property
  def _dividing(self) -> str:
    return self.where('divide_by_difficulty=True')

  def _label(self, rows) -> jax.Array:
    """Returns y of rows with 'score' and 'difficulty', [...]."""
    if not self.divide_by_difficulty:
      return rows['score']
    # Rows that only pad a batch have no difficulty.
    known = rows['difficulty'] > 0
    return rows['score'] / jnp.where(known, rows['difficulty'], 1.0)

  def _differences(self) -> np.ndarray:
    """Returns those of the training data, [pairs]."""
    y = np.asarray(self.table['scores'], float)
    if self.divide_by_difficulty:
      base.require_difficulties(self.info, self._dividing)
      y = y / self.table['difficulties']
    found = core_groups.differences(y, self.kinds())
    if found.max() >= self.score_range:
      raise ValueError(
        f'{self.where("score_range")} is {self.score_range:g}, but labels of '
        f'{self.info.name}/{self.info.split} differ by up to '
        f'{found.max():g}; it must be more.'
      )
    return found

  def _check_edges(self) -> None:
    wanted = 2 ** (self.depth - 2) + 1
    rising = list(self.edges) == sorted(self.edges)
    ends = (0, self.score_range)
    if (
      len(self.edges) != wanted
      or not rising
      or self.edges[:: wanted - 1] != ends
    ):
      raise ValueError(
        f'{self.where("edges")} is {self.edges}: a tree of depth {self.depth} '
        f'has {wanted}, rising from 0 to score_range={self.score_range:g}.'
      )


build = Core
