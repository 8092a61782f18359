"""Multi-label classification: any number of labels per clip."""

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
from vidpetl.metrics import average_precision
from vidpetl.tasks import heads
from vidpetl.tasks import task as task_lib

KIND = 'multilabel'


@dataclasses.dataclass(frozen=True)
class MultiLabel(task_lib.Task):
  """Sigmoid cross-entropy on the clip's summary, summed over classes.

  y = sigmoid(W z_v), with z_v the backbone's clip representation; the mean of
  y over the views of a test. Clips that were mixed have the mixture of their
  labels.

  Attributes:
    init_bias: initial bias of the head.
    initial: where the head's weights start, a key of `heads.INITIALS`.
  """

  MIXES = True

  init_bias: float = 0.0
  initial: str = 'zeros'

  def __post_init__(self):
    where = f'config.tasks.{self.name}'
    options.one_of(where, 'initial', self.initial, heads.INITIALS)

  def head(self) -> heads.ClassificationHead:
    return heads.ClassificationHead(
      self.num_classes, self.init_bias, self.initial
    )

  def read(self, head, features, inputs, train):
    del inputs, train
    return head(features)

  def loss(self, logits, batch):
    """Logits and `batch['labels']` are `[b, c]`; see `Base.loss`."""
    losses = optax.sigmoid_binary_cross_entropy(
      logits.astype(jnp.float32), mixing.targets(batch['labels'], batch)
    ).sum(-1)
    valid = batch['valid'].astype(jnp.float32)
    return (losses * valid).sum(), valid.sum(), {}

  def outputs(self, logits, batch):
    """logits [b, c], or [b, views, c]."""
    if logits.ndim == 2:
      logits = logits[:, None]
    scores = jax.nn.sigmoid(logits.astype(jnp.float32)).mean(1)
    return {'scores': scores, 'labels': batch['labels']}

  def metric(self, source: examples.Source) -> ClipMap:
    return ClipMap(source.info.classes)

  def protocol(self) -> dict[str, Any]:
    return {**super().protocol(), 'average': 'sigmoid'}


build = MultiLabel


class ClipMap:
  """Average precision of each class over clips, and the mean.

  Classes that no clip shows are left out of the mean.
  """

  def __init__(self, classes: Mapping[int, str]):
    self._classes = classes
    self._scores, self._labels = [], []

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    self._scores.append(rows['scores'])
    self._labels.append(rows['labels'])

  def by_class(self) -> dict[int, float]:
    """Returns each class's average precision; nan where no clip shows it."""
    if not self._labels:
      return {}
    columns = (np.concatenate(x).T for x in (self._scores, self._labels))
    pairs = enumerate(zip(*columns))
    return {i: average_precision.average_precision(*pair) for i, pair in pairs}

  def result(self) -> dict[str, float]:
    found = np.array([*self.by_class().values()])
    known = found[~np.isnan(found)]
    return {'mAP': float(known.mean()) if known.size else float('nan')}

  def pictures(self) -> dict[str, np.ndarray]:
    return {}

  def report(self) -> str:
    lines = [f'mAP {100 * self.result()["mAP"]:.2f}']
    for i, value in self.by_class().items():
      lines.append(
        f'  {self._classes.get(i, f"class {i}"):<40}{100 * value:6.2f}'
      )
    return '\n'.join(lines)
