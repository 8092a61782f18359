"""Methods of linear adapters, which merge to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl.recipes.bound import Bound
from vidpetl.recipes.placing import Method, at


def rep_adapter(sites: Sequence[str] = ('attn_in', 'mlp_in')) -> Method:
  """RepAdapter (Luo et al. 2023): linear adapters that merge to nothing.

  x + s Up(Down(x)), Up in two groups as in the code (luogen1996/RepAdapter).

  Args:
    sites: attn_in alone is its variant for attention.
  """
  usual = {'bottleneck': 8, 'groups': 2, 'initial': 'xavier', 'dropout': 0.1}
  return _linear(sites, {**usual, 'scale': 1.0})


def zeroi2v(
  sites: Sequence[str] = ('attn_in', 'attn', 'mlp_in', 'mlp'),
  temporal: bool = True,
) -> Method:
  """ZeroI2V (Li et al. 2024): an image model sees time, at no cost.

  Some heads attend to other frames (`head_shift`), and linear adapters around
  both branches merge to nothing. As in the authors' code (MCG-NJU/ZeroI2V)
  there is an embedding of time, and the last LayerNorm trains.

  Args:
    sites: of the adapters; its `num_tadapter=1` has none behind the MLP.
    temporal: whether heads look at other frames, and there is the embedding.
  """
  usual = {'ratio': 0.25, 'scale': 0.5, 'initial': 'aim', 'dropout': 0.1}
  adapters, trained = _linear(sites, usual)
  time = [Bound('tokens', 'time_embedding'), Bound('attn_qkv', 'head_shift')]
  bound = (*(time if temporal else ()), *adapters)
  return bound, (*trained, '^backbone/norm/')


def _linear(sites: Sequence[str], defaults: Mapping[str, Any]) -> Method:
  """Adapters that merge."""
  fixed = {'mode': 'sequential', 'activation': 'none', 'norm': 'none'}
  return at(sites, 'adapter', fixed=fixed, defaults=defaults)
