"""Heads: what a task reads of `Features`.

A head's last layer starts at zero, unless told otherwise, so that all heads of
a co-finetuned model start by predicting their bias.
"""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import features as features_lib
from vidpetl.tasks import roi_align

Features = features_lib.Features

POOLS = {'max': jnp.max, 'mean': jnp.mean}


INITIALS = {
  'zeros': nn.initializers.zeros,
  # U(-1 / sqrt(d), 1 / sqrt(d)).
  'uniform': nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform'),
}


class ClassificationHead(nn.Module):
  """y = W z_v, with z_v the summary of the clip.

  Attributes:
    num_classes: C.
    init_bias: where all biases start.
    initial: where the weights start, a key of `INITIALS`.
  """

  num_classes: int
  init_bias: float = 0.0
  initial: str = 'zeros'

  @nn.compact
  def __call__(self, features: Features) -> jax.Array:
    """Returns float32 logits [b, C]."""
    output = _output(self.num_classes, self.init_bias, self.initial)
    return output(features.summary)


class LocalisationHead(nn.Module):
  """y = W z_p, with z_p = ROI-Align(z^L, p) (Arnab et al. 2022, eq. 1).

  A box is a tube: it stays where it is through the clip. ROI-Align being
  linear, the mean over time comes first, and the space of the box is reduced
  last. Of a backbone with `Features.tube`, each frame is pooled to one vector
  and the tube's layers run before the mean over time.

  Attributes:
    num_classes: C.
    pool: (P, Q), bins of ROI-Align.
    sampling_ratio: of ROI-Align; 0 is adaptive.
    aligned: of ROI-Align.
    spatial_pool: 'max' or 'mean', over the bins.
    init_bias: where all biases start.
  """

  num_classes: int
  pool: tuple[int, int] = (7, 7)
  sampling_ratio: int = 0
  aligned: bool = True
  spatial_pool: str = 'max'
  init_bias: float = 0.0

  @nn.compact
  def __call__(
    self, features: Features, boxes: jax.Array, input_size: tuple[int, int]
  ) -> jax.Array:
    """Scores the people of each clip.

    Args:
      features: of b clips.
      boxes: [b, n, 4], x1, y1, x2, y2 in pixels of the network's input.
      input_size: (height, width) of the network's input, in pixels.

    Returns:
      float32 logits [b, n, C].
    """
    align = functools.partial(
      roi_align.roi_align,
      boxes=boxes,
      stride=tuple(p / c for p, c in zip(input_size, features.grid.shape[2:4])),
      output=self.pool,
      sampling_ratio=self.sampling_ratio,
      aligned=self.aligned,
    )
    if self.spatial_pool not in POOLS:
      raise ValueError(
        f'spatial_pool is {self.spatial_pool!r}; it must be one of '
        f'{", ".join(POOLS)}'
      )
    reduce = POOLS[self.spatial_pool]
    if features.tube is None:
      z = reduce(align(features.grid.mean(1, dtype=jnp.float32)), (2, 3))
    else:
      z = _tubes(features, lambda frame: reduce(align(frame), (2, 3)))
    return _output(self.num_classes, self.init_bias)(z)


def _tubes(features: Features, pool_frame) -> jax.Array:
  """Pools people frame by frame, and runs the tube's layers: [b, n, d]."""
  # One frame at a time: all at once, the bins of 32 people in 16 frames would
  # take more memory than the backbone's largest layer.
  frames = jnp.moveaxis(features.grid, 1, 0)
  x = jax.lax.map(jax.checkpoint(pool_frame), frames)  # [t, b, n, d]
  t, b, n, d = x.shape
  x = jnp.moveaxis(x, 0, 2).reshape(b * n, t, d).astype(features.grid.dtype)
  return features.tube(x).mean(1, dtype=jnp.float32).reshape(b, n, d)


def _output(
  num_classes: int, init_bias: float, initial: str = 'zeros'
) -> nn.Dense:
  return nn.Dense(
    num_classes,
    kernel_init=INITIALS[initial],
    bias_init=nn.initializers.constant(init_bias),
    dtype=jnp.float32,
    name='output_projection',
  )
