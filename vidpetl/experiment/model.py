"""One backbone and a head per task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax

from vidpetl.backbones import features as features_lib
from vidpetl.backbones import kept

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
        or in its place the features that `kept` has of it; 'boxes' where the
        head wants them.
      task: whose head.
      train: turns on what is random in the backbone, and lets BatchNorm see
        the batch.
    """
    features = kept.unpack(inputs)
    if features is None:
      features = self._encode(self.views[task](inputs, train), train)
    return self.read[task](self.heads[task], features, inputs, train)

  def on(
    self, video: jax.Array, inputs: Inputs, task: str, train: bool
  ) -> tuple[features_lib.Features, Any]:
    """Returns Features and outputs of given clips [b, ..., t, h, w, 3]."""
    features = self._encode(video, train)
    outputs = self.read[task](self.heads[task], features, inputs, train)
    return features, outputs

  def digest(
    self, inputs: Inputs, task: str, function: Callable[..., Any], train: bool
  ) -> features_lib.Features:
    """Returns what a head reads of its clips; see `tasks.task.Base.digest`.

    Args:
      inputs: with 'video', see `__call__`.
      task: whose head.
      function: `digest` of the task.
      train: see `__call__`.
    """
    features = self._encode(self.views[task](inputs, train), train)
    return function(self.heads[task], features, inputs)

  def _encode(self, video: jax.Array, train: bool) -> features_lib.Features:
    lead, clip = video.shape[:-4], video.shape[-4:]
    features = self.backbone(video.reshape(-1, *clip), train)
    return features.split(lead) if len(lead) > 1 else features

  def head(self, inputs: Any, task: str, function: Callable[..., Any]) -> Any:
    """Returns function(head of the task, inputs)."""
    return function(self.heads[task], inputs)

  def every_head(self, inputs: Mapping[str, Inputs]) -> None:
    """Runs each task once on its own inputs, so that init makes all heads."""
    for task, arrays in inputs.items():
      self(arrays, task)
