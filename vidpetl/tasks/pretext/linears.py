"""The head of all pretext tasks: linear layers side by side on the summary."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import dropout
from vidpetl.backbones import features as features_lib
from vidpetl.tasks import heads


class Linears(heads.Reader):
  """y_k = W_k dropout_k(z) + b_k, with z the summary of the clip, or a probe's.

  Attributes:
    sizes: name of each layer and its number of outputs.
    dropout: probability with which each layer drops features, by a mask of its
      own; in training only.
  """

  sizes: tuple[tuple[str, int], ...]
  dropout: float = 0.0

  @nn.compact
  def __call__(self, features: features_lib.Features) -> dict[str, jax.Array]:
    """Returns float32 [b, ..., size] by name."""
    train = self.has_rng('dropout')
    drop = dropout.Dropout(self.dropout, not train)
    z = self.summary(features, train)
    return {
      name: nn.Dense(
        size,
        kernel_init=heads.INITIALS['uniform'],
        dtype=jnp.float32,
        name=name,
      )(drop(z))
      for name, size in self.sizes
    }
