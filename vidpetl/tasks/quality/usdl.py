"""USDL and MUSDL: the distribution of a score (Tang et al. 2020).

                   bins  low  high   std  judges  keep  difficulty
MTL-AQA   USDL      101    0  104.5    5       0     0  False
MTL-AQA   MUSDL      21    0   10      5       7     3  True
JIGSAWS   USDL       25    6   30      1       0     0  False
JIGSAWS   MUSDL       5    1    5      1       6     0  False
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np

from vidpetl import ranges
from vidpetl.data import examples
from vidpetl.tasks import heads
from vidpetl.tasks.quality import base, mlp, scores

KIND = 'quality'
DECODES = ('argmax', 'expectation')


@dataclasses.dataclass(frozen=True)
class Usdl(base.Quality):
  """A softmax over bins of the score, against a Gaussian around the label.

  With bin i at low + i (high - low) / (bins - 1), and the label at bin m,

      t_i ∝ exp(-(i - m)^2 / (2 std^2)),   p = softmax(mlp(mean of segments))
      L = sum over judges of mean over bins of t_i (log t_i - log p_i)

  USDL predicts the final score. MUSDL has a network for each judge, and the
  final score is the sum over the judges in the middle, times the difficulty. A
  judge whose score is missing, nan, teaches its network nothing.

  Attributes:
    low: score of the first bin; judges' scores if there are judges.
    high: score of the last.
    bins: of the distribution.
    std: of the Gaussian, in bins.
    judges: number of networks, one for each score of a judge; 0 for one network
      of the final score.
    keep: judges that count, the middle ones of the predicted scores in order; 0
      for all.
    difficulty: whether the judges' sum is multiplied by the difficulty.
    filled: share of the bins that the training labels must reach over, so that
      one's own scores are not put into the bins of a published dataset; 0 for
      any.
    decode: of a distribution: 'argmax' (as published) or 'expectation'.
    hidden: widths of the networks' hidden layers.
  """

  low: float = 0.0
  high: float = 104.5
  bins: Annotated[int, ranges.Between(2)] = 101
  std: ranges.Positive = 5.0
  judges: ranges.Natural = 0
  keep: ranges.Natural = 0
  difficulty: bool = False
  filled: ranges.Share = 0.25
  decode: Annotated[str, ranges.OneOf(DECODES)] = 'argmax'
  hidden: tuple[ranges.Count, ...] = (256, 128)

  def __post_init__(self):
    super().__post_init__()
    self._check_fields()
    if self.table:
      self._check_labels()

  @property
  def needs(self) -> dict[str, str]:
    return {'difficulty': 'difficulty=True'} if self.difficulty else {}

  def head(self) -> DistributionHead:
    return DistributionHead(
      self.bins, self.judges, tuple(self.hidden), probe=self.probe
    )

  def read(self, head, features, inputs, train):
    """Returns logits [b, max(judges, 1), bins]."""
    del inputs
    return head(head.summary(features, train))

  def digest(self, head, features, inputs):
    return heads.digest(self.probe, features)

  def digest_options(self):
    return {'starts': self.starts, 'length': self.length}

  def loss(self, logits, batch):
    """Divided by the number of examples, nn.KLDivLoss's mean over the batch."""
    valid, labels = batch['valid'], self._labels(batch)
    # What could not be decoded may have labels that are no numbers, and judges
    # are absent.
    known = valid[:, None] & ~jnp.isnan(labels)
    target = self.distribution(jnp.where(known, labels, self.low))
    log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
    # xlogy: far from the label t underflows to 0, where t log t is 0, not nan.
    kl = jax.scipy.special.xlogy(target, target) - target * log_p
    losses = jnp.where(known, kl.mean(-1), 0.0)
    return losses.sum(), valid.sum() * 1.0, {}

  def outputs(self, logits, batch):
    """Returns final scores, predicted and true, [b] each.

    If there are judges, theirs too, [b, judges]: 'judges' and 'judge_scores'.
    """
    values = self.decoded(logits)
    if not self.judges:
      return {'predicted': values[:, 0], 'score': batch['score']}
    of_judges = {'judges': values, 'judge_scores': batch['judge_scores']}
    values = jnp.sort(values, axis=-1)
    if self.keep:
      left_out = (self.judges - self.keep) // 2
      values = values[:, left_out : left_out + self.keep]
    total = values.sum(-1)
    if self.difficulty:
      total *= batch['difficulty']
    return {'predicted': total, 'score': batch['score'], **of_judges}

  def metric(self, source: examples.Source) -> scores.Scores:
    if self.difficulty:
      base.require_difficulties(source.info, self.where('difficulty=True'))
    return scores.Scores(source)

  def protocol(self) -> dict[str, Any]:
    fields = ('low', 'high', 'bins', 'judges', 'keep', 'difficulty', 'decode')
    return super().protocol() | {k: getattr(self, k) for k in fields}

  def distribution(self, values: jax.Array) -> jax.Array:
    """Returns Gaussians around scores: [...] -> [..., bins], sum 1."""
    place = (values - self.low) / self._step
    away = (jnp.arange(self.bins) - place[..., None]) / self.std
    return jax.nn.softmax(-0.5 * away**2)

  def decoded(self, logits: jax.Array) -> jax.Array:
    """Returns scores: [..., bins] -> [...]."""
    if self.decode == 'argmax':
      place = jnp.argmax(logits, axis=-1)
    else:
      p = jax.nn.softmax(logits.astype(jnp.float32))
      place = p @ jnp.arange(self.bins, dtype=jnp.float32)
    return self.low + place * self._step

  @property
  def _step(self) -> float:
    return (self.high - self.low) / (self.bins - 1)

  def _labels(self, batch) -> jax.Array:
    return batch['judge_scores'] if self.judges else batch['score'][:, None]

  def _check_fields(self) -> None:
    if self.high <= self.low:
      raise ValueError(
        f'{self.where("high")} is {self.high}, and low {self.low}: scores '
        'must be between them.'
      )
    if not self.judges and (self.keep or self.difficulty):
      raise ValueError(
        f'{self.where("judges")} is 0: the final score is predicted, which is '
        'no sum over judges; leave out keep and difficulty, or set judges.'
      )
    if self.keep and (
      not 0 < self.keep <= self.judges or (self.judges - self.keep) % 2
    ):
      raise ValueError(
        f'{self.where("keep")} is {self.keep}: of {self.judges} judges as many '
        'must be left out above as below.'
      )
    if exemplar := self.train_clip.kind.exemplar:
      raise ValueError(
        f'{self.where("clip.exemplar")} is {exemplar!r}, but '
        'this task looks at one video at a time; leave it out.'
      )

  def _check_labels(self) -> None:
    """Raises ValueError for labels that the bins cannot express."""
    field = 'judge_scores' if self.judges else 'scores'
    labels = np.asarray(self.table[field], float).reshape(
      len(self.table['scores']), -1
    )
    if labels.shape[1] != max(self.judges, 1):
      raise ValueError(
        f'{self.where("judges")} is {self.judges}, but examples of '
        f'{self.info.name} have {labels.shape[1]} judge scores; set it to '
        'their number, or to 0 to predict the final score.'
      )
    if self.difficulty:
      base.require_difficulties(self.info, self.where('difficulty=True'))
    self._check_range(labels, field)

  def _check_range(self, labels: np.ndarray, field: str) -> None:
    """Raises ValueError unless labels [n, judges] go with the bins."""
    unknown = np.isnan(labels).all(0)
    if unknown.any():
      raise ValueError(
        f'{field}[{int(np.argmax(unknown))}] is unknown of every example of '
        f'{self.info.name}; leave that judge out.'
      )
    outside = np.argwhere((labels < self.low) | (labels > self.high))
    if outside.size:
      i, j = outside[0]
      raise ValueError(
        f'{self.where("low")} and high are {self.low:g} and {self.high:g}, but '
        f'{field}{f"[{j}]" if self.judges else ""} of '
        f'{base.example(self.info, i)} is {labels[i, j]:g}.'
      )
    least, most = np.nanmin(labels), np.nanmax(labels)
    share = (most - least) / (self.high - self.low)
    if share < self.filled:
      raise ValueError(
        f'{self.where("low")} and high are {self.low:g} and {self.high:g}, but '
        f'{field} of {self.info.name} are {least:g} to {most:g}: '
        f'{self.bins * share:.1f} of {self.bins} bins. Set low and high to '
        'about their range, or filled=0 if further scores are to come.'
      )


build = Usdl


class DistributionHead(heads.Reader):
  """A network for each judge, or one, on the mean of the segments.

  Attributes:
    bins: outputs of each.
    judges: how many; 0 for one that is of no judge.
    hidden: widths of their hidden layers.
  """

  bins: int
  judges: int
  hidden: tuple[int, ...]

  @nn.compact
  def __call__(self, summary: jax.Array) -> jax.Array:
    """Maps [b, s, d] to float32 logits [b, max(judges, 1), bins]."""
    x = summary.astype(jnp.float32).mean(-2)
    names = [f'judge{j + 1}' for j in range(self.judges)] or ['score']
    widths = (*self.hidden, self.bins)
    return jnp.stack([mlp.Mlp(widths, name=n)(x) for n in names], axis=-2)
