"""The small networks that judge a video's features."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax

from vidpetl.backbones import torch_layers


class Mlp(nn.Module):
  """Linear layers with ReLU between them, initialised as PyTorch does.

  Attributes:
    widths: outputs of each layer.
  """

  widths: Sequence[int]

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., d] to [..., widths[-1]]."""
    for number, width in enumerate(self.widths):
      x = nn.relu(x) if number else x
      bias = torch_layers.uniform(x.shape[-1])
      x = torch_layers.dense(x, width, f'layer{number + 1}', bias=bias)
    return x
