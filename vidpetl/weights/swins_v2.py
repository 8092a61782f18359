"""Rules and layouts that families of Swin V2 share."""

from __future__ import annotations

from vidpetl.weights import rules, settings, swins
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Shapes

ATTENTION = 'MultiHeadDotProductAttention_0'
PER_HEAD = 'h 1 1 -> h'

# Files hold them, and here they follow from the windows.
BUFFERS = {
  r'\.relative_(position_index|coords_table)$|\.attn_mask$': 'a buffer, and no '
  'weight'
}
UNSHOWN = (
  settings.Unshown(
    'window',
    {
      (1, 8, 8): 'window8',
      (1, 16, 16): 'window16 and window12to16',
      (1, 24, 24): 'window12to24',
    },
    settings.ASK,
  ),
  settings.Unshown(
    'learned',
    {
      (): 'of window8 and window16',
      (12, 12, 12, 6): 'of window12to16 and window12to24',
    },
    (),
  ),
)


def positions(theirs: str, ours: str) -> list[rules.Rule]:
  """Rules of the net of positions of an attention.

  Args:
    theirs: its name, before its two layers.
    ours: the attention.
  """
  return [
    *rules.dense(f'{theirs}.0', f'{ours}/cpb_mlp_0'),
    rules.rule(f'{theirs}.2.weight', f'{ours}/cpb_mlp_2/kernel', rules.DENSE),
  ]


def layout(shapes: Shapes) -> Layout:
  """Returns the layout of a Swin V2, whose windows no array shows."""
  *patch, _, width = shapes['patch_embed/proj/kernel']
  depths = [swins.depth(shapes, stage) for stage in swins.STAGES]
  scale = 'stage_{}/block_0/' + f'{ATTENTION}/logit_scale'
  heads = [shapes[scale.format(stage)][0] for stage in swins.STAGES]
  # Of clips alone, with windows of several frames.
  times = tuple(
    f'stage_{stage}/block_{i}/{ATTENTION}/time'
    for stage, count in enumerate(depths)
    for i in range(count)
  )
  return Layout(
    {
      'name': 'swin_v2',
      'width': width,
      'depths': depths,
      'heads': heads,
      'patch': list(patch),
    },
    (1, 256, 256),
    fresh=times,
  )


def head_width(shapes: Shapes) -> dict[str, int]:
  """Returns c of attention: a scale is there for each head."""
  widths = {
    shapes[proj][0] // shape[0]
    for name, shape in shapes.items()
    if name.endswith('.logit_scale')
    for proj in (
      name.replace('logit_scale', 'proj.weight'),
      name.replace('logit_scale', 'query.weight'),
    )
    if proj in shapes
  }
  if len(widths) != 1:
    raise WeightsError(
      f'attention has heads of the widths {sorted(widths)}, not of one'
    )
  return {'c': widths.pop()}


def window_of(shapes: Shapes) -> dict[str, tuple[int, int, int]]:
  """Returns the window, where a table of coordinates shows it."""
  for name, shape in shapes.items():
    if name.endswith('layers.0.blocks.0.attn.relative_coords_table'):
      side = (shape[1] + 1) // 2
      return {'window': (1, side, side)}
  return {}
