"""The group-aware regression tree of CoRe (Yu et al. 2021)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import torch_layers
from vidpetl.tasks import heads
from vidpetl.tasks.quality import mlp


class RegressionTree(heads.Reader):
  """Finds the leaf of a score difference, and its place in each leaf.

  Every node of a level has features of its own, from which it decides between
  its two children, and of which it makes their features. The probability of a
  leaf is the product of the decisions on the way to it.

  Attributes:
    depth: levels of nodes; the last one's are the 2^(depth - 1) leaves.
    width: features of a node.
  """

  depth: int = 5
  width: int = 256

  @nn.compact
  def __call__(
    self, query: jax.Array, exemplar: jax.Array, reference: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Compares queries with exemplars.

    Args:
      query: features [..., d].
      exemplar: features [..., d].
      reference: label of the exemplar, as a fraction of the range [...].

    Returns:
      Log-probabilities of the leaves and the place in each of them, where 0 and
      1 are its ends; both float32 [..., leaves].
    """
    x = jnp.concatenate([exemplar, query, reference[..., None]], -1)
    x = nn.relu(mlp.Mlp((self.width,), name='root')(x.astype(jnp.float32)))
    x = x[..., None, :]  # [..., nodes, width]
    log_p = jnp.zeros(x.shape[:-1])
    for level in range(1, self.depth):
      decision = PerNode(2, name=f'decision{level}')(x)
      log_p = (log_p[..., None] + jax.nn.log_softmax(decision)).reshape(
        *log_p.shape[:-1], -1
      )
      children = PerNode(2 * self.width, name=f'children{level}')(x)
      x = nn.relu(children).reshape(*log_p.shape, self.width)
    return log_p, PerNode(1, name='place')(x)[..., 0]


class PerNode(nn.Module):
  """A linear layer of its own for each node.

  Attributes:
    features: that each gives.
  """

  features: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., nodes, width] to [..., nodes, features]."""
    nodes, width = x.shape[-2:]
    init = torch_layers.uniform(width)
    kernel = self.param('kernel', init, (nodes, width, self.features))
    bias = self.param('bias', init, (nodes, self.features))
    return jnp.einsum('...nw,nwf->...nf', x, kernel) + bias
