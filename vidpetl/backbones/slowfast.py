"""SlowFast and its slow pathway alone (Feichtenhofer et al. 2019).

Two 3-D ResNets of bottlenecks see one clip: the fast pathway all of its frames
with few channels, the slow one every alpha-th. Before each stage a convolution
in time brings what the fast pathway has made to the slow one. Convolutions are
in time or in space; the slow pathway has those in time in its last two stages.

`grid` has the channels of both, the fast one's averaged over the alpha frames
that go with one of the slow pathway's. So its mean over time is what the heads
of PySlowFast read, for clips and for people alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import ranges
from vidpetl.backbones import convolution, features, tapping, variants

VARIANTS = {
  'R50': {'depths': (3, 4, 6, 3)},
  'R101': {'depths': (3, 4, 23, 3)},
}

# Frames that kernels see: in the stem, and in the stages.
_STEM = {'slow': 1, 'fast': 5}
_STAGES = {'slow': (1, 1, 3, 3), 'fast': (3, 3, 3, 3)}
_EXPANSION = 4  # Of a bottleneck.
_RATIO = 2  # Channels that go to the slow pathway, over the fast one's.
_POOL = (1, 3, 3)
_HALVED = (1, 2, 2)


def slow_frames(count: int, alpha: int) -> np.ndarray:
  """Returns which of a clip's frames the slow pathway sees, by its authors.

  They are spread from the first to the last, both included, and rounded down:
  of 32 frames and alpha = 4, 0, 4, 8, 13, ..., 31. In float32, from both ends,
  as `torch.linspace` computes.
  """
  n = count // alpha
  step = np.float32(count - 1) / np.float32(max(n - 1, 1))
  places = np.arange(n, dtype=np.float32)
  ahead, behind = places * step, np.float32(count - 1) - places[::-1] * step
  return np.where(places < max(n // 2, 1), ahead, behind).astype(int)


class Bottleneck(nn.Module):
  """Convolutions in time, in space, and of channels, and a shortcut.

  Sites: those of `convolution.residual`.

  Attributes:
    width: of its first two convolutions; it gives four times that.
    frames: that the first one's kernel sees.
    stride: along h and w, of the second.
    unit: makes convolutions with BatchNorm.
    spatial: makes the second.
  """

  width: int
  frames: int
  stride: int
  unit: Callable[..., nn.Module]
  spatial: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t, h', w', 4 width]."""
    out, strides = _EXPANSION * self.width, (1, self.stride, self.stride)

    def branch(y):
      y = self.unit(self.width, (self.frames, 1, 1), name='a')(y)
      y = self.spatial(self.width, (1, 3, 3), strides, name='b')(y)
      return self.unit(out, relu=False, name='c')(y)

    shortcut = None
    if self.stride > 1 or x.shape[-1] != out:
      shortcut = self.unit(
        out, convolution.ONE, strides, relu=False, name='shortcut'
      )
    return convolution.residual(x, branch, shortcut)


class SlowFast(convolution.ConvNet):
  """SlowFast without its classifier.

  Attributes:
    width: of the slow pathway's stem; a stage gives 4, 8, 16, 32 times that.
    depths: blocks of each stage, of both pathways.
    fast: whether there is a fast pathway. Without one the slow pathway sees
      all frames, and `alpha`, `beta` and `lateral` are of no account.
    alpha: frames of the fast pathway for one of the slow; divides a clip's.
    beta: how many times narrower the fast pathway is.
    lateral: frames that the kernels between the pathways see.
    dilated: whether the last stage keeps its grid, and its kernels' taps in
      space are two cells apart, as PySlowFast has it for people.
  """

  width: ranges.Count = 64
  depths: ranges.Counts = (3, 4, 6, 3)
  fast: bool = True
  alpha: ranges.Count = 4
  beta: ranges.Count = 8
  lateral: ranges.Count = 7
  dilated: bool = False

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    """Maps [b, T, H, W, 3] to a grid [b, T / alpha, H / 32, W / 32, 2304].

    Without a fast pathway it is [b, T, H / 32, W / 32, 2048]; dilated, height
    and width are those over 16.

    Raises:
      ValueError: if alpha does not divide T.
    """
    unit = self.unit(train, kernel_init=convolution.FAN_OUT)
    apart = self.unit(train, kernel_init=convolution.FAN_OUT, dilation=2)
    block = self.block(Bottleneck)
    x = {
      name: self.begin(unit, name, clip)
      for name, clip in self.clips(video).items()
    }
    for i, depth in enumerate(self.depths):
      x = self.joined(unit, i, x) if self.fast else x
      last = self.dilated and i == len(self.depths) - 1
      for j in range(depth):
        x = {
          name: block(
            self.width_of(name) * 2**i,
            _STAGES[name][i],
            2 if i and not j and not last else 1,
            unit,
            apart if last else unit,
            name=f'{name}_stage{i + 1}_block{j}',
          )(volume)
          for name, volume in x.items()
        }
        if tapping.is_asked():
          tapping.tap(self.together(x))
    grid = self.together(x)
    return features.Features(grid, grid.mean((1, 2, 3)))

  @nn.nowrap
  def width_of(self, pathway: str) -> int:
    return self.width // (self.beta if pathway == 'fast' else 1)

  @nn.nowrap
  def clips(self, video: jax.Array) -> dict[str, jax.Array]:
    """Returns what each pathway sees of a video."""
    if not self.fast:
      return {'slow': video}
    frames = video.shape[1]
    if frames % self.alpha:
      raise ValueError(
        f'clips of {frames} frames: SlowFast needs a multiple of '
        f'config.backbone.alpha={self.alpha}'
      )
    return {'slow': video[:, slow_frames(frames, self.alpha)], 'fast': video}

  @nn.nowrap
  def begin(
    self, unit: Callable[..., nn.Module], pathway: str, clip: jax.Array
  ) -> jax.Array:
    """Returns what the stem of a pathway makes of its clip."""
    kernel = (_STEM[pathway], 7, 7)
    x = unit(self.width_of(pathway), kernel, _HALVED, name=f'{pathway}_stem')(
      clip
    )
    pads = convolution.centred(x.shape[1:4], _POOL, _HALVED)
    return convolution.max_pool(x, _POOL, _HALVED, pads)

  @nn.nowrap
  def joined(
    self,
    unit: Callable[..., nn.Module],
    stage: int,
    x: Mapping[str, jax.Array],
  ) -> dict[str, jax.Array]:
    """Returns volumes with the fast pathway's channels in the slow one."""
    fast = x['fast']
    lateral = unit(
      _RATIO * fast.shape[-1],
      (self.lateral, 1, 1),
      (self.alpha, 1, 1),
      name=f'lateral{stage + 1}',
    )
    slow = jnp.concatenate([x['slow'], lateral(fast)], -1)
    return {'slow': slow, 'fast': fast}

  @nn.nowrap
  def together(self, x: Mapping[str, jax.Array]) -> jax.Array:
    """Returns both pathways on the slow one's grid, [b, t, h, w, d]."""
    if not self.fast:
      return x['slow']
    b, frames, *rest = x['fast'].shape
    parts = x['fast'].reshape(b, frames // self.alpha, self.alpha, *rest)
    return jnp.concatenate([x['slow'], parts.mean(2)], -1)


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> SlowFast:
  """Builds a SlowFast, or its slow pathway.

  Args:
    variant: 'R50' or 'R101': its depths. Without it, `fields` must have them.
    **fields: of `SlowFast`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant, field or value.
  """
  model = variants.make(SlowFast, fields, variant, VARIANTS)
  if len(model.depths) > len(_STAGES['slow']):
    raise ValueError(
      f'config.backbone.depths={model.depths} of SlowFast: it has at most '
      f'{len(_STAGES["slow"])} stages'
    )
  if model.fast and model.width % model.beta:
    raise ValueError(
      f'config.backbone.width={model.width} of SlowFast is no multiple of '
      f'beta={model.beta}'
    )
  if model.fast and not model.lateral % 2:
    raise ValueError(
      f'config.backbone.lateral={model.lateral} of SlowFast must be odd'
    )
  return model
