"""Rules and layouts that families of MViTv2 share."""

from __future__ import annotations

from collections.abc import Sequence

from vidpetl.weights import rules, settings, staged, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Shapes

# Mean and standard deviation of pixels in [0, 1].
PIXELS = (0.45, 0.225)

UNSHOWN = (
  settings.Unshown('key_strides', {(1, 8, 8): 'what S and B have'}, (1, 8, 8)),
)

_POOL = 'c 1 t h w -> t h w c'
_PATCH = (2, 4, 4)


def block(
  *,
  pool: str,
  norm: str,
  out: str,
  mlp: Sequence[str],
  shortcut: str,
  separate: bool = False,
) -> list[rules.Rule]:
  """Rules of a block, below `blocks.{i}`.

  Args:
    pool: name of a pooling, with '*' for q, k or v.
    norm: of the LayerNorm behind it.
    out: of the layer behind the attention.
    mlp: of an MLP's layers.
    shortcut: of the layer of blocks that begin a stage.
    separate: whether queries, keys and values are layers of their own.
  """
  theirs, ours = 'blocks.{i}', f'{staged.ENCODER}/{transformers.BLOCK}'
  attention, at = f'{ours}/{transformers.ATTENTION}', f'{theirs}.attn'
  found = [
    *rules.norm(f'{theirs}.norm1', f'{ours}/LayerNorm_0'),
    *rules.norm(f'{theirs}.norm2', f'{ours}/LayerNorm_1'),
    *rules.heads_out(f'{at}.{out}', attention),
    *rules.dense(f'{theirs}.{mlp[0]}', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{theirs}.{mlp[1]}', f'{ours}/MlpBlock_0/Dense_1'),
    *rules.optional(rules.dense(f'{theirs}.{shortcut}', f'{ours}/proj')),
  ]
  if separate:
    names = [f'{at}.{name}' for name in 'qkv']
    found += rules.heads([*names, ''], attention)[:6]
  else:
    found += rules.fused((f'{at}.qkv.weight', f'{at}.qkv.bias'), attention)
  for name in 'qkv':
    here = f'{attention}/pool_{name}'
    weight = f'{at}.{pool.replace("*", name)}.weight'
    found.append(rules.rule(weight, f'{here}/kernel', _POOL))
    found += rules.norm(f'{at}.{norm.replace("*", name)}', f'{here}/norm')
  return found + [
    rules.rule(f'{at}.rel_pos_{axis}', f'{attention}/rel_pos_{axis}')
    for axis in 'thw'
  ]


def head_width(shapes: Shapes) -> dict[str, int]:
  """Returns c of attention, which is that of the poolings."""
  widths = {s[0] for n, s in shapes.items() if '.attn.pool_q.' in n}
  if len(widths) != 1:
    raise WeightsError(
      f'heads are of the widths {sorted(widths)}, not of one: it is no MViTv2'
    )
  return {'c': widths.pop()}


def layout(shapes: Shapes, _: str = '') -> Layout:
  """Returns the layout of an MViTv2, by our names."""
  block = f'{staged.ENCODER}/encoderblock_0'
  attention = f'{block}/{transformers.ATTENTION}'
  d, hidden = shapes[f'{block}/MlpBlock_0/Dense_0/kernel']
  grid = [(shapes[f'{attention}/rel_pos_{a}'][0] + 1) // 2 for a in 'thw']
  return Layout(
    {
      'name': 'mvit',
      'width': d,
      'depths': staged.depths(shapes),
      'heads': shapes[f'{attention}/query/kernel'][1],
      'kernel': tuple(shapes['embedding/kernel'][:3]),
      'patch': _PATCH,
      'mlp_ratio': hidden // d,
    },
    tuple(size * part for size, part in zip(grid, _PATCH)),
  )
