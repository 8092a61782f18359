"""Spatial-temporal dual-headed attention, of ZeroI2V (Li et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import options, ranges
from vidpetl.petl import qkv


class HeadShift(nn.Module):
  """Some heads of a frame's attention read another frame.

    q of frame t, k and v of frame t + o_i, for the first heads i

  All other heads read their own frame. So do the first ones where there is no
  such frame in the clip: as in the authors' code (MCG-NJU/ZeroI2V), whose
  `shift_div` of CLIP-B, 12, is one head for each of two offsets. It has no
  parameters, and costs nothing.

  Attributes:
    offsets: o_i in frames, one for each head that looks at other frames.
  """

  stays: ClassVar[bool] = True

  offsets: Annotated[Sequence[int], ranges.Filled()] = (-1, 1)

  def __post_init__(self):
    options.hold_fields(self, 'head_shift')
    super().__post_init__()

  @nn.compact
  def __call__(self, y, given, grid):
    """Returns (q, k, v), each [b, t, n, heads, c]."""
    arrays = qkv.named('head_shift', y)
    if grid is None or grid.rows != 'frame' or arrays['k'].ndim != 5:
      raise ValueError(
        'head_shift: needs a backbone whose frames attend by themselves, such '
        'as CLIP or MAE'
      )
    heads = arrays['k'].shape[-2]
    if len(self.offsets) > heads:
      raise ValueError(
        f'head_shift: offsets={self.offsets} need {len(self.offsets)} heads; '
        f'there are {heads}'
      )
    return arrays['q'], *(self.shifted(arrays[x]) for x in 'kv')

  @nn.nowrap
  def shifted(self, x: jax.Array) -> jax.Array:
    """Returns [b, t, n, heads, c] with the first heads moved along t."""
    t, moved = x.shape[1], []
    for head, offset in enumerate(self.offsets):
      own = np.arange(t)
      other = own + offset
      at = np.where((other >= 0) & (other < t), other, own)
      moved.append(x[:, at, :, head : head + 1])
    return jnp.concatenate([*moved, x[..., len(self.offsets) :, :]], -2)


build = HeadShift
