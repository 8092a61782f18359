"""V-JEPA 2's attentive classifiers (SSv2, Diving48), from Meta's `.pt` files.

A file has a list of classifiers, which were trained side by side, and nothing
of the encoder: `--base` of vidpetl.convert adds that.

Traps:
  All have 16 heads, also on a ViT-g, whose encoder has 22.
  Their LayerNorms are PyTorch's, of epsilon 1e-5; the encoder's have 1e-6.
  Those for Diving48 were trained on the tokens of four blocks, side by side,
  each behind the encoder's last norm. No array shows it, so it is asked for.
"""

from vidpetl.weights import attentive, family, rules
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import vjepa2

_BLOCKS = 'pooler.blocks.{i}'
_CROSS = 'pooler.cross_attention_block'
_NORMS = ('norm1', 'norm2')

_SELF = (
  *attentive.in_block(_BLOCKS, _NORMS),
  *attentive.fused(
    f'{_BLOCKS}.attn.qkv',
    ('query', 'key', 'value'),
    attentive.block_attention(),
  ),
  *rules.dense(
    f'{_BLOCKS}.attn.proj', f'{attentive.block_attention()}/out', attentive.OUT
  ),
)
_POOLER = (
  rules.rule(
    'pooler.query_tokens', f'{attentive.PROBE}/queries', '1 m d -> m d'
  ),
  *attentive.in_pooler(_CROSS, _NORMS),
  *attentive.split({'query': f'{_CROSS}.xattn.q'}, attentive.POOLING),
  *attentive.fused(f'{_CROSS}.xattn.kv', ('key', 'value'), attentive.POOLING),
  *rules.dense('linear', 'output_projection'),
)


def _layout(shapes: family.Shapes, target: str) -> family.Layout:
  if 'embedding/kernel' not in shapes:
    raise WeightsError(
      'it holds a classifier, without the encoder; --base=FILE, made by '
      'convert --from=vjepa2, adds that'
    )
  ours = {n: s for n, s in shapes.items() if not n.startswith('head/')}
  found = vjepa2.layout(ours, target)
  width = shapes[f'head/{attentive.PROBE}/queries'][1]
  if width != found.backbone['width']:
    raise WeightsError(
      f'it reads tokens {width} wide, and those of --base are '
      f'{found.backbone["width"]} wide'
    )
  return found


def _probe(arrays, told):
  if 'probe_layers' not in told:
    raise WeightsError(
      'no array shows of which blocks it reads tokens: --set probe_layers=last '
      '(for SSv2) or 17,19,21,23 (for Diving48, of a ViT-L) or 24,29,34,39 '
      '(for Diving48, of a ViT-g)'
    )
  return attentive.settled(arrays, told, 1e-5)


def _restore(arrays, backbone):
  """Returns arrays of the classifier alone."""
  own = attentive.without_norm(arrays)
  own = {name: a for name, a in own.items() if name.startswith('head/')}
  return attentive.restore(own, backbone)


FAMILY = family.Family(
  source='https://github.com/facebookresearch/vjepa2',
  rules={
    'vjepa2': tuple(
      tuple(rules.prefixed(each, 'head/'))
      for each in ((*_SELF, *_POOLER), _POOLER)
    )
  },
  layout=_layout,
  alone=True,
  probe=_probe,
  finish=attentive.finish,
  restore=_restore,
)
