"""One backbone and a head per task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax

from vidpetl.backbones import features as features_lib

Inputs = Mapping[str, jax.Array]


class Model(nn.Module):
  """backbone -> Features -> the head of one task.

  The parameters of task `x`'s head live in 'heads_x', the backbone's in
  'backbone'.

  Attributes:
    backbone: video [b, t, h, w, 3], train -> Features.
    heads: task name -> its own layers.
    views: task name -> (inputs, train) -> the clips to encode,
      [b, ..., t, h, w, 3].
    read: task name -> (head, features, inputs, train) -> outputs.
  """

  backbone: nn.Module
  heads: Mapping[str, nn.Module]
  views: Mapping[str, Callable[..., jax.Array]]
  read: Mapping[str, Callable[..., Any]]

  def __call__(self, inputs: Inputs, task: str, train: bool = False) -> Any:
    """Returns what the task reads of its clips, e.g. logits [b, ...].

    Args:
      inputs: as `augment.preprocess` makes them: 'video' [b, t, h, w, 3] or,
        where a task or a test has several clips of each, [b, v, t, h, w, 3];
        'boxes' where the head wants them.
      task: whose head.
      train: turns on what is random in the backbone, and lets BatchNorm see
        the batch.
    """
    _, outputs = self.on(self.views[task](inputs, train), inputs, task, train)
    return outputs

  def on(
    self, video: jax.Array, inputs: Inputs, task: str, train: bool
  ) -> tuple[features_lib.Features, Any]:
    """Returns Features and outputs of given clips [b, ..., t, h, w, 3]."""
    lead, clip = video.shape[:-4], video.shape[-4:]
    features = self.backbone(video.reshape(-1, *clip), train)
    if len(lead) > 1:
      features = features.split(lead)
    outputs = self.read[task](self.heads[task], features, inputs, train)
    return features, outputs

  def head(self, inputs: Any, task: str, function: Callable[..., Any]) -> Any:
    """Returns function(head of the task, inputs)."""
    return function(self.heads[task], inputs)

  def every_head(self, inputs: Mapping[str, Inputs]) -> None:
    """Runs each task once on its own inputs, so that init makes all heads."""
    for task, arrays in inputs.items():
      self(arrays, task)
