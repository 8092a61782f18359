"""Ladder side-tuning (LST, Sung et al. 2022)."""

from __future__ import annotations

import flax.linen as nn
import jax

from vidpetl import options, ranges
from vidpetl.backbones import layers, torch_layers
from vidpetl.petl import side


class Ladder(side.Side):
  """A transformer of width s = d / r beside the backbone, fed by rungs.

    h_i = S_i(mu_i D_i b_i + (1 - mu_i) h_(i-1)),  mu_i = sigmoid(a_i / T),

  with b_i what the i-th block made that is read, D_i a dense layer to width s,
  and S_i a pre-norm block as the backbone's, in which the same tokens attend
  to each other. Behind the last, Up(LayerNorm(h)), of width d, is the grid,
  and its mean the clip. a_i is 0 at first, so that a rung and the ladder weigh
  the same; layers start as PyTorch's do. The paper starts S_i from pruned
  layers of the backbone, which is not done here; it also has a rung at the
  embedding, where here h_1 = S_1(D_1 b_1). Class tokens are left to the
  backbone. Blocks on another grid than the features', as Video Swin's first
  stages, are brought to it by means.

  Attributes:
    reduction: r; 8 in the paper.
    heads: of each attention; see `side.Transformer`.
    mlp_ratio: hidden width of each MLP over s.
    temperature: T; 0.1 in the paper's code.
  """

  reduction: ranges.Count = 8
  heads: ranges.Count = 4
  mlp_ratio: ranges.Count = 4
  temperature: ranges.Positive = 0.1

  def __post_init__(self):
    options.hold_fields(self, 'ladder')
    super().__post_init__()

  @nn.compact
  def __call__(self, y: side.Features, given, grid) -> side.Features:
    """Returns features [b, t, h, w, d] and [b, d]."""
    blocks = self.read('ladder', y, given)
    d = y.grid.shape[-1]
    h = None
    for i, block in enumerate(blocks):
      s = max(d // self.reduction, 1)
      rung = torch_layers.dense(block.grid, s, f'down_{i}')
      x = rung if h is None else self.gated(f'gate_{i}', rung, h)
      own = (self.heads, self.mlp_ratio, block.rows)
      h = self.run(f'block_{i}', side.Transformer(*own, parent=None), x)
    h = layers.layer_norm(h.dtype, 'norm')(h)
    grid = torch_layers.dense(h, d, 'up')
    return side.ended(y, grid, grid.mean((1, 2, 3)))

  @nn.nowrap
  def gated(self, name: str, rung: jax.Array, h: jax.Array) -> jax.Array:
    """Returns mu rung + (1 - mu) h."""
    gate = self.param(name, nn.initializers.zeros, ())
    mu = nn.sigmoid(gate / self.temperature).astype(h.dtype)
    return mu * rung + (1 - mu) * h


build = Ladder
