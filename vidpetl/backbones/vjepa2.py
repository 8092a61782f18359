"""V-JEPA 2 (Assran et al. 2025) and 2.1 (Mur-Labadia et al. 2026).

Joint space-time ViTs of tubelets, without class tokens and without tables of
positions: queries and keys are turned by where their tokens are in time, height
and width, so that clips of any shape will do. What others read of them is their
tokens, by an attentive probe; `summary` is their mean.

Names and shapes of parameters are those of `vivit.py`.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import flax.linen as nn
import jax
import numpy as np

from vidpetl import options, ranges
from vidpetl.backbones import features, rotary, variants, vit
from vidpetl.backbones import site as site_lib

Features = features.Features
Grid = site_lib.Grid

VARIANTS = {
  'B': {'width': 768, 'depth': 12, 'heads': 12, 'mlp': 3072},
  'L': {'width': 1024, 'depth': 24, 'heads': 16, 'mlp': 4096},
  'H': {'width': 1280, 'depth': 32, 'heads': 16, 'mlp': 5120},
  'g': {'width': 1408, 'depth': 40, 'heads': 22, 'mlp': 6144},
  'G': {'width': 1664, 'depth': 48, 'heads': 26, 'mlp': 8192},
}


@dataclasses.dataclass(frozen=True)
class Thirds(rotary.Rotary):
  """A third of a head's channels for each of t, h and w, the rest for none.

  A third is rounded down to an even number m, of m / 2 frequencies

    f_j = 10000^(-2 j / m),  j = 0 … m / 2 - 1,

  one for the two channels of each plane.
  """

  def positions(self, grid: Grid) -> np.ndarray:
    return rotary.coordinates(
      np.arange(grid.t), self.places(grid.h), self.places(grid.w)
    )

  def places(self, count: int) -> np.ndarray:
    """Returns where rows or columns are."""
    return np.arange(count, dtype=float)

  def rates(self, channels: int) -> np.ndarray:
    half = channels // 3 // 2
    rates = np.zeros((3, channels))
    for axis in range(3):
      start = axis * 2 * half
      frequency = 1e4 ** (-np.arange(half) / max(half, 1))
      rates[axis, start : start + 2 * half] = self.spread(frequency)
    return rates

  def spread(self, frequency: np.ndarray) -> np.ndarray:
    """Returns the frequency of each of m channels, of m / 2 frequencies."""
    return np.repeat(frequency, 2)


@dataclasses.dataclass(frozen=True)
class Tiled(Thirds):
  """V-JEPA 2's: all frequencies, and then all again.

  The channels of a plane have different ones, so it is not quite turned. The
  authors' code calls that a mistake, with which the weights were trained.
  """

  def spread(self, frequency: np.ndarray) -> np.ndarray:
    return np.tile(frequency, 2)


@dataclasses.dataclass(frozen=True)
class Stretched(Thirds):
  """V-JEPA 2.1's: the first and last rows are 15 apart, and so are columns."""

  last: ClassVar[float] = 15.0

  def places(self, count: int) -> np.ndarray:
    # A single row is the first.
    return np.arange(count) * self.last / max(count - 1, 1)


class VJEPA2(vit.ViT):
  """V-JEPA 2's encoder.

  Attributes:
    tubelet: frames that a token covers.
  """

  rotary: ClassVar[rotary.Rotary | None] = Tiled()

  tubelet: ranges.Count = 2

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.mark(self.embed(video, self.tubelet))
    clip = Grid(*x.shape[1:4])
    encoder = self.encoder('Transformer', self.tubelet, positions=False)
    _, x = clip.to_volume(encoder(clip.flatten(x), clip, train))
    x = self.norm('norm')(x)
    return Features(x, x.mean((1, 2, 3)))

  @nn.nowrap
  def mark(self, x: jax.Array) -> jax.Array:
    """Adds to tokens what their encoder is told of the clip."""
    return x


class VJEPA21(VJEPA2):
  """V-JEPA 2.1's encoder of videos; that of images embeds them otherwise."""

  rotary: ClassVar[rotary.Rotary | None] = Stretched()

  @nn.nowrap
  def mark(self, x: jax.Array) -> jax.Array:
    modality = self.param(
      'modality', nn.initializers.normal(1e-6), (self.width,)
    )
    return x + modality.astype(x.dtype)


_KINDS = {'v2': VJEPA2, 'v2_1': VJEPA21}


def build(
  *,
  kind: Annotated[str, ranges.OneOf(_KINDS)] = 'v2',
  variant: Annotated[str, ranges.OneOf(VARIANTS)] | None = None,
  **fields,
) -> VJEPA2:
  """Builds an encoder.

  Args:
    kind: 'v2', or 'v2_1'.
    variant: 'B', 'L', 'H', 'g' or 'G': its width, depth, heads and mlp. Without
      it, `fields` must have these four.
    **fields: of the class; they precede the variant's.

  Raises:
    ValueError: if there is no such kind, variant or field.
  """
  options.hold({'kind': kind}, options.hints(build), 'config.backbone')
  return variants.make(_KINDS[kind], fields, variant, VARIANTS)
