"""Rules of V-JEPA 2's attentive probe, whoever publishes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl.weights import rules, transformers
from vidpetl.weights.errors import WeightsError

# Below the head.
PROBE = 'probe'
BLOCK = f'{PROBE}/block_{{i}}'
POOLING = f'{PROBE}/attention'
_KEY_BIAS = f'head/{POOLING}/key/bias'

# Heads of every probe that its authors trained, whatever the width.
HEADS = 16
# Of the blocks that a probe reads.
LAST = 'last'

# A probe's heads and their channels, which are not the backbone's.
WEIGHT, BIAS, OUT = '(g p) i -> i g p', '(g p) -> g p', 'o (g p) -> g p o'
FUSED_WEIGHT, FUSED_BIAS = '(n g p) i -> n i g p', '(n g p) -> n g p'


def split(theirs: Mapping[str, str], attention: str) -> list[rules.Rule]:
  """Rules of layers that make the parts of an attention.

  Args:
    theirs: 'query', 'key' or 'value' -> name of their layer.
    attention: our module.
  """
  found = []
  for part, name in theirs.items():
    ours = f'{attention}/{part}'
    found.append(rules.rule(f'{name}.weight', f'{ours}/kernel', WEIGHT))
    found.append(rules.rule(f'{name}.bias', f'{ours}/bias', BIAS))
  return found


def fused(
  theirs: str, parts: tuple[str, ...], attention: str
) -> list[rules.Rule]:
  """Rules of one layer that makes several parts of an attention."""
  of = lambda leaf: [f'{attention}/{part}/{leaf}' for part in parts]
  return [
    rules.rule(f'{theirs}.weight', of('kernel'), FUSED_WEIGHT),
    rules.rule(f'{theirs}.bias', of('bias'), FUSED_BIAS),
  ]


def around(
  theirs: str, norms: tuple[str, str], ours: tuple[str, str, str]
) -> list[rules.Rule]:
  """Rules of two norms and an MLP.

  Args:
    theirs: name of the block that has them.
    norms: names of the norms in it.
    ours: our norms and MLP.
  """
  *mine, mlp = ours
  return [
    *(
      each
      for name, at in zip(norms, mine)
      for each in rules.norm(f'{theirs}.{name}', at)
    ),
    *rules.dense(f'{theirs}.mlp.fc1', f'{mlp}/Dense_0'),
    *rules.dense(f'{theirs}.mlp.fc2', f'{mlp}/Dense_1'),
  ]


def in_block(theirs: str, norms: tuple[str, str]) -> list[rules.Rule]:
  names = ('LayerNorm_0', 'LayerNorm_1', 'MlpBlock_0')
  return around(theirs, norms, tuple(f'{BLOCK}/{name}' for name in names))


def in_pooler(theirs: str, norms: tuple[str, str]) -> list[rules.Rule]:
  names = ('attention_norm', 'mlp_norm', 'mlp')
  return around(theirs, norms, tuple(f'{PROBE}/{name}' for name in names))


def block_attention() -> str:
  return f'{BLOCK}/{transformers.ATTENTION}'


def finish(arrays: dict[str, Any]) -> dict[str, Any]:
  """Drops the pooling's bias of keys, which changes none of its weights."""
  return {name: a for name, a in arrays.items() if name != _KEY_BIAS}


def restore(
  arrays: Mapping[str, Any], backbone: Mapping[str, Any]
) -> dict[str, Any]:
  """Adds that bias, which is 0."""
  del backbone
  query = arrays.get(_KEY_BIAS.replace('key', 'query'))
  if query is None:
    return dict(arrays)
  return {**arrays, _KEY_BIAS: np.zeros_like(query)}


def heads(arrays: Mapping[str, Any]) -> int:
  """Returns how many heads a head's probe has, 0 where there is none."""
  query = arrays.get(f'head/{POOLING}/query/kernel')
  return 0 if query is None else query.shape[1]


def settled(
  arrays: Mapping[str, Any], told: Mapping[str, Any], epsilon: float
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Returns arrays, and `config.tasks.<task>.probe`; {} where there is none.

  A probe may read several blocks, each behind the encoder's last norm, which
  becomes the probe's own.

  Args:
    arrays: of the backbone, and those of the head below 'head/'.
    told: settings, of which `probe_layers` are the blocks, or 'last'.
    epsilon: of its LayerNorms, which no array shows.
  """
  if f'head/{PROBE}/attention_norm/scale' not in arrays:
    return dict(arrays), {}
  probe = _shown(arrays, epsilon)
  layers = told.get('probe_layers', LAST)
  if layers == LAST:
    return dict(arrays), probe
  norm = {
    f'head/{PROBE}/norm/{leaf}': arrays[f'norm/{leaf}']
    for leaf in ('scale', 'bias')
  }
  blocks = {'layers': tuple(layers), 'combine': 'tokens', 'norm': 'layer'}
  return {**arrays, **norm}, {**probe, **blocks}


def without_norm(arrays: Mapping[str, Any]) -> dict[str, Any]:
  """Returns arrays without a probe's copy of the encoder's norm."""
  start = f'head/{PROBE}/'
  same = lambda name, array: np.array_equal(
    arrays.get(name.removeprefix(start), ()), array
  )
  return {
    name: array
    for name, array in arrays.items()
    if not (name.startswith(f'{start}norm/') and same(name, array))
  }


def _shown(arrays: Mapping[str, Any], epsilon: float) -> dict[str, Any]:
  """Returns fields of a probe that arrays show, and its epsilon."""
  start = f'head/{PROBE}/block_'
  blocks = {n[len(start) :].split('/')[0] for n in arrays if start in n}
  found = {'kind': 'attentive', 'depth': len(blocks), 'heads': heads(arrays)}
  queries, width = arrays[f'head/{PROBE}/queries'].shape
  hidden = arrays[f'head/{PROBE}/mlp/Dense_0/kernel'].shape[1]
  return {
    **found,
    'queries': queries,
    'mlp_ratio': hidden // width,
    'epsilon': epsilon,
  }


def require_heads(arrays: Mapping[str, Any], wanted: int, whose: str) -> None:
  """Raises WeightsError for a probe with other heads than a class computes."""
  found = heads(arrays)
  if found and found != wanted:
    raise WeightsError(
      f'its probe has {found} heads, and {whose} computes {wanted}, those of '
      'the backbone: leave out --head, or write it as vjepa2_probe'
    )
