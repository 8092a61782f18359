"""What probes with learned queries share."""

from __future__ import annotations

import flax.linen as nn
import jax

from vidpetl.tasks.probes import probe


def check_heads(heads: int, width: int) -> None:
  """Raises ValueError unless a width can be split into heads."""
  if width % heads:
    raise ValueError(
      f'probe.heads={heads}: {width} channels cannot be split into {heads} '
      f'heads; {probe.divisor(width, heads)} would do'
    )


def heads_of(asked: int, d: int) -> int:
  """Returns how many heads there are, where 0 is one for 64 channels."""
  return asked or probe.divisor(d, d // 64)


def learned(module: nn.Module, name: str, count: int, d: int) -> jax.Array:
  """Returns a parameter [count, d], from N(0, 0.02^2)."""
  return module.param(name, nn.initializers.normal(0.02), (count, d))
