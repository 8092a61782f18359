"""Vision transformers as five publications have them.

  MAE        images (He et al. 2022); of a clip, every frame by itself.
  AugReg     the same with the GELU of JAX (Steiner et al. 2022).
  DINOv2     the same with patches of 14 pixels (Oquab et al. 2024).
  VideoMAE   tubelets of a clip, all of which attend to each other, with fixed
             positions and keys without bias (Tong et al. 2022); VideoMAE V2's
             are these, and one of 10^9 parameters (Wang et al. 2023).
  CLIP       images, with a LayerNorm before the blocks and QuickGELU (Radford
             et al. 2021); of a clip, every frame by itself.

Names and shapes of parameters are those of `vivit.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import options, ranges
from vidpetl.backbones import (
  activations,
  blocks,
  features,
  layers,
  norms,
  variants,
)
from vidpetl.backbones import remat as remat_lib
from vidpetl.backbones import rotary as rotary_lib
from vidpetl.backbones import site as site_lib

Features = features.Features
Grid = site_lib.Grid

VARIANTS = {
  'S': {'width': 384, 'depth': 12, 'heads': 6, 'mlp': 1536},
  'B': {'width': 768, 'depth': 12, 'heads': 12, 'mlp': 3072},
  'L': {'width': 1024, 'depth': 24, 'heads': 16, 'mlp': 4096},
}


def sinusoids(length: int, width: int) -> np.ndarray:
  """Returns fixed positions [length, width], float32.

  p(i, 2 j) = sin(i / 10000^(2 j / width)), p(i, 2 j + 1) = cos of the same.
  """
  rate = 10000.0 ** (-2 * (np.arange(width) // 2) / width)
  angle = np.arange(length)[:, None] * rate
  odd = np.arange(width) % 2
  return np.where(odd, np.cos(angle), np.sin(angle)).astype(np.float32)


class ViT(nn.Module):
  """What they share.

  Attributes:
    width: d of a token.
    depth: number of blocks.
    heads: of each attention.
    mlp: hidden width of each MLP.
    patch: side of the square that a token covers, in pixels.
    stochastic_depth: rate of the last block; rates grow linearly from 0.
    epsilon: of all LayerNorms.
    activation: of the MLPs, one of `activations.ACTIVATIONS`.
    remat: what the backward pass computes again, to save memory: False is
      nothing, True or 'nothing' all of each block; 'dots' keeps its products,
      'dense' those of its dense layers. A number n is all of each n-th block.
      'offload' is True, with what blocks are given in the host's memory.
    scan: compile blocks that are alike once, as a loop. What is computed, and
      the names of parameters, stay as they are.
    dtype: of the computation; parameters are float32.
  """

  key_bias: ClassVar[bool] = True
  # Its published sizes.
  variants: ClassVar[Mapping[str, Mapping[str, int]]] = VARIANTS
  # Its blocks, and how they turn queries and keys.
  block: ClassVar[type[layers.Block]] = layers.Block
  rotary: ClassVar[rotary_lib.Rotary | None] = None
  # Tokens behind the class token that have no place in a frame (Darcet et al.
  # 2024), and whether MLPs are gated: fields of those that have them.
  registers: ClassVar[int] = 0
  gated: ClassVar[bool] = False

  width: ranges.Count = 768
  depth: ranges.Count = 12
  heads: ranges.Count = 12
  mlp: ranges.Count = 3072
  patch: ranges.Count = 16
  stochastic_depth: ranges.Rate = 0.0
  epsilon: ranges.Positive = 1e-6
  activation: activations.ActivationName = 'gelu'
  remat: remat_lib.Remat = False
  scan: bool = False
  dtype: Any = jnp.float32

  @nn.nowrap
  def embed(
    self, video: jax.Array, frames: int = 1, use_bias: bool = True
  ) -> jax.Array:
    """Maps [b, T, H, W, 3] to [b, t, h, w, d]."""
    return layers.Embedding(
      self.width,
      (frames, self.patch, self.patch),
      self.dtype,
      use_bias,
      name='embedding',
    )(video)

  @nn.nowrap
  def encoder(self, name: str, frames: int = 1, **options) -> layers.Encoder:
    block = functools.partial(
      layers.GatedBlock if self.gated else self.block,
      heads=self.heads,
      mlp=self.mlp,
      rescale=True,
      dtype=self.dtype,
      activation=self.activation,
      epsilon=self.epsilon,
      key_bias=self.key_bias,
      rotary=self.rotary,
    )
    return layers.Encoder(
      block,
      self.depth,
      self.stochastic_depth,
      self.dtype,
      post_norm=False,
      epsilon=self.epsilon,
      patch=frames * self.patch**2,
      running=blocks.Running(self.scan, self.remat),
      name=name,
      **options,
    )

  @nn.nowrap
  def norm(self, name: str) -> norms.LayerNorm:
    return layers.layer_norm(self.dtype, name, self.epsilon)

  @nn.nowrap
  def encode_frames(
    self, x: jax.Array, train: bool, **options
  ) -> tuple[jax.Array, jax.Array]:
    """Encodes frames [b, t, h, w, d], each with a class token and registers.

    Args:
      x: tokens of the frames.
      train: whether branches are dropped.
      **options: of the `layers.Encoder`.

    Returns:
      Class tokens [b, t, d] and the others [b, t, h, w, d], not normalised;
      registers stay behind.
    """
    frames = Grid(*x.shape[1:4], cls=1 + self.registers, rows='frame')
    x = layers.prepend(self.leading(), frames.flatten(x))
    options = {'registers': self.registers, **options}
    encoder = self.encoder('SpatialTransformer', **options)
    lead, x = frames.to_volume(encoder(x, frames, train))
    return lead[:, :, 0], x

  @nn.nowrap
  def leading(self) -> jax.Array:
    """Returns the class token and the registers, [1, 1 + registers, d]."""
    initial = nn.initializers.normal(0.02)
    token = self.param('cls', initial, (1, 1, self.width))
    if not self.registers:
      return token
    shape = (1, self.registers, self.width)
    return jnp.concatenate([token, self.param('registers', initial, shape)], 1)


Summary = Annotated[str, ranges.OneOf(('mean', 'cls'))]


class MAE(ViT):
  """An image ViT.

  Attributes:
    summary: 'mean' of the patches, then LayerNorm, or the normalised 'cls';
      averaged over frames.
  """

  summary: Summary = 'mean'

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    cls, x = self.encode_frames(self.embed(video), train)
    norm = self.norm('norm')
    read = x.mean((2, 3)) if self.summary == 'mean' else cls
    return Features(norm(x), norm(read).mean(1))


class DINOv2(MAE):
  """Meta's image ViTs, whose LayerScales are folded into their layers.

  Attributes:
    registers: tokens beside the class token that nothing reads in the end.
    gated: whether MLPs are SwiGLUs, as in ViT-g, with `mlp` channels behind
      the gate; `activation` says nothing then.
  """

  summary: Summary = 'cls'
  patch: ranges.Count = 14
  registers: ranges.Natural = 0
  gated: bool = False


class AugReg(MAE):
  """Google's image ViTs: GELU in its tanh form."""

  summary: Summary = 'cls'
  activation: activations.ActivationName = 'gelu_tanh'


class VideoMAE(ViT):
  """A joint space-time ViT without class token.

  Attributes:
    tubelet: frames that a token covers.
    summary: 'mean' of the tokens, then LayerNorm, or the normalised 'first'.
  """

  key_bias: ClassVar[bool] = False
  variants: ClassVar[Mapping[str, Mapping[str, int]]] = {
    **VARIANTS,
    'H': {'width': 1280, 'depth': 32, 'heads': 16, 'mlp': 5120},
    # VideoMAE V2's (Wang et al. 2023).
    'g': {'width': 1408, 'depth': 40, 'heads': 16, 'mlp': 6144, 'patch': 14},
  }

  tubelet: ranges.Count = 2
  summary: Annotated[str, ranges.OneOf(('mean', 'first'))] = 'mean'

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video, self.tubelet)
    clip = Grid(*x.shape[1:4])
    x = clip.flatten(x)
    x += sinusoids(*x.shape[-2:]).astype(x.dtype)
    encoder = self.encoder('Transformer', self.tubelet, positions=False)
    _, x = clip.to_volume(encoder(x, clip, train))
    norm = self.norm('norm')
    read = x.mean((1, 2, 3)) if self.summary == 'mean' else x[:, 0, 0, 0]
    return Features(norm(x), norm(read))


class CLIP(ViT):
  """CLIP's image tower without its projection.

  Attributes:
    summary: 'norm_mean', the mean over frames of normalised class tokens, or
      'mean_norm', the other way round, as ST-Adapter has it.
  """

  variants: ClassVar[Mapping[str, Mapping[str, int]]] = {
    **VARIANTS,
    'L': {**VARIANTS['L'], 'patch': 14},
  }

  summary: Annotated[str, ranges.OneOf(('norm_mean', 'mean_norm'))] = (
    'norm_mean'
  )
  epsilon: ranges.Positive = 1e-5
  activation: activations.ActivationName = 'quick_gelu'

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video, use_bias=False)
    cls, x = self.encode_frames(x, train, pre_norm=True)
    norm = self.norm('norm')
    if self.summary == 'norm_mean':
      return Features(norm(x), norm(cls).mean(1))
    return Features(norm(x), norm(cls.mean(1)))


_KINDS = {
  'mae': MAE,
  'augreg': AugReg,
  'dinov2': DINOv2,
  'videomae': VideoMAE,
  'clip': CLIP,
}

_Variant = Annotated[
  str,
  ranges.OneOf(dict.fromkeys(v for k in _KINDS.values() for v in k.variants)),
]


def build(
  *,
  kind: Annotated[str, ranges.OneOf(_KINDS)],
  variant: _Variant | None = None,
  **fields,
) -> ViT:
  """Builds a ViT.

  Args:
    kind: 'mae', 'augreg', 'dinov2', 'videomae' or 'clip'.
    variant: one of the kind's `variants`, such as 'B': its width, depth, heads
      and mlp, and its patch where that is another than the kind's. Without it,
      `fields` must have these four.
    **fields: of the class that `kind` names; they precede the variant's.

  Raises:
    ValueError: if there is no such kind, variant or field.
  """
  options.hold({'kind': kind}, options.hints(build), 'config.backbone')
  model = _KINDS[kind]
  return variants.make(model, fields, variant, model.variants)
