"""Side4Video: a spatio-temporal side network (Yao et al. 2023)."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import activations, dense, layers, torch_layers
from vidpetl.petl import side

_HEAD = 64  # Channels of a head.
_BLOCKS = 12  # By which the authors' initial scales go, however many there are.

_EPSILON = 1e-5
_AROUND = [(0, 0), (1, 1), (0, 0), (0, 0)]

normal = nn.initializers.normal


class Side4Video(side.Side):
  """A side network of its own video embedding, fed by blocks.

    s_i = B_i((s_(i-1) + P_i(LayerNorm(b_i))) / 2),  s_0 = BN(Conv3D(video)),

  with b_i what the i-th block made that is read and P_i a dense layer to width
  s. B_i adds to x in turn

    Conv(BN(x))       dense layers around a convolution of each channel over 3
                      moments;
    Attention(LN(x))  of a frame's tokens, to them with their positions and to
                      P_i of the frame's class token, half of whose channels
                      come from the frame after and half from the one before;
    MLP(BN(x)).

  BN(s_n) is the grid, of width s, and its mean the clip. Structure, widths and
  initial scales are those of the authors' code. A backbone without a class
  token in every frame has none in the attention. Where a backbone's token
  covers several frames, so does the embedding, with one frame more on each
  side. Blocks on another grid than the features', as Video Swin's first
  stages, are brought to it by means.

  In training, BN normalises by the batch, and its running statistics move.

  Attributes:
    width: s, a multiple of 64, or less; a head has 64 channels.
    mlp_ratio: hidden width of each MLP over s.
  """

  width: ranges.Count = 320
  mlp_ratio: ranges.Count = 4

  def __post_init__(self):
    options.hold_fields(self, 'side4video')
    if self.width > _HEAD and self.width % _HEAD:
      raise ValueError(
        f'side4video: width={self.width}: it must be a multiple of {_HEAD}, or '
        'less'
      )
    super().__post_init__()

  @nn.compact
  def __call__(self, y: side.Features, given, grid) -> side.Features:
    """Returns features [b, t, h, w, s] and [b, s]."""
    blocks = self.read('side4video', y, given)
    video, train = given.video.astype(y.grid.dtype), self.training
    stem = Stem(self.width, y.grid.shape[1:4], train, parent=None)
    x = self.run('stem', stem, video)
    place = self.param('positions', normal(0.01), (*x.shape[2:4], self.width))
    rung = Rung(self.width, parent=None)
    own = Block(self.mlp_ratio, train, parent=None)
    for i, block in enumerate(blocks):
      fed, cls = self.run(f'rung_{i}', rung, block.grid, _cls(block))
      x = self.run(f'block_{i}', own, (x + fed) / 2, cls, place)
    x = _batch_norm(x, 'norm', train)
    return side.ended(y, x, x.mean((1, 2, 3)))


class Stem(nn.Module):
  """BN(Conv3D(video)): tokens of their own for each cell of a grid.

  Attributes:
    width: of a token.
    sizes: of the grid.
    train: whether BN normalises by the batch.
  """

  width: int
  sizes: tuple[int, int, int]
  train: bool = False

  @nn.compact
  def __call__(self, video: jax.Array) -> jax.Array:
    """Maps [b, T, H, W, 3] to [b, *sizes, width]."""
    sizes = self.sizes
    if any(n % size for n, size in zip(video.shape[1:4], sizes)):
      raise ValueError(
        f'side4video: its embedding needs a grid whose sizes divide those of '
        f'the video; {sizes} do not divide {video.shape[1:4]}'
      )
    step, *patch = (n // size for n, size in zip(video.shape[1:4], sizes))
    b, (t, h, w) = video.shape[0], sizes
    # A frame more on each side, zeros around the video.
    around = jnp.pad(video, [(0, 0), (1, 1), (0, 0), (0, 0), (0, 0)])
    x = jnp.stack([around[:, i::step][:, :t] for i in range(step + 2)], 4)
    x = x.reshape(b, t, h, patch[0], w, patch[1], -1).swapaxes(3, 4)
    x = x.reshape(b, t, h, w, -1)
    init = torch_layers.uniform(x.shape[-1])
    x = torch_layers.dense(x, self.width, 'conv', kernel=init, bias=init)
    return _batch_norm(x, 'norm', self.train)


class Rung(nn.Module):
  """P(LayerNorm(b)), of a volume and of class tokens.

  Attributes:
    width: s.
  """

  width: int

  @nn.compact
  def __call__(
    self, b: jax.Array, cls: jax.Array | None
  ) -> tuple[jax.Array, jax.Array | None]:
    """Maps [b, t, h, w, d] and [b, t, 1, d], if any, to width s."""
    norm = layers.layer_norm(b.dtype, 'norm', _EPSILON)
    project = dense.Dense(
      (self.width,),
      dtype=b.dtype,
      kernel_init=normal((2 * self.width) ** -0.5),
      bias_init=torch_layers.uniform(b.shape[-1]),
      name='project',
    )
    return tuple(x if x is None else project(norm(x)) for x in (b, cls))


class Block(nn.Module):
  """B: what adds to a volume in turn, see `Side4Video`.

  Attributes:
    mlp_ratio: hidden width of the MLP over s.
    train: whether BN normalises by the batch.
  """

  mlp_ratio: int
  train: bool = False

  @nn.compact
  def __call__(
    self, x: jax.Array, cls: jax.Array | None, place: jax.Array
  ) -> jax.Array:
    """Maps [b, t, h, w, s] to the same shape.

    Args:
      x: the volume.
      cls: class tokens of frames, [b, t, 1, s], or None.
      place: positions, [h, w, s].
    """
    x = x + self.convolved(_batch_norm(x, 'norm_conv', self.train))
    placed = dense.placed(x, place.astype(x.dtype))
    x = x + self.attended(placed, cls)
    return x + self.mlp(_batch_norm(x, 'norm_mlp', self.train))

  @nn.nowrap
  def convolved(self, x: jax.Array) -> jax.Array:
    s = x.shape[-1]
    each = functools.partial(torch_layers.dense, bias=torch_layers.uniform(s))
    x = each(x, s, 'conv_in')
    x = torch_layers.DepthwiseConv((3, 1, 1), name='conv')(x)
    return each(x, s, 'conv_out')

  @nn.nowrap
  def attended(self, x: jax.Array, cls: jax.Array | None) -> jax.Array:
    b, t, h, w, s = x.shape
    rows = x.reshape(b, t, h * w, s)
    if cls is not None:
      rows = jnp.concatenate([_shifted(cls), rows], axis=2)
    rows = layers.layer_norm(x.dtype, 'norm_attention', _EPSILON)(rows)
    attention = side.Attention(
      max(s // _HEAD, 1),
      normal(s**-0.5),
      normal((2 * _BLOCKS * s) ** -0.5),
      name='attention',
    )
    return attention(rows[:, :, -h * w :], rows).reshape(x.shape)

  @nn.nowrap
  def mlp(self, x: jax.Array) -> jax.Array:
    s = x.shape[-1]
    hidden = self.mlp_ratio * s
    x = torch_layers.dense(
      x, hidden, 'fc1', kernel=normal((2 * s) ** -0.5),
      bias=torch_layers.uniform(s),
    )  # fmt: skip
    return torch_layers.dense(
      activations.gelu(x), s, 'fc2', kernel=normal((2 * _BLOCKS * s) ** -0.5),
      bias=torch_layers.uniform(hidden),
    )  # fmt: skip


def _cls(block: side.Block) -> jax.Array | None:
  """Returns the class tokens of frames, [b, t, 1, d]; None without them."""
  if block.rows != 'frame' or block.lead is None or not block.lead.shape[2]:
    return None
  return block.lead[:, :, :1]


def _shifted(cls: jax.Array) -> jax.Array:
  """Takes half of the channels from the frame after, half from before."""
  after, before = jnp.split(jnp.pad(cls, _AROUND), [cls.shape[-1] // 2], -1)
  return jnp.concatenate([after[:, 2:], before[:, :-2]], -1)


def _batch_norm(x: jax.Array, name: str, train: bool) -> jax.Array:
  """Normalises [..., s], by the batch in training."""
  return nn.BatchNorm(
    use_running_average=not train,
    momentum=0.9,
    epsilon=_EPSILON,
    dtype=x.dtype,
    name=name,
  )(x)


build = Side4Video
