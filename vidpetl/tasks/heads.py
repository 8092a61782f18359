"""Heads: what a task reads of `Features`.

A head's last layer starts at zero, unless told otherwise, so that all heads of
a co-finetuned model start by predicting their bias.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import dropout
from vidpetl.backbones import features as features_lib
from vidpetl.tasks import roi_align

Features = features_lib.Features

POOLS = {'max': jnp.max, 'mean': jnp.mean}
NORMS = ('none', 'batch', 'layer')

INITIALS = {
  'zeros': nn.initializers.zeros,
  # U(-1 / sqrt(d), 1 / sqrt(d)).
  'uniform': nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform'),
  'normal': nn.initializers.normal(0.01),
  'normal_0.02': nn.initializers.normal(0.02),
}


class Reader(nn.Module, kw_only=True):
  """Reads a clip: what the backbone makes of it, or what a probe does.

  Attributes:
    probe: `probes.probe.Probe`, which reads tokens; None for the summary.
  """

  probe: nn.Module | None = None

  @nn.nowrap
  def summary(self, features: Features, train: bool) -> jax.Array:
    """Returns a vector of each clip, [..., d]."""
    if self.probe is None:
      return features.summary
    return self.probe.of_clips(features, train)


def digest(probe: nn.Module | None, features: Features) -> Features:
  """Returns what a `Reader` reads of clips; see `tasks.task.Base.digest`."""
  if probe is None:
    return Features(None, features.summary)
  return probe.digest(features)


class Linear(Reader):
  """y = W dropout(norm(z)) + b: how every head here ends.

  Attributes:
    num_classes: C.
    init_bias: where all biases start.
    initial: where the weights start, a key of `INITIALS`.
    norm: of z: 'none'; 'batch', BatchNorm without scale and bias, as a linear
      probe of MAE's features has it (He et al. 2022, sec. A.1); or 'layer',
      LayerNorm.
    dropout: rate.
  """

  num_classes: int
  init_bias: float = 0.0
  initial: str = 'zeros'
  norm: str = 'none'
  dropout: float = 0.0

  @nn.nowrap
  def classify(
    self, z: jax.Array, train: bool, valid: jax.Array | None
  ) -> jax.Array:
    """Maps z [..., d] to float32 logits [..., C], in a compact method.

    Args:
      z: what is classified.
      train: normalises by the batch, which moves the running statistics, and
        drops.
      valid: bool, of the first axes of z: which are no padding; None for all.
    """
    if self.norm == 'batch':
      z = BatchNorm(name='norm')(z, train, valid)
    elif self.norm == 'layer':
      z = nn.LayerNorm(epsilon=1e-6, dtype=jnp.float32, name='norm')(z)
    z = dropout.Dropout(self.dropout, not train)(z)
    output = nn.Dense(
      self.num_classes,
      kernel_init=INITIALS[self.initial],
      bias_init=nn.initializers.constant(self.init_bias),
      dtype=jnp.float32,
      name='output_projection',
    )
    return output(z)


class BatchNorm(nn.Module):
  """PyTorch's BatchNorm1d without scale and bias, over what is valid.

  Linen's own keeps the biased variance, and has nothing to say of a batch in
  which nothing is valid: here that moves no statistics.

  Attributes:
    momentum: how far a step moves the running statistics.
    epsilon: added to the variance.
  """

  momentum: float = 0.1
  epsilon: float = 1e-6

  @nn.compact
  def __call__(
    self, x: jax.Array, train: bool, valid: jax.Array | None = None
  ) -> jax.Array:
    """Maps [..., d] to float32 [..., d]; see `Linear.classify`."""
    x = x.astype(jnp.float32)
    d = x.shape[-1]
    mean = self.variable('batch_stats', 'mean', jnp.zeros, d)
    var = self.variable('batch_stats', 'var', jnp.ones, d)
    if not train:
      return (x - mean.value) * jax.lax.rsqrt(var.value + self.epsilon)
    weight = _weight(x, valid)
    n, axes = weight.sum(), tuple(range(x.ndim - 1))
    center = (x * weight).sum(axes) / jnp.maximum(n, 1)
    squares = ((x - center) ** 2 * weight).sum(axes)
    step = self.momentum * (n > 0)
    mean.value += step * (center - mean.value)
    var.value += step * (squares / jnp.maximum(n - 1, 1) - var.value)
    return (x - center) * jax.lax.rsqrt(
      squares / jnp.maximum(n, 1) + self.epsilon
    )


def _weight(x: jax.Array, valid: jax.Array | None) -> jax.Array:
  """Returns 1 where x [..., d] counts, 0 where it is padding: [..., 1]."""
  if valid is None:
    return jnp.ones((*x.shape[:-1], 1))
  axes = x.ndim - valid.ndim
  weight = valid.reshape(*valid.shape, *(1,) * axes).astype(jnp.float32)
  return jnp.broadcast_to(weight, (*x.shape[:-1], 1))


class ClassificationHead(Linear):
  """y of z_v, the summary of the clip, or what a probe makes of its tokens."""

  @nn.compact
  def __call__(
    self,
    features: Features,
    train: bool = False,
    valid: jax.Array | None = None,
  ) -> jax.Array:
    """Returns float32 logits [b, C]; see `Linear.classify`."""
    return self.classify(self.summary(features, train), train, valid)


class LocalisationHead(Linear):
  """y of z_p = ROI-Align(z^L, p) (Arnab et al. 2022, eq. 1).

  A box is a tube: it stays where it is through the clip. ROI-Align being
  linear, the mean over time comes first, and the space of the box is reduced
  last. Of a backbone with `Features.tube`, each frame is pooled to one vector
  and the tube's layers run before the mean over time.

  A probe reads a person's tokens: the bins of each moment, of each block that
  it reads, or of a tube those that come out of its layers.

  Attributes:
    pool: (P, Q), bins of ROI-Align.
    sampling_ratio: of ROI-Align; 0 is adaptive.
    aligned: of ROI-Align.
    spatial_pool: 'max' or 'mean', over the bins.
  """

  pool: tuple[int, int] = (7, 7)
  sampling_ratio: int = 0
  aligned: bool = True
  spatial_pool: str = 'max'

  @nn.compact
  def __call__(
    self,
    features: Features,
    boxes: jax.Array,
    input_size: tuple[int, int],
    train: bool = False,
    valid: jax.Array | None = None,
  ) -> jax.Array:
    """Scores the people of each clip.

    Args:
      features: of b clips, or the regions that were pooled of them.
      boxes: [b, n, 4], x1, y1, x2, y2 in pixels of the network's input.
      input_size: (height, width) of the network's input, in pixels.
      train: see `Linear.classify`.
      valid: bool [b, n], which boxes are no padding.

    Returns:
      float32 logits [b, n, C].
    """
    z = features.regions
    if self.probe is not None:
      z = self._probed(features, boxes, input_size, train)
    elif z is None:
      z = self.regions(features, boxes, input_size)
    return self.classify(z, train, valid)

  @nn.nowrap
  def regions(
    self, features: Features, boxes: jax.Array, input_size: tuple[int, int]
  ) -> jax.Array:
    """Returns z [b, n, d] of boxes, without a probe; see `__call__`."""
    align = self._align(features.grid, boxes, input_size)
    reduce = POOLS[self.spatial_pool]
    if features.tube is None:
      return reduce(align(features.grid.mean(1, dtype=jnp.float32)), (2, 3))
    x = _tubes(features, lambda frame: reduce(align(frame), (2, 3)))
    return x.mean(2, dtype=jnp.float32)

  @nn.nowrap
  def _align(
    self, grid: jax.Array, boxes: jax.Array, input_size: tuple[int, int]
  ) -> Callable[[jax.Array], jax.Array]:
    """Returns ROI-Align of boxes, for volumes or maps of a grid's size."""
    return functools.partial(
      roi_align.roi_align,
      boxes=boxes,
      stride=tuple(p / c for p, c in zip(input_size, grid.shape[2:4])),
      output=self.pool,
      sampling_ratio=self.sampling_ratio,
      aligned=self.aligned,
    )

  @nn.nowrap
  def _probed(
    self,
    features: Features,
    boxes: jax.Array,
    input_size: tuple[int, int],
    train: bool,
  ) -> jax.Array:
    """Returns what the probe makes of each person's tokens, [b, n, d'].

    One person of each clip at a time: all at once, the bins of 32 people in 16
    frames would take more memory than the backbone's largest layer.
    """
    if features.tube is not None and not self.probe.blocks():
      reduce = POOLS[self.spatial_pool]
      align = self._align(features.grid, boxes, input_size)
      x = _tubes(features, lambda frame: reduce(align(frame), (2, 3)))
      b, n, t, d = x.shape
      people = [features_lib.Block(x.reshape(b * n, t, 1, 1, d))]
      return self.probe(people, train).reshape(b, n, -1)
    sources = self.probe.sources(features)

    def of_person(probe, carried, box):
      people = []
      for source in sources:
        bins = self._align(source.grid, box[:, None], input_size)(source.grid)
        bins = bins[:, 0].astype(source.grid.dtype)
        people.append(features_lib.Block(bins, source.lead))
      return carried, probe(people, train)

    over_people = nn.scan(
      nn.remat(of_person, prevent_cse=False),
      variable_broadcast='params',
      split_rngs={'params': False, 'dropout': True},
      in_axes=1,
      out_axes=1,
    )
    return over_people(self.probe, (), boxes)[1]


def _tubes(features: Features, pool_frame) -> jax.Array:
  """Pools people frame by frame, and runs the tube's layers: [b, n, t, d]."""
  # One frame at a time: all at once, the bins of 32 people in 16 frames would
  # take more memory than the backbone's largest layer.
  frames = jnp.moveaxis(features.grid, 1, 0)
  x = jax.lax.map(jax.checkpoint(pool_frame), frames)  # [t, b, n, d]
  t, b, n, d = x.shape
  x = jnp.moveaxis(x, 0, 2).reshape(b * n, t, d).astype(features.grid.dtype)
  return features.tube(x).reshape(b, n, t, d)
