"""Bottleneck adapters (Houlsby et al. 2019; Chen et al. 2022).

Without an activation between them, Down and Up are one matrix. Such adapters
merge into the dense layer that they follow, or into those that read them, and
cost nothing then: RepAdapter (Luo et al. 2023) and ZeroI2V (Li et al. 2024).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import dropout, layers, site, torch_layers
from vidpetl.petl import linear, scales

Flat = Mapping[str, jax.Array]

MODES = ('parallel', 'sequential')
NORMS = ('none', 'in', 'out')
# How Down and Up start; None as PyTorch's linear layers do.
INITIALS = {
  'lora': (None, torch_layers.zeros),
  'aim': (nn.initializers.normal(0.02), torch_layers.zeros),
  'xavier': (nn.initializers.xavier_uniform(), torch_layers.zeros),
  'houlsby': (nn.initializers.truncated_normal(0.01),) * 2,
}
# Of the LayerNorms, as PyTorch's and so AdaptFormer's have it.
EPSILON = 1e-5
ACTIVATIONS = {**torch_layers.ACTIVATIONS, 'none': lambda x: x}


class Adapter(nn.Module):
  """A(x) = s Up(act(Down(x))), beside a branch or behind it.

  parallel    y + A(given): AdaptFormer; at `mlp`, V-PETL's eq. 6. At
              `mlp_residual` it reads the stream before the LayerNorm, as
              AdaptFormer's code for ViT does.
  sequential  y + A(y): Houlsby's at `attn` and `mlp`; V-PETL's eq. 7 at `mlp`.

  Attributes:
    bottleneck: width between Down and Up.
    ratio: if positive, the same as a share of d, instead of `bottleneck`.
    mode: 'parallel' or 'sequential'.
    activation: 'relu', 'gelu', 'tanh' or 'none'.
    norm: LayerNorm 'in' front of Down, on what comes 'out' after scaling, or
      'none'.
    scale: s; a number, or 'learned' from 1 on.
    dropout: rate, before Up.
    drop_path: rate at which A(x) is left out for a clip, in the last block;
      rates grow linearly from 0.
    initial: 'lora', 'aim' or 'xavier' (Up is 0, so that training starts at the
      identity; Down as PyTorch's layers start, from N(0, 0.02), or as Glorot
      and Bengio have it), or 'houlsby' (both from a narrow Gaussian, nearly
      so).
    groups: of Up: each maps its part of the bottleneck to its part of d, as in
      RepAdapter.
  """

  bottleneck: ranges.Natural = 64
  ratio: ranges.Share = 0.0
  mode: Annotated[str, ranges.OneOf(MODES)] = 'parallel'
  activation: Annotated[str, ranges.OneOf(ACTIVATIONS)] = 'relu'
  norm: Annotated[str, ranges.OneOf(NORMS)] = 'none'
  scale: scales.Scale = 0.1
  dropout: ranges.Rate = 0.0
  drop_path: ranges.Rate = 0.0
  initial: Annotated[str, ranges.OneOf(INITIALS)] = 'lora'
  groups: ranges.Count = 1

  # Its matrix mixes channels, which no LayerNorm does.
  mixes: ClassVar[bool] = True

  def __post_init__(self):
    options.hold_fields(self, 'adapter')
    if not self.ratio and not self.bottleneck:
      raise ValueError('adapter: bottleneck=0: it must be at least 1')
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given: jax.Array, grid) -> jax.Array:
    """Returns an array of the shape of y, [..., d]."""
    site.check_tokens('adapter', y, given)
    x = y if self.mode == 'sequential' else given
    if not hasattr(x, 'shape'):
      raise ValueError(
        "adapter: nothing runs parallel to this site; mode='sequential' works"
      )
    update = self.bottlenecked(x, y.shape[-1])
    drops = self.drop_path and self.has_rng('dropout')
    rate = self.drop_path * grid.depth if drops else None
    return y + layers.StochasticDepth(rate, rescale=True, name='drop')(update)

  @nn.nowrap
  def bottlenecked(self, x: jax.Array, d: int) -> jax.Array:
    """Maps [..., e] to A(x), [..., d]."""
    down, up = INITIALS[self.initial]
    norm = functools.partial(layers.layer_norm, x.dtype, 'norm', EPSILON)
    if self.norm == 'in':
      x = norm()(x)
    hidden = max(int(d * self.ratio), 1) if self.ratio else self.bottleneck
    x = torch_layers.dense(x, hidden, 'down', kernel=down)
    x = ACTIVATIONS[self.activation](x)
    x = dropout.Dropout(self.dropout, not self.has_rng('dropout'))(x)
    x = torch_layers.dense(x, d, 'up', kernel=up, groups=self.groups)
    x = scales.factor(self, self.scale, x.dtype) * x
    if self.norm == 'out':
      x = norm()(x)
    return x

  @nn.nowrap
  def merge(self, learned: Flat, layer: linear.Layer) -> linear.Layer:
    """y (I + s Down Up) + s (b_down Up + b_up).

    Raises:
      ValueError: if it is not linear.
    """
    linear_alone = {'mode': 'sequential', 'activation': 'none', 'norm': 'none'}
    for field, value in linear_alone.items():
      if (mine := getattr(self, field)) != value:
        raise ValueError(
          f'{layer.name}: an adapter with {field}={mine!r} cannot be merged, '
          'as no weight of the backbone does the same; with '
          f'{field}={value!r} it could be'
        )
    scale = learned.get('scale', self.scale)
    up = torch_layers.matrix(learned['up/kernel'])
    update = scale * learned['down/kernel'] @ up
    shift = scale * (learned['down/bias'] @ up + learned['up/bias'])
    return layer.mapped(jnp.eye(len(update)) + update, shift)


build = Adapter
