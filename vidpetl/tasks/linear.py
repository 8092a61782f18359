"""What tasks share whose head ends in a linear layer."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import jax

from vidpetl import ranges
from vidpetl.tasks import heads
from vidpetl.tasks import task as task_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Linear(task_lib.Task):
  """A task with a linear classifier.

  Attributes:
    init_bias: initial bias of the head.
    initial: where the head's weights start: 'zeros'; 'uniform', as PyTorch
      draws them, which a head that stays as it was drawn needs; 'normal',
      from N(0, 0.01^2); or 'normal_0.02', from N(0, 0.02^2).
    norm: before the last layer: 'none', 'batch' or 'layer'; see `heads.Linear`.
    dropout: rate, between the two.
  """

  init_bias: float = 0.0
  initial: Annotated[str, ranges.OneOf(heads.INITIALS)] = 'zeros'
  norm: Annotated[str, ranges.OneOf(heads.NORMS)] = 'none'
  dropout: ranges.Rate = 0.0

  def classifier(self) -> dict[str, Any]:
    """Returns the fields of `heads.Linear`."""
    return {
      'num_classes': self.num_classes,
      'init_bias': self.init_bias,
      'initial': self.initial,
      'norm': self.norm,
      'dropout': self.dropout,
      'probe': self.probe,
    }


class OfSummary(Linear):
  """A task that classifies whole clips."""

  def head(self) -> heads.ClassificationHead:
    return heads.ClassificationHead(**self.classifier())

  def read(self, head, features, inputs, train) -> jax.Array:
    return head(features, train, inputs.get('valid'))

  def digest(self, head, features, inputs):
    """Returns what the head reads, of heads that are as they are here."""
    if type(head) is not heads.ClassificationHead:
      return super().digest(head, features, inputs)
    return heads.digest(self.probe, features)

  def digest_options(self):
    own = type(self.head()) is heads.ClassificationHead
    return {} if own else super().digest_options()
