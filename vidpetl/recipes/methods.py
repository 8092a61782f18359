"""Published methods: what they bind, and what of the model trains.

A method is nothing that a config could not write out: entries of `config.petl`
and rules of `config.trainable`. Whether the head trains belongs to all of them.

    config.petl, config.trainable = methods.make('bapat', bottleneck=128)
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

Entry = dict[str, Any]
Rules = tuple[tuple[str, str], ...]

# Parameters of a transformer by V-PETL's names of its positions (Table 1).
POSITIONS = {
  'layer_norm_1': '/LayerNorm_0/',
  'layer_norm_2': '/LayerNorm_1/',
  'attn_proj': '/MultiHeadDotProductAttention_0/out/',
  'attn_qkv': '/MultiHeadDotProductAttention_0/(query|key|value)/',
  'attn_softmax': '/relative_position_bias_table$',
  'fc1': '/MlpBlock_0/Dense_0/',
  'fc2': '/MlpBlock_0/Dense_1/',
  'downsample': '/downsample/',
}

_SITES = '/site_[^/]+/'


def make(
  method: str, *, head: bool = True, where: str = '', **chosen: Any
) -> tuple[tuple[Entry, ...], Rules]:
  """Returns (`config.petl`, `config.trainable`) of a method.

  Args:
    method: a key of `METHODS`, or of `POSITIONS` to train that position alone.
    head: whether the heads train, too; if not, they stay as they were drawn.
    where: restricts what is bound to paths that contain this regex, e.g.
      'encoderblock_(10|11)(/|$)' or 'stage_3'.
    **chosen: options of the method.

  Raises:
    ValueError: for an unknown method or option, with what there is.
  """
  if unknown := sorted(set(chosen) - set(known := options(method))):
    raise ValueError(
      f'method {method!r} has no option {", ".join(unknown)}; it has '
      + (', '.join(known) or 'none')
    )
  if method in POSITIONS:
    entries, trained = (), (POSITIONS[method],)
  else:
    entries, trained = METHODS[method](**chosen)
  if where:
    if not entries:
      raise ValueError(f'method {method!r} binds nothing: where={where!r}')
    entries = tuple({**entry, 'where': where} for entry in entries)
  rules = [('^heads_', 'all' if head else 'frozen'), ('.*', 'frozen')]
  if trained:
    # One rule: an alternative that this backbone lacks is no mistake.
    rules.insert(1, ('|'.join(trained), 'all'))
  return entries, tuple(rules)


def options(method: str) -> dict[str, Any]:
  """Returns the options of a method with their defaults.

  Raises:
    ValueError: if there is no such method.
  """
  if method in POSITIONS:
    return {}
  if method not in METHODS:
    raise ValueError(
      f'method {method!r} is none of {", ".join((*METHODS, *POSITIONS))}'
    )
  parameters = inspect.signature(METHODS[method]).parameters.values()
  return {p.name: p.default for p in parameters}


def _techniques(*entries: Entry) -> tuple[tuple[Entry, ...], Sequence[str]]:
  return entries, (_SITES,)


def full():
  """Everything trains."""
  return (), ('^backbone/',)


def head_only():
  """A linear probe."""
  return (), ()


def bitfit(norms: bool = True):
  """Biases (Zaken et al. 2022).

  V-PETL's counts come out with the tables of relative positions, whose name
  has "bias" in it, and with the gains of the blocks' LayerNorms (`norms`).
  """
  patterns = ('/bias$', '/relative_position_bias_table$')
  return (), patterns + (('/LayerNorm_[01]/scale$',) if norms else ())


def layer_norm():
  """All LayerNorms."""
  return (), (r'/(LayerNorm_\w+|[a-z_]*norm|ln_\w+)/',)


def adaptformer(bottleneck: int = 64, scale: float = 0.1, site: str = 'mlp'):
  """A bottleneck parallel to the MLP (Chen et al. 2022; V-PETL eq. 6).

  Args:
    bottleneck: its width.
    scale: of what it adds.
    site: 'mlp', where it sees what the MLP does; or 'mlp_residual', before the
      LayerNorm, as in AdaptFormer's code for ViT.
  """
  return _techniques({**_adaptformer(bottleneck, scale), 'site': site})


def houlsby(bottleneck: int = 64):
  """Sequential adapters behind attention and MLP (Houlsby et al. 2019)."""
  adapter = {
    'technique': 'adapter',
    'mode': 'sequential',
    'bottleneck': bottleneck,
    'scale': 1.0,
  }
  return _techniques({'site': 'attn', **adapter}, {'site': 'mlp', **adapter})


def prefix(tokens: int = 16, bottleneck: int = 128, adapter: int = 64):
  """Prefix-tuning as V-PETL counts it: with an adapter beside each MLP."""
  entry = {
    'site': 'attn_qkv',
    'technique': 'prefix',
    'tokens': tokens,
    'middle': bottleneck,
  }
  return _techniques(entry, *_beside_mlp(adapter))


def patt(
  bottleneck: int = 128,
  to: str = 'kv',
  scale: float = 0.8,
  combine: str = 'add',
  source: str = 'given',
):
  """Parallel attention alone (V-PETL eq. 9 and 10)."""
  return _techniques(_patt(bottleneck, to, scale, combine, source))


def bapat(
  bottleneck: int = 128,
  to: str = 'kv',
  scale: float = 0.8,
  combine: str = 'add',
  source: str = 'given',
  adapter: int = 64,
):
  """Swin-BAPAT and ViT-BAPAT: PATT, and an adapter beside each MLP."""
  return _techniques(
    _patt(bottleneck, to, scale, combine, source), *_beside_mlp(adapter)
  )


def lora(rank: int = 8, alpha: float = 8.0, to: str = 'qv'):
  """Low-rank updates of projections (Hu et al. 2022)."""
  return _techniques(
    {
      'site': 'attn_qkv',
      'technique': 'lora',
      'rank': rank,
      'alpha': alpha,
      'to': to,
    }
  )


def vpt(tokens: int = 1, deep: bool = True):
  """Visual prompts, new ones in each block if deep (Jia et al. 2022)."""
  site = 'block_in' if deep else 'tokens'
  return _techniques({'site': site, 'technique': 'prompt', 'tokens': tokens})


def st_adapter(bottleneck: int = 384):
  """Before attention and MLP, on the main path (Pan et al. 2022)."""
  return _techniques(
    *_on_path('st_adapter', ('block_in', 'attn_residual'), bottleneck)
  )


def aim(scale: float = 0.5):
  """Spatial, temporal and joint adaptation (Yang et al. 2023).

  Args:
    scale: of the adapter beside the MLP: 0.5 for Kinetics, 1 for SSv2.
  """
  adapter = {'technique': 'adapter', 'activation': 'gelu', 'ratio': 0.25}
  entries = (
    {'site': 'tokens', 'technique': 'time_embedding'},
    {'site': 'block_in', 'technique': 'aim'},
    {'site': 'attn', **adapter, 'mode': 'sequential', 'scale': 1.0},
    {'site': 'mlp', **adapter, 'mode': 'parallel', 'scale': scale},
  )
  return entries, (_SITES, '^backbone/norm/')


# Where MST-Adapter's variants sit (its Figure 5).
PLACEMENTS = {
  'post_residual': ('attn_residual', 'mlp_residual'),
  'pre_norm': ('block_in', 'attn_residual'),
  'post_norm': ('attn_in', 'mlp_in'),
  'pre_residual': ('attn', 'mlp'),
}


def mst_adapter(
  bottleneck: int = 384,
  placement: str = 'post_residual',
  fuse: str = 'learned',
  pointwise: bool = True,
  shift: bool = True,
):
  """Multi-scale temporal adapters and [CLS] token shift on CLIP."""
  if placement not in PLACEMENTS:
    raise ValueError(
      f'placement {placement!r} is none of {", ".join(PLACEMENTS)}'
    )
  adapters = _on_path('mst_adapter', PLACEMENTS[placement], bottleneck)
  options = {'fuse': fuse, 'pointwise': pointwise}
  shifts = ({'site': 'attn_in', 'technique': 'cls_shift'},) if shift else ()
  return _techniques(*shifts, *({**a, **options} for a in adapters))


def adapter3d(site: str = 'block_out'):
  """PECoP's 3D-Adapter."""
  return _techniques({'site': site, 'technique': 'adapter3d'})


def _adaptformer(bottleneck: int, scale: float = 0.1) -> Entry:
  return {
    'site': 'mlp',
    'technique': 'adapter',
    'mode': 'parallel',
    'bottleneck': bottleneck,
    'scale': scale,
  }


def _beside_mlp(bottleneck: int) -> tuple[Entry, ...]:
  return (_adaptformer(bottleneck),) if bottleneck else ()


def _patt(bottleneck, to, scale, combine, source) -> Entry:
  return {
    'site': 'attn_qkv',
    'technique': 'patt',
    'bottleneck': bottleneck,
    'to': to,
    'scale': scale,
    'combine': combine,
    'source': source,
  }


def _on_path(technique: str, sites: Sequence[str], bottleneck: int):
  entry = {'technique': technique, 'bottleneck': bottleneck}
  return tuple({'site': site, **entry} for site in sites)


METHODS = {
  'full': full,
  'head': head_only,
  'bitfit': bitfit,
  'layer_norm': layer_norm,
  'adaptformer': adaptformer,
  'houlsby': houlsby,
  'prefix': prefix,
  'patt': patt,
  'bapat': bapat,
  'lora': lora,
  'vpt': vpt,
  'st_adapter': st_adapter,
  'aim': aim,
  'mst_adapter': mst_adapter,
  'adapter3d': adapter3d,
}
