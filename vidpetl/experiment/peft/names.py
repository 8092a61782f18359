"""The dense layers of a model of transformers, and their places here."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from vidpetl.petl import qkv


def _named(q: str, k: str, v: str, o: str, fc1: str, fc2: str):
  """Returns place -> module; a place is a site of `site.DENSE`, or one of the
  three projections at attn_qkv."""
  projections = {'query': q, 'key': k, 'value': v}
  return {
    **{f'attn_qkv/{name}': module for name, module in projections.items()},
    'attn_proj': o,
    'mlp_fc1': fc1,
    'mlp_fc2': fc2,
  }


_CLIP = _named(
  *(f'self_attn.{x}_proj' for x in ('q', 'k', 'v', 'out')), 'mlp.fc1', 'mlp.fc2'
)
_VIDEOMAE = _named(
  *(f'attention.attention.{x}' for x in ('query', 'key', 'value')),
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
)
_VIVIT = _named(*(f'attention.{x}_proj' for x in 'qkvo'), 'mlp.fc1', 'mlp.fc2')
# Kind of model -> (module of block i, its dense layers).
NAMES = {
  'clip': ('encoder.layers.{}', _CLIP),
  'videomae': ('encoder.layer.{}', _VIDEOMAE),
  'vivit': ('layers.{}', _VIVIT),
}
PLACES = tuple(_CLIP)
# Name of a dense layer within its block -> its place, whatever the model.
PLACE_OF = {
  n: place for _, names in NAMES.values() for place, n in names.items()
}
# Sites in front of a layer -> the place behind it, and the other way round.
BEFORE = {'attn_out': 'attn_proj', 'mlp_hidden': 'mlp_fc2'}
SITE_BEFORE = {place: site for site, place in BEFORE.items()}
# What is learned here -> what peft calls it.
PARTS = {
  'a': 'lora_A.weight',
  'b': 'lora_B.weight',
  'vector': 'ia3_l',
  'magnitude': 'lora_magnitude_vector',
}
# Dense layers by the names that they have here -> places.
LAYERS = {
  **{name: f'attn_qkv/{name}' for name in qkv.PROJECTIONS.values()},
  'out': 'attn_proj',
  'Dense_0': 'mlp_fc1',
  'Dense_1': 'mlp_fc2',
}
LAYER_OF = {place: name for name, place in LAYERS.items()}

# peft's types, and the techniques that they are.
LOW_RANK, VECTORS = 'LORA', 'IA3'
TECHNIQUES = {LOW_RANK: 'lora', VECTORS: 'ia3'}

# Parameters of techniques: block, site, projection, what is learned.
_PATH = re.compile(
  r'^backbone/\w+/encoderblock_(?P<block>\d+)/\w+/'
  r'(?:(?P<layer>\w+)/site_layer|site_(?P<site>\w+))/\w+/'
  r'(?:(?P<projection>query|key|value)_)?(?P<part>a|b|vector|magnitude)$'
)
# Letter of `to` at attn_qkv, by the layer.
LETTERS = {name: letter for letter, name in qkv.PROJECTIONS.items()}


def kind_of(backbone: Mapping[str, Any]) -> str:
  """Returns the key of `NAMES` for `config.backbone`.

  Raises:
    ValueError: if transformers has no such model, or fused projections.
  """
  if backbone['name'] == 'vivit' and backbone.get('attention') == 'spacetime':
    return 'vivit'
  if backbone.get('kind') in NAMES:
    return backbone['kind']
  raise ValueError(
    f'peft has no names for layers of {dict(backbone)}: transformers has CLIP '
    "(vit, kind='clip'), VideoMAE (kind='videomae') and ViViT with "
    "attention='spacetime' alone"
  )


@dataclasses.dataclass(frozen=True)
class Learned:
  """What a parameter's path says.

  Attributes:
    block: number of its block.
    site: where its technique is bound.
    place: of the dense layer; see `PLACES`.
    part: a key of `PARTS`.
  """

  block: int
  site: str
  place: str
  part: str

  @property
  def letter(self) -> str:
    """Returns which of q, k, v it is of at attn_qkv, '' elsewhere."""
    return LETTERS.get(self.place.partition('/')[2], '')


def learned(path: str) -> Learned | None:
  """Returns what a path says, None if peft has no name for it."""
  match = _PATH.match(path)
  if not match:
    return None
  site, layer = match['site'], match['layer']
  if layer and layer not in LAYERS:
    return None
  at = LAYERS[layer] if layer else place(site, match['projection'])
  return Learned(int(match['block']), site or 'layer', at, match['part'])


def place(site: str, projection: str | None) -> str:
  """Returns the place of the layer at a site, or in front of which it is."""
  site = BEFORE.get(site, site)
  return f'{site}/{projection}' if projection else site
