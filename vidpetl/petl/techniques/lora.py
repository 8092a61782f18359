"""LoRA: low-rank updates of layers (Hu et al. 2022), and what came of it.

rsLoRA (Kalajdzievski 2023) divides by the root of the rank. DoRA (Liu et al.
2024) learns how long the columns of a weight are apart from where they point.
Kernels of any number of axes are matrices [in, out] in these equations. A
convolution's A is one of the same size and strides, B is 1 x 1 x 1.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import dense, dropout, site, torch_layers
from vidpetl.petl import linear, qkv

Flat = Mapping[str, jax.Array]


class LoRA(nn.Module):
  """W x + s B (A x), behind a layer W x; B is 0 at first.

    s = alpha / r, or alpha / sqrt(r) as rsLoRA has it

  With `dora`, V = W + s B A, and with n(V) the length of V's column of each
  output, which takes no gradient as in the paper's section 4.3,

    (n(W) + magnitude) / n(V) * V x

  The paper's m is n(W) + magnitude, so that `magnitude` is 0 at first, whatever
  W will be read.

  Attributes:
    rank: r.
    alpha: numerator of the scale.
    to: which of 'q', 'k', 'v' at `attn_qkv`.
    dropout: rate, on x.
    rslora: whether the scale is rsLoRA's.
    dora: whether it is DoRA, at the site `layer`.
  """

  rank: ranges.Count = 8
  alpha: ranges.Positive = 8.0
  to: qkv.Letters = 'qv'
  dropout: ranges.Rate = 0.0
  rslora: bool = False
  dora: bool = False

  def __post_init__(self):
    options.hold_fields(self, 'lora')
    super().__post_init__()

  @property
  def scale(self) -> float:
    """Returns s."""
    return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)

  @nn.compact
  def __call__(self, y, given, grid):
    """Returns tokens [..., d], or (q, k, v), of the shape of y."""
    if isinstance(given, site.Linear):
      return self.of_layer(y, given)
    site.check_dense('lora', self.parent)
    if self.dora:
      raise ValueError(
        "lora: dora=True needs W, so it works at the site 'layer'"
      )
    return qkv.each(y, self.to, functools.partial(self.updated, given))

  @nn.nowrap
  def updated(
    self, x: jax.Array, y: jax.Array, axes: int, prefix: str
  ) -> jax.Array:
    """Returns y + s B (A x); its channels are the last `axes`."""
    a, b = self.factors(x.shape[-1], y.shape[-axes:], prefix)
    update = self.update(self.dropped(x), a, b, dense.product)
    return qkv.add(y, update) if axes == 2 else y + update

  @nn.nowrap
  def of_layer(self, y: jax.Array, given: site.Linear) -> jax.Array:
    """Returns what takes the place of y, a layer's output."""
    a, b = self.factors(math.prod(given.inner), given.out, '')
    x = self.dropped(given.x)
    update = self.update(x, a.reshape(*given.inner, -1), b, given.apply)
    if not self.dora:
      return dense.add(y, update, given.axes)
    magnitude = self.param('magnitude', torch_layers.zeros, given.out)
    kernel = given.kernel.astype(jnp.float32)
    gain = self.gain(kernel, a, b, magnitude).astype(y.dtype)
    # What is known of W x already, unless x is another one for the update.
    product = y if given.bias is None else y - given.bias.astype(y.dtype)
    if x is not given.x:
      product = given.apply(x, given.kernel)
    return y + (gain - 1) * product + gain * update

  @nn.nowrap
  def factors(
    self, fan_in: int, out: tuple[int, ...], prefix: str
  ) -> tuple[jax.Array, jax.Array]:
    """Returns A [in, r] and B [r, *out]."""
    init = torch_layers.uniform(fan_in)
    a = self.param(f'{prefix}a', init, (fan_in, self.rank))
    return a, self.param(f'{prefix}b', torch_layers.zeros, (self.rank, *out))

  @nn.nowrap
  def dropped(self, x: jax.Array) -> jax.Array:
    return dropout.Dropout(self.dropout, not self.has_rng('dropout'))(x)

  @nn.nowrap
  def update(
    self, x: jax.Array, a: jax.Array, b: jax.Array, apply: Callable
  ) -> jax.Array:
    """Returns s B (A x), where A is applied as the layer's kernel is."""
    x = apply(x, a.astype(x.dtype))
    # Scaled where it is narrow: behind B the gradient of all would be, too.
    x = jnp.asarray(self.scale, x.dtype) * x
    return dense.product(x, b.astype(x.dtype))

  @nn.nowrap
  def gain(
    self, kernel: jax.Array, a: jax.Array, b: jax.Array, magnitude: jax.Array
  ) -> jax.Array:
    """Returns DoRA's (n(W) + magnitude) / n(V), [*out]."""
    flat = lambda kernel: kernel.reshape(-1, *magnitude.shape)
    directed = kernel + (self.scale * dense.product(a, b)).reshape(kernel.shape)
    length = jnp.linalg.norm(flat(directed), axis=0)
    before = jnp.linalg.norm(flat(kernel), axis=0)
    return (before + magnitude) / jax.lax.stop_gradient(length)

  @nn.nowrap
  def merge(self, learned: Flat, layer: linear.Layer) -> linear.Layer:
    """W + s A B, or DoRA's weight."""
    a, b = learned['a'], learned['b']
    merged = layer.plus(self.scale * a @ b.reshape(self.rank, -1))
    if not self.dora:
      return merged
    gain = self.gain(layer.kernel, a, b, learned['magnitude'])
    return dataclasses.replace(merged, kernel=gain * merged.kernel)


build = LoRA
