"""[CLS] token shift: frames exchange parts of their class tokens."""

from __future__ import annotations

from typing import Annotated, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import site


class ClsShift(nn.Module):
  """Moves channels of class tokens along time (Zhang et al. 2021).

  Registers (DINOv2, DINOv3) stay: a class token is the first of a frame.

  The first d / div come from the frame after, the next d / div from the frame
  before, zeros beyond the ends; the rest, and all other tokens, stay.
  MST-Adapter says neither the share, which is TokShift's here, nor the place:
  at `attn_in` only the attention sees it, at `block_in` the residual stream is
  shifted. It has no parameters.

  Attributes:
    div: d / div channels move each way.
  """

  stays: ClassVar[bool] = True

  div: Annotated[int, ranges.Between(2)] = 4

  def __post_init__(self):
    options.hold_fields(self, 'cls_shift')
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given, grid) -> jax.Array:
    """Returns an array of the shape of y, [b, t, 1 + n, d]."""
    site.check_tokens('cls_shift', y)
    if grid is None or grid.rows != 'frame' or not grid.cls:
      raise ValueError(
        'cls_shift: needs a class token in every frame, as CLIP has them; '
        'here are none'
      )
    part = y.shape[-1] // self.div
    cls = y[:, :, :1]
    after = jnp.pad(cls[:, 1:], [(0, 0), (0, 1), (0, 0), (0, 0)])
    before = jnp.pad(cls[:, :-1], [(0, 0), (1, 0), (0, 0), (0, 0)])
    cls = jnp.concatenate(
      [
        after[..., :part],
        before[..., part : 2 * part],
        cls[..., 2 * part :],
      ],
      axis=-1,
    )
    # A row that is cut behind its first token is copied on a TPU.
    return jnp.where(jnp.arange(y.shape[2])[:, None] == 0, cls, y)


build = ClsShift
