"""V-PETL's Video Swin (Yu et al. 2022), as its code saves models.

Trap: whether PATT adds to keys and values or to two others of the three is in
no file; the paper's best, keys and values, is taken. Nor is its scale, 0.8.
"""

from vidpetl.recipes import bound, methods
from vidpetl.weights import family, rules, swins, tuned
from vidpetl.weights.families import swin

_ATTENTION = 'MultiHeadDotProductAttention_0'
_PATT = f'{_ATTENTION}/site_attn_qkv/PATT'
_ADAPTER = 'site_mlp/Adapter'


def _techniques(patt: bool, adapter: bool) -> list[rules.Rule]:
  found = []
  for stage in swins.STAGES:
    theirs = f'layers.{stage}.blocks.{{i}}'
    ours = f'stage_{stage}/block_{{i}}'
    if patt:
      found += tuned.bottleneck(
        f'{theirs}.attn.qkv_adapter', f'{ours}/{_PATT}', ('0', '2')
      )
    if adapter:
      found += tuned.bottleneck(
        f'{theirs}.mlp.adaptmlp',
        f'{ours}/{_ADAPTER}',
        ('down_proj', 'up_proj'),
      )
  return found


def _layout(shapes: family.Shapes, _: str) -> family.Layout:
  base = swins.layout(shapes, swins.clip_window)
  return family.Layout(
    {**base.backbone, 'summary': 'vpetl'},
    base.video,
    petl=(*_patt(shapes), *_adapter(shapes)),
  )


def _patt(shapes: family.Shapes) -> tuple[bound.Entry, ...]:
  down = next((n for n in shapes if n.endswith(f'{_PATT}/down/kernel')), '')
  if not down:
    return ()
  d, width = shapes[down]
  several = shapes[down.replace('/down/', '/up/')][1] // d
  to = 'kv' if several == 2 else 'qkv'
  return methods.make('patt', bottleneck=width, to=to)[0]


def _adapter(shapes: family.Shapes) -> tuple[bound.Entry, ...]:
  down = next((n for n in shapes if n.endswith(f'{_ADAPTER}/down/kernel')), '')
  if not down:
    return ()
  return methods.make('adaptformer', bottleneck=shapes[down][1])[0]


FAMILY = family.Family(
  source='https://github.com/bruceyo/V-PETL',
  rules={
    'swin': tuple(
      (*swin.RULES, *_techniques(patt, adapter))
      for patt, adapter in ((True, True), (True, False), (False, True))
    )
  },
  layout=_layout,
  head=tuple(rules.dense('fc.0', 'output_projection', rules.POINT_CONV)),
  rename=((r'^norm3\.', 'norm.'),),
  left_out=swins.BUFFERS,
  axes=swins.head_width,
  positions=swin.FAMILY.positions,
  note=(
    'that PATT adds to keys and values (and not to two others) is in no file, '
    'nor is its scale: 0.8 in the paper, the default'
  ),
  read_only='such a file is read, and none is written',
)
