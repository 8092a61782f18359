"""SigLIP's and SigLIP 2's image towers, from big_vision's `.npz`.

Traps:
  big_vision resizes positions linearly, and transformers bicubically.
  NaFlex models are refused, as `siglip_hf` says.
"""

from vidpetl.weights import family, rules, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import siglip_hf

_OURS = siglip_hf.OURS


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for NaFlex models."""
  if len(shapes.get('embedding/kernel', ())) == 2:
    raise WeightsError(siglip_hf.NAFLEX)


def _layer(theirs: str, ours: str, leaf: str = 'kernel') -> list[rules.Rule]:
  return [
    rules.rule(f'{theirs}/{each}', f'{ours}/{each}') for each in (leaf, 'bias')
  ]


def _layers(theirs: str, ours: str, names: dict[str, str]) -> list[rules.Rule]:
  return [
    each
    for name, new in names.items()
    for each in _layer(f'{theirs}/{name}', f'{ours}/{new}')
  ]


def _big_visions() -> family.Rules:
  at = 'Transformer/encoderblock_{i}'
  attention = 'MultiHeadDotProductAttention_0'
  qkv = {name: name for name in ('query', 'key', 'value', 'out')}
  dense = {name: name for name in ('Dense_0', 'Dense_1')}
  return (
    rules.rule('embedding/kernel', 'embedding/kernel', 'h w i o -> 1 h w i o'),
    rules.rule('embedding/bias', 'embedding/bias'),
    rules.rule('pos_embedding', siglip_hf.TABLE),
    *_layer(f'{at}/LayerNorm_0', f'{_OURS}/LayerNorm_0', 'scale'),
    *_layers(f'{at}/{attention}', f'{_OURS}/{transformers.ATTENTION}', qkv),
    *_layer(f'{at}/LayerNorm_1', f'{_OURS}/LayerNorm_1', 'scale'),
    *_layers(f'{at}/MlpBlock_0', f'{_OURS}/{transformers.MLP}', dense),
    *_layer('Transformer/encoder_norm', 'norm', 'scale'),
    rules.rule('MAPHead_0/probe', 'pool/probe'),
    *_layers(f'MAPHead_0/{attention}', 'pool', qkv),
    *_layer('MAPHead_0/LayerNorm_0', 'pool/norm', 'scale'),
    *_layers('MAPHead_0/MlpBlock_0', 'pool', dense),
  )


FAMILY = family.Family(
  source='https://github.com/google-research/big_vision',
  rules={'siglip': (_big_visions(),)},
  layout=siglip_hf.layout,
  left_out={'^(txt|t|b)(/|$)': siglip_hf.TEXT},
  check=check,
  normalisation=(0.5, 0.5),
  takes="Flax: names are paths in the tree of its parameters, joined by '/'",
)
