"""A dense layer beside a site, and what a linear technique makes of it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Layer:
  """A dense layer x W + b beside a site, or the gains of a LayerNorm.

  Attributes:
    name: its scope, in errors.
    kernel: W, [*in, *out]; or gains, [d].
    bias: b, [*out], if there is one.
    behind: whether the site has the layer's output; if not, its input.
    shifts: whether a shift of its output changes anything. What is added to all
      keys alike changes no weight of an attention, unless keys are normalised.
  """

  name: str
  kernel: jax.Array
  bias: jax.Array | None
  behind: bool = True
  shifts: bool = True

  def scaled(self, gain: jax.Array, shift: jax.Array | None = None) -> Layer:
    """Returns the layer that has gain * y + shift for y at the site.

    Args:
      gain: [*out] behind the layer; [in] before it.
      shift: the same; None is 0.

    Raises:
      ValueError: if there is a shift, and no bias to take it.
    """
    if self.behind:
      bias = None if self.bias is None else self.bias * gain
      return self._with(self.kernel * gain, bias, shift)
    flat = self.kernel.reshape(gain.size, -1)
    return self._before(gain[:, None] * flat, flat, shift)

  def mapped(self, matrix: jax.Array, shift: jax.Array) -> Layer:
    """Returns the layer that has y M + shift for y at the site.

    Args:
      matrix: M, [out, out] behind the layer; [in, in] before it.
      shift: [out] or [in].

    Raises:
      ValueError: if there is no bias to take the shift.
    """
    d = len(matrix)
    if not self.behind:
      flat = self.kernel.reshape(d, -1)
      return self._before(matrix @ flat, flat, shift)
    kernel = (self.kernel.reshape(-1, d) @ matrix).reshape(self.kernel.shape)
    bias = self.bias
    if bias is not None:
      bias = (bias.reshape(d) @ matrix).reshape(bias.shape)
    return self._with(kernel, bias, shift)

  def plus(self, update: jax.Array) -> Layer:
    """Returns the layer with W + update, which is [in, out]."""
    kernel = self.kernel + update.reshape(self.kernel.shape)
    return dataclasses.replace(self, kernel=kernel)

  def _before(
    self, kernel: jax.Array, flat: jax.Array, shift: jax.Array | None
  ) -> Layer:
    """Returns the layer with a kernel, and what it made of shift in b."""
    shift = None if shift is None else shift @ flat
    return self._with(kernel.reshape(self.kernel.shape), self.bias, shift)

  def _with(self, kernel, bias, shift) -> Layer:
    if shift is not None:
      if bias is not None:
        bias = bias + shift.reshape(bias.shape)
      elif self.shifts and jnp.any(shift):
        raise ValueError(f'{self.name} has no bias that could take a shift')
    return dataclasses.replace(self, kernel=kernel, bias=bias)
