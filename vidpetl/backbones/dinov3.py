"""DINOv3's ViTs for images (Siméoni et al. 2025); of a clip, each frame.

They have registers, no table of positions, and keys without bias: queries and
keys are turned by where a patch lies in its frame. Their LayerScales are folded
into the layers before them.

Names and shapes of parameters are those of `vit.py`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, ClassVar

import flax.linen as nn
import jax
import ml_dtypes
import numpy as np

from vidpetl import ranges
from vidpetl.backbones import features, rotary, variants, vit

Features = features.Features

VARIANTS = {
  **vit.VARIANTS,
  'S+': {**vit.VARIANTS['S'], 'gated': True},
  'H+': {'width': 1280, 'depth': 32, 'heads': 20, 'mlp': 5120, 'gated': True},
  '7B': {'width': 4096, 'depth': 40, 'heads': 32, 'mlp': 8192, 'gated': True},
}
PERIODS = ('bfloat16', 'float32')


@dataclasses.dataclass(frozen=True)
class Centres(rotary.Rotary):
  """Turns by the centres of patches, from -1 to 1 in height and in width.

  The angle is 2 pi p / base^(4 j / c) for the j-th of c / 4 planes of height,
  and as many of width follow.

  Attributes:
    base: the longest period, but for one step.
    dtype: that periods are rounded to.
  """

  paired: ClassVar[bool] = False

  base: float = 100.0
  dtype: str = 'float32'

  def positions(self, grid: rotary.Grid) -> np.ndarray:
    sides = (grid.h, grid.w)
    return rotary.coordinates(*((2 * np.arange(n) + 1) / n - 1 for n in sides))

  def rates(self, channels: int) -> np.ndarray:
    if channels % 4:
      raise ValueError(
        f'config.backbone.heads: a head has {channels} channels, and rotary '
        'positions in height and width need a multiple of 4'
      )
    period = periods(channels // 4, self.base)
    if self.dtype == 'bfloat16':
      period = period.astype(ml_dtypes.bfloat16)
    rate = 2 * math.pi / period.astype(float)
    none = np.zeros_like(rate)
    return np.tile([[*rate, *none], [*none, *rate]], 2)


def periods(planes: int, base: float = 100.0) -> np.ndarray:
  """Returns how far patches are apart that are turned alike, float32."""
  return (base ** (np.arange(planes) / planes)).astype(np.float32)


class DINOv3(vit.ViT):
  """Meta's image ViTs.

  Attributes:
    summary: the normalised class token, 'cls', averaged over frames, or the
      'mean' of normalised patches.
    registers: tokens beside the class token that nothing reads in the end.
    gated: whether MLPs are SwiGLUs, with `mlp` channels behind the gate.
    base: of the periods of rotary positions.
    periods: what they are rounded to: 'bfloat16' in Meta's files, 'float32' in
      transformers and timm, whose features of the same weights differ a bit.
  """

  key_bias: ClassVar[bool] = False

  epsilon: ranges.Positive = 1e-5
  summary: Annotated[str, ranges.OneOf(('cls', 'mean'))] = 'cls'
  registers: ranges.Natural = 4
  gated: bool = False
  base: ranges.Positive = 100.0
  periods: Annotated[str, ranges.OneOf(PERIODS)] = 'bfloat16'

  @property
  def rotary(self) -> rotary.Rotary:
    return Centres(self.base, self.periods)

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video)
    cls, x = self.encode_frames(x, train, positions=False)
    norm = self.norm('norm')
    x = norm(x)
    read = x.mean((2, 3)) if self.summary == 'mean' else norm(cls)
    return Features(x, read.mean(1))


def build(
  *,
  variant: Annotated[str, ranges.OneOf(VARIANTS)] | None = None,
  **fields,
) -> DINOv3:
  """Builds a DINOv3.

  Args:
    variant: 'S', 'S+', 'B', 'L', 'H+' or '7B': its width, depth, heads and
      mlp, and whether it is gated. Without it, `fields` must have the first
      four.
    **fields: of `DINOv3`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  return variants.make(DINOv3, fields, variant, VARIANTS)
