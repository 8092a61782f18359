"""Rules and layouts that families of Swin share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl.weights import positions, rules
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Shapes

STAGES = range(4)
HEAD = tuple(rules.dense('head', 'output_projection'))

# Files hold them, and here they follow from the windows.
BUFFERS = {
  r'\.relative_position_index$|\.attn_mask$': 'a buffer, and no weight',
}

_ATTENTION = 'MultiHeadDotProductAttention_0'
_TABLE = 'relative_position_bias_table'
_SIDES = (7, 12)  # Of the windows of published models for clips.

Window = tuple[int, int, int]


def stages(
  blocks: Sequence[str],
  merging: Sequence[str],
  mlp: tuple[str, str] = ('fc1', 'fc2'),
  block: Callable[[str, str], list[rules.Rule]] | None = None,
) -> list[rules.Rule]:
  """Rules of the blocks, and of what merges patches between stages.

  Args:
    blocks: names of the lists of blocks.
    merging: names of what follows all but the last of them.
    mlp: names of an MLP's layers.
    block: rules of a block, from its name and ours, that is not `_block`'s.
  """
  found = []
  for stage, theirs in enumerate(blocks):
    names = f'{theirs}.{{i}}', f'stage_{stage}/block_{{i}}'
    found += block(*names) if block else _block(*names, mlp)
  for stage, theirs in enumerate(merging):
    ours = f'stage_{stage}/downsample'
    found += rules.norm(f'{theirs}.norm', f'{ours}/norm')
    found.append(
      rules.rule(
        f'{theirs}.reduction.weight', f'{ours}/reduction/kernel', rules.DENSE
      )
    )
  return found


def ends(embedding: str = rules.CONV) -> list[rules.Rule]:
  """Rules of what is before the stages and behind them.

  Args:
    embedding: pattern of the patches' embedding.
  """
  return [
    *rules.dense('patch_embed.proj', 'patch_embed/proj', embedding),
    *rules.norm('patch_embed.norm', 'patch_embed/norm'),
    *rules.norm('norm', 'norm'),
  ]


def _block(theirs: str, ours: str, mlp: tuple[str, str]) -> list[rules.Rule]:
  attention = f'{ours}/{_ATTENTION}'
  qkv = f'{theirs}.attn.qkv'
  return [
    *rules.norm(f'{theirs}.norm1', f'{ours}/LayerNorm_0'),
    rules.rule(f'{theirs}.attn.{_TABLE}', f'{attention}/{_TABLE}'),
    *rules.fused((f'{qkv}.weight', f'{qkv}.bias'), attention),
    *rules.heads_out(f'{theirs}.attn.proj', attention),
    *rules.norm(f'{theirs}.norm2', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{theirs}.mlp.{mlp[0]}', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{theirs}.mlp.{mlp[1]}', f'{ours}/MlpBlock_0/Dense_1'),
  ]


def head_width(shapes: Shapes) -> dict[str, int]:
  """Returns c of attention: a table has a column for each head."""
  widths = {
    shapes[proj][0] // shape[1]
    for name, shape in shapes.items()
    if name.endswith(_TABLE)
    if (proj := name.replace(_TABLE, 'proj.weight')) in shapes
  }
  if len(widths) != 1:
    raise WeightsError(
      f'attention has heads of the widths {sorted(widths)}, not of one'
    )
  return {'c': widths.pop()}


def layout(shapes: Shapes, window: Callable[[int], Window]) -> Layout:
  """Returns the layout of a Swin.

  Args:
    shapes: by our names.
    window: from the rows of a table to the windows that it is for.
  """
  *patch, _, width = shapes['patch_embed/proj/kernel']
  windows = window(_rows(shapes))
  depths = tuple(depth(shapes, stage) for stage in STAGES)
  first = 'stage_{}/block_0/' + f'{_ATTENTION}/{_TABLE}'
  heads = tuple(shapes[first.format(stage)][1] for stage in STAGES)
  # A grid that windows fill at every stage; height and width are halved thrice.
  grid = (windows[0], 8 * windows[1], 8 * windows[2])
  return Layout(
    {
      'name': 'swin',
      'width': width,
      'depths': depths,
      'heads': heads,
      'patch': tuple(patch),
      'window': windows,
    },
    tuple(size * part for size, part in zip(grid, patch)),
  )


def depth(shapes: Shapes, stage: int) -> int:
  """Returns how many blocks a stage has."""
  start = f'stage_{stage}/block_'
  blocks = {
    n[len(start) :].split('/')[0] for n in shapes if n.startswith(start)
  }
  if not blocks:
    raise WeightsError(f'there are no blocks of stage {stage}')
  return len(blocks)


def _rows(shapes: Shapes) -> int:
  rows = {shape[0] for name, shape in shapes.items() if name.endswith(_TABLE)}
  if len(rows) != 1:
    raise WeightsError(
      f'tables of relative positions have {sorted(rows)} rows: windows differ '
      'from block to block, which they do in no Swin here'
    )
  return rows.pop()


def clip_window(rows: int) -> Window:
  """Returns the window (t, h, w) of a table with (2t-1)(2h-1)(2w-1) rows.

  Raises:
    WeightsError: unless there is one whose h and w have been published.
  """
  found = [
    ((rows // (2 * side - 1) ** 2 + 1) // 2, side, side)
    for side in _SIDES
    if rows % (2 * side - 1) ** 2 == 0
    if rows // (2 * side - 1) ** 2 % 2
  ]
  if len(found) != 1:
    raise WeightsError(
      f'tables of {rows} relative positions are for '
      f'{" or ".join(map(str, found)) or "no"} windows (t, h, w) with h = w of '
      f'{_SIDES}, which are those published; vidpetl.weights.swins lists them'
    )
  return found[0]


def image_window(rows: int) -> Window:
  """Returns the window (1, h, h) of a table with (2h-1)^2 rows."""
  side = (math.isqrt(rows) + 1) // 2
  if (2 * side - 1) ** 2 != rows:
    raise WeightsError(
      f'tables of {rows} relative positions are for no square windows of an '
      'image; weights of clips are of the family swin'
    )
  return (1, side, side)


def window_of(rows: int, backbone: Mapping[str, Any]) -> Window:
  """Returns the window of a backbone, or a table's where none is known."""
  return tuple(backbone.get('window', ())) or clip_window(rows)


def indices(
  arrays: Mapping[str, np.ndarray],
  window: Callable[[int], Window],
) -> dict[str, np.ndarray]:
  """Returns the buffers that name a row of the table for each pair of tokens.

  Args:
    arrays: by their names.
    window: from the rows of a table to the windows that it is for.
  """
  found = {}
  for name, array in arrays.items():
    if name.endswith(_TABLE):
      rows = positions.relative(window(len(array))).astype(np.int64)
      index = name.replace(_TABLE, 'relative_position_index')
      found[index] = rows
  return found
