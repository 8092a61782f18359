"""Multi-label classification: any number of labels per clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl import ranges, tables
from vidpetl.data import examples, mixing
from vidpetl.metrics import average_precision, predictions
from vidpetl.tasks import linear

KIND = 'multilabel'
_OVER_VIEWS = {'mean': jnp.mean, 'max': jnp.max}


@dataclasses.dataclass(frozen=True)
class MultiLabel(linear.OfSummary):
  """Sigmoid cross-entropy on the clip's summary, summed over classes.

  y = sigmoid(W z_v), with z_v the backbone's clip representation; of the views
  of a test, the mean of y or, as is usual on Charades, the largest y.
  Clips that were mixed have the mixture of their labels.

  Attributes:
    over_views: 'mean' or 'max' of the views' probabilities.
  """

  MIXES = True

  over_views: Annotated[str, ranges.OneOf(_OVER_VIEWS)] = 'mean'

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
    scores = jax.nn.sigmoid(logits.astype(jnp.float32))
    over = _OVER_VIEWS[self.over_views]
    return {'scores': over(scores, axis=1), 'labels': batch['labels']}

  def metric(self, source: examples.Source) -> ClipMap:
    return ClipMap(source)

  def protocol(self) -> dict[str, Any]:
    return {**super().protocol(), 'over_views': self.over_views}


build = MultiLabel


class ClipMap:
  """Average precision of each class over clips, and the mean.

  Classes that no clip shows have none: they are left out of the mean, and
  counted.
  """

  def __init__(self, source: examples.Source):
    self.names = {'mAP': 1}
    self._source = source
    self._rows = predictions.Rows()

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    """Adds 'scores' and 'labels' [n, c], and 'index' [n]."""
    self._rows.add(rows)

  def per_class(self) -> list[dict[str, Any]]:
    """Returns the class, its average precision, and how many clips show it."""
    if not self._rows:
      return []
    scores, labels = self._rows['scores'], self._rows['labels']
    return [
      {
        'index': i,
        'class': name,
        'ap': average_precision.average_precision(scores[:, i], labels[:, i]),
        'truth': int(np.count_nonzero(labels[:, i])),
      }
      for i, name in enumerate(self._names())
    ]

  def predictions(self) -> predictions.Predictions:
    if not self._rows:
      return predictions.Predictions({'id': ()})
    names, ids = self._names(), self._rows.ids(self._source)
    scores, labels = self._rows['scores'], self._rows['labels'].astype(bool)
    shown = ([names[i] for i in np.flatnonzero(row)] for row in labels)
    return predictions.Predictions(
      {
        'id': ids,
        'truth': map(predictions.several, shown),
        **predictions.best(scores, scores, names),
      },
      arrays={
        'ids': np.array(ids, str),
        'labels': labels,
        'scores': scores,
        'classes': np.array(names, str),
      },
    )

  def _names(self) -> list[str]:
    count = self._rows['scores'].shape[1]
    return predictions.named(self._source.info.classes, count)

  def result(self) -> dict[str, float]:
    found = [row['ap'] for row in self.per_class() if row['truth']]
    return {'mAP': float(np.mean(found)) if found else float('nan')}

  def pictures(self) -> dict[str, np.ndarray]:
    return {}

  def report(self) -> str:
    rows = self.per_class()
    shown = [row for row in rows if row['truth']]
    lines = [
      f'mAP {100 * self.result()["mAP"]:.2f} over {len(shown)} of {len(rows)} '
      'classes'
    ]
    if shown:
      cells = [
        (f'{100 * row["ap"]:.2f}', str(row['truth']), row['class'])
        for row in shown
      ]
      lines += ['', tables.columns([('AP', 'clips', 'class'), *cells], '>><')]
    if left_out := [row['class'] for row in rows if not row['truth']]:
      lines += ['', f'left out, as no clip shows them: {", ".join(left_out)}']
    return '\n'.join(lines)
