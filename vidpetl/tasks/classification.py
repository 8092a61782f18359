"""Classification: one label per clip, one linear head per dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl import options
from vidpetl.data import examples, mixing
from vidpetl.metrics import accuracy
from vidpetl.tasks import linear
from vidpetl.tasks import task as task_lib

KIND = 'classification'


@dataclasses.dataclass(frozen=True)
class Classification(linear.OfSummary):
  """Softmax cross-entropy on the clip's summary.

  y = W z_v with z_v the backbone's clip representation (Arnab et al. 2022,
  sec. 3.1); the target is y (1 - a) + a / c for label smoothing a. Of
  clips that were mixed, it is the mixture of both.

  Attributes:
    label_smoothing: a.
    average: what is averaged over the views of a test: 'softmax' or 'logits'.
  """

  MIXES = True

  label_smoothing: float = 0.0
  average: str = 'softmax'

  def __post_init__(self):
    super().__post_init__()
    where = f'config.tasks.{self.name}'
    options.one_of(where, 'average', self.average, accuracy.AVERAGES)

  def loss(self, logits, batch):
    """Logits [b, c] against labels [b]; see `Base.loss`."""
    target = jax.nn.one_hot(batch['label'], self.num_classes)
    target = optax.smooth_labels(target, self.label_smoothing)
    target = mixing.targets(target, batch)
    valid = batch['valid'].astype(jnp.float32)
    losses = optax.softmax_cross_entropy(logits.astype(jnp.float32), target)
    # Of mixed clips, the label of the larger share.
    right = (jnp.argmax(logits, -1) == jnp.argmax(target, -1)) * valid
    return (losses * valid).sum(), valid.sum(), {'accuracy': right.sum()}

  def outputs(self, logits, batch):
    """logits [b, c], or [b, views, c], which are averaged."""
    if logits.ndim == 2:
      logits = logits[:, None]
    return {
      'scores': accuracy.average_views(logits, self.average),
      'label': batch['label'],
    }

  def metric(self, source: examples.Source) -> Accuracy:
    del source
    return Accuracy(ks=(1, min(5, self.num_classes)))

  def protocol(self) -> dict[str, Any]:
    return {
      **task_lib.clip_protocol(self.eval_clip),
      'average': self.average,
    }


build = Classification


class Accuracy:
  """Top-1 and top-5 accuracy."""

  def __init__(self, ks: tuple[int, ...]):
    self._ks = ks
    self._scores, self._labels = [], []

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    self._scores.append(rows['scores'])
    self._labels.append(rows['label'])

  def result(self) -> dict[str, float]:
    if not self._labels:
      return {f'top{k}': float('nan') for k in self._ks}
    labels = np.concatenate(self._labels)
    counts = accuracy.TopK.of(
      np.concatenate(self._scores),
      labels,
      np.ones(labels.shape, bool),
      self._ks,
    )
    return counts.compute()

  def pictures(self) -> dict[str, np.ndarray]:
    return {}

  def report(self) -> str:
    return '  '.join(f'{k} {100 * v:.2f}' for k, v in self.result().items())
