"""One backbone and a head per task."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax


class Model(nn.Module):
  """backbone -> Features -> the head of one task.

  The parameters of task `x`'s head live in 'heads_x', the backbone's in
  'backbone'.

  Attributes:
    backbone: video [b, t, h, w, 3], train -> Features.
    heads: task name -> its own layers.
    read: task name -> (head, features, inputs) -> logits.
  """

  backbone: nn.Module
  heads: Mapping[str, nn.Module]
  read: Mapping[str, Callable[..., jax.Array]]

  def __call__(
    self, inputs: Mapping[str, jax.Array], task: str, train: bool = False
  ) -> jax.Array:
    """Returns the task's logits, [b, ...] or [b, views, ...].

    Args:
      inputs: as `augment.preprocess` makes them: 'video' [b, t, h, w, 3] or,
        in several test views, [b, views, t, h, w, 3]; 'boxes' where the head
        wants them.
      task: whose head.
      train: turns on what is random in the backbone.
    """
    video = inputs['video']
    views = video.shape[1] if video.ndim == 6 else None
    if views:
      video = video.reshape(-1, *video.shape[2:])
    features = self.backbone(video, train)
    logits = self.read[task](self.heads[task], features, inputs)
    if views:
      logits = logits.reshape(-1, views, *logits.shape[1:])
    return logits

  def every_head(self, inputs: Mapping[str, Mapping[str, jax.Array]]) -> None:
    """Runs each task once on its own inputs, so that init makes all heads."""
    for task, arrays in inputs.items():
      self(arrays, task)
