"""Classification: one label per clip, one linear head per dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl import ranges
from vidpetl.data import examples, mixing
from vidpetl.metrics import accuracy, confusion, predictions
from vidpetl.tasks import confusion_matrix, drawing, linear
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

  label_smoothing: ranges.Share = 0.0
  average: Annotated[str, ranges.OneOf(accuracy.AVERAGES)] = 'softmax'

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
      'logits': accuracy.average_views(logits, 'logits'),
      'label': batch['label'],
    }

  def metric(self, source: examples.Source) -> Accuracy:
    return Accuracy((1, min(5, self.num_classes)), source, self.average)

  def protocol(self) -> dict[str, Any]:
    return {
      **task_lib.clip_protocol(self.eval_clip),
      'average': self.average,
    }


build = Classification


class Accuracy:
  """Top-1 and top-5 accuracy."""

  def __init__(
    self, ks: tuple[int, ...], source: examples.Source, average: str
  ):
    """Opens an empty metric.

    Args:
      ks: of top-k.
      source: of the evaluation.
      average: what the scores are averages of, one of `accuracy.AVERAGES`.
    """
    self._ks = ks
    self.names = {f'top{k}': 1 for k in ks}
    self._source = source
    self._average = average
    self._rows = predictions.Rows()

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    """Adds 'scores' and 'logits' [n, c], 'label' and 'index' [n]."""
    self._rows.add(rows)

  def result(self) -> dict[str, float]:
    if not self._rows:
      return dict.fromkeys(self.names, float('nan'))
    labels = self._rows['label']
    counts = accuracy.TopK.of(
      self._rows['scores'], labels, np.ones(labels.shape, bool), self._ks
    )
    return counts.compute()

  def per_class(self) -> list[dict[str, Any]]:
    """Returns recall, which is a class's accuracy, and precision."""
    if not self._rows:
      return []
    names = self._names()
    truth = np.bincount(self._rows['label'], minlength=len(names))
    return confusion.per_class(self._counts(), truth, names)

  def predictions(self) -> predictions.Predictions:
    if not self._rows:
      return predictions.Predictions({'id': ()})
    names, rows = self._names(), self._rows
    ids, labels, scores = rows.ids(self._source), rows['label'], rows['scores']
    shown = scores if self._average == 'softmax' else _softmax(scores)
    return predictions.Predictions(
      {
        'id': ids,
        'truth': [names[i] for i in labels],
        'truth_score': shown[np.arange(len(labels)), labels],
        **predictions.best(scores, shown, names),
      },
      arrays={
        'ids': np.array(ids, str),
        'labels': labels,
        'logits': rows['logits'],
        'scores': scores,
        'classes': np.array(names, str),
      },
    )

  def pictures(self) -> dict[str, np.ndarray]:
    """Returns the confusion matrix."""
    if not self._rows:
      return {}
    found = confusion_matrix.draw(self._counts(), self._names())
    return {'confusion': drawing.pixels(found)}

  def report(self) -> str:
    return '  '.join(f'{k} {100 * v:.2f}' for k, v in self.result().items())

  def _names(self) -> list[str]:
    count = self._rows['scores'].shape[1]
    return predictions.named(self._source.info.classes, count)

  def _counts(self) -> np.ndarray:
    return confusion.counts(self._rows['label'], self._rows['scores'])


def _softmax(logits: np.ndarray) -> np.ndarray:
  """Returns probabilities of logits [n, c]."""
  powers = np.exp(logits - logits.max(axis=1, keepdims=True))
  return powers / powers.sum(axis=1, keepdims=True)
