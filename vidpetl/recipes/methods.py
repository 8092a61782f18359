"""Published methods: what they bind, and what of the model trains.

A method is nothing that a config could not write out: entries of `config.petl`
and rules of `config.trainable`. Whether the head trains belongs to all of them.

    config.petl, config.trainable = methods.make('bapat', bottleneck=128)

A method may be named as a published model has it, 'aim:ssv2_b16', which gives
its options other defaults (`vidpetl.recipes.tuned`).

Here stand sites, and what sets a method apart from its techniques' defaults.
The options themselves and their defaults are the fields of the technique (a
file of `vidpetl.petl.techniques`), which is loaded when a method that binds it
is asked for: this module imports no JAX, a config with such a method does.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl import options as options_lib
from vidpetl.recipes import bound as bound_lib
from vidpetl.recipes import linear_methods, side_methods, tuned
from vidpetl.recipes.bound import Bound, Entry
from vidpetl.recipes.placing import SITES, Method, at

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

NORMS = r'/(LayerNorm_\w+|[a-z_]*norm|ln_\w+)/'


def make(
  method: str,
  *,
  head: bool = True,
  where: str = '',
  time: bool = False,
  **chosen: Any,
) -> tuple[tuple[Entry, ...], Rules]:
  """Returns (`config.petl`, `config.trainable`) of a method.

  Args:
    method: a key of `METHODS`, or of `POSITIONS` to train that position alone;
      or a tuned model.
    head: whether the heads train, too; if not, they stay as they were drawn.
    where: restricts what is bound to paths that contain this regex, e.g.
      'encoderblock_(10|11)(/|$)' or 'stage_3'.
    time: whether tokens get a learned vector for their moment, as AIM's do,
      where the method does not add one itself: towers of images tell no
      moments apart.
    **chosen: options of the method, see `options`.

  Raises:
    ValueError: for an unknown method or option, with what there is.
  """
  if unknown := sorted(set(chosen) - set(known := options(method))):
    raise ValueError(
      f'method {method!r} has no option {", ".join(unknown)}; it has '
      + (', '.join(known) or 'none')
      + options_lib.nearest(unknown[0], known)
    )
  found = tuned.find(method)
  chosen = {**found.options, **chosen}
  bound, trained = _method(found.method, chosen)
  trained = (*trained, *found.trained)
  entries = tuple(b.entry(chosen) for b in bound if b.is_wanted(chosen))
  if where:
    if not entries:
      raise ValueError(f'method {method!r} binds nothing: where={where!r}')
    entries = tuple(_within(entry, where) for entry in entries)
  if time and _TIME.technique not in {e['technique'] for e in entries}:
    entries = (_TIME.entry({}), *entries)
    trained = tuple(dict.fromkeys((*trained, SITES)))
  rules = [('^heads_', 'all' if head else 'frozen'), ('.*', 'frozen')]
  if trained:
    # One rule: an alternative that this backbone lacks is no mistake.
    rules.insert(1, ('|'.join(trained), 'all'))
  return entries, tuple(rules)


def options(method: str) -> dict[str, Any]:
  """Returns the options of a method with their defaults.

  These are the method's own, and those of all techniques that it binds. Where
  several have one of the same name, it is for all of them.

  Raises:
    ValueError: if there is no such method.
  """
  found = tuned.find(method)
  known = dict(_own(found.method))
  for bound in _method(found.method, found.options)[0]:
    for name, default in bound.options().items():
      known.setdefault(name, default)
  return {**known, **found.options}


def _within(entry: Entry, where: str) -> Entry:
  """Returns an entry for paths that contain a regex beside its own."""
  if own := entry.get('where', ''):
    where = f'^(?=.*(?:{where}))(?=.*(?:{own}))'
  return {**entry, 'where': where}


def _own(method: str) -> dict[str, Any]:
  """Returns the options that are the method's own, with their defaults."""
  if method in POSITIONS:
    return {}
  if method not in METHODS:
    known = (*METHODS, *POSITIONS)
    meant = options_lib.nearest(method, known)
    raise ValueError(f'method {method!r} is none of {", ".join(known)}{meant}')
  parameters = inspect.signature(METHODS[method]).parameters.values()
  return {p.name: p.default for p in parameters}


def _method(method: str, chosen: Mapping[str, Any]) -> Method:
  own = {name: chosen[name] for name in _own(method) if name in chosen}
  if method in POSITIONS:
    return (), (POSITIONS[method],)
  return METHODS[method](**own)


def full() -> Method:
  """Everything trains."""
  return (), ('^backbone/',)


def head_only() -> Method:
  """A linear probe."""
  return (), ()


def bitfit(norms: bool = True) -> Method:
  """Biases (Zaken et al. 2022).

  V-PETL's counts come out with the tables of relative positions, whose name
  has "bias" in it, and with the gains of the blocks' LayerNorms (`norms`).
  """
  patterns = ('/bias$', '/relative_position_bias_table$')
  return (), patterns + (('/LayerNorm_[01]/scale$',) if norms else ())


def layer_norm() -> Method:
  """All LayerNorms."""
  return (), (NORMS,)


# What makes moments differ that a backbone sees by themselves.
_TIME = Bound('tokens', 'time_embedding')

# The adapter that V-PETL has beside each MLP; adapter=0 leaves it out.
_BESIDE_MLP = Bound(
  'mlp',
  'adapter',
  fixed={'mode': 'parallel'},
  names={'bottleneck': 'adapter'},
  prefix='adapter_',
  without='bottleneck',
)


def adaptformer(site: str = 'mlp') -> Method:
  """A bottleneck parallel to the MLP (Chen et al. 2022; V-PETL eq. 6).

  Args:
    site: 'mlp', where it sees what the MLP does; or 'mlp_residual', before the
      LayerNorm, as in AdaptFormer's code for ViT.
  """
  return at(site, 'adapter', fixed={'mode': 'parallel'})


def houlsby() -> Method:
  """Sequential adapters behind attention and MLP (Houlsby et al. 2019)."""
  return at(
    ('attn', 'mlp'),
    'adapter',
    fixed={'mode': 'sequential'},
    defaults={'scale': 1.0},
  )


def prefix() -> Method:
  """Prefix-tuning as V-PETL counts it: with an adapter beside each MLP."""
  prefixes = Bound('attn_qkv', 'prefix', names={'middle': 'bottleneck'})
  return (prefixes, _BESIDE_MLP), (SITES,)


def patt() -> Method:
  """Parallel attention alone (V-PETL eq. 9 and 10)."""
  return at('attn_qkv', 'patt')


def bapat() -> Method:
  """Swin-BAPAT and ViT-BAPAT: PATT, and an adapter beside each MLP."""
  return (Bound('attn_qkv', 'patt'), _BESIDE_MLP), (SITES,)


def lora(
  sites: Sequence[str] = ('attn_qkv',),
  targets: str = '',
  ranks: Sequence[str] = (),
  alphas: Sequence[str] = (),
) -> Method:
  """Low-rank updates of layers (Hu et al. 2022); rsLoRA and DoRA, too.

  Args:
    sites: some of attn_qkv, attn_proj, mlp_fc1 and mlp_fc2.
    targets: in their place a regex that paths of layers contain: dense ones,
      embeddings, convolutions; 'query|value|Dense_0', '.*'. DoRA needs it.
    ranks: of layers with another rank than the rest, 'Dense_0:4'.
    alphas: the same of alpha.
  """
  if not targets:
    for name, given in (('ranks', ranks), ('alphas', alphas)):
      if given:
        raise ValueError(f'method lora: {name}={given} needs targets')
    return at(sites, 'lora')
  per = [bound_lib.per(text, 'rank', int) for text in ranks]
  per += [bound_lib.per(text, 'alpha', float) for text in alphas]
  return at('layer', 'lora', fixed={'where': targets, 'per': tuple(per)})


def ia3(sites: Sequence[str] = ('attn_qkv', 'mlp_hidden')) -> Method:
  """(IA)^3: keys, values and hidden units are scaled (Liu et al. 2022)."""
  return at(sites, 'ia3')


def ssf(
  sites: Sequence[str] = (
    'attn_in',
    'attn_qkv',
    'attn_proj',
    'mlp_in',
    'mlp_fc1',
    'mlp_fc2',
  ),
) -> Method:
  """Scales and shifts behind all layers of a block (Lian et al. 2022).

  The paper's code has them behind the patch embedding and the last LayerNorm,
  too, 4 d parameters that are not here.
  """
  return at(sites, 'ssf')


def vpt(deep: bool = True) -> Method:
  """Visual prompts, new ones in each block if deep (Jia et al. 2022)."""
  return at('block_in' if deep else 'tokens', 'prompt')


def st_adapter(per_block: int = 2) -> Method:
  """Before attention and MLP, on the main path (Pan et al. 2022).

  Args:
    per_block: 2, as for Something-Something; or 1, before the MLP alone, as
      for Kinetics.
  """
  if per_block not in (1, 2):
    raise ValueError(f'per_block must be 1 or 2, not {per_block}')
  return at(('block_in', 'attn_residual')[-per_block:], 'st_adapter')


def aim() -> Method:
  """Spatial, temporal and joint adaptation (Yang et al. 2023).

  `scale` is that of the adapter beside the MLP: 0.5 for Kinetics, 1 for SSv2,
  where `inner` is a second temporal adapter; `ratio` that of all bottlenecks.
  `drop_path` is of the temporal adapter and of that beside the MLP.
  """
  gelu = {'activation': 'gelu', 'ratio': 0.25, 'initial': 'aim'}
  behind = {
    'mode': 'sequential',
    'bottleneck': 0,
    'scale': 1.0,
    'drop_path': 0.0,
  }
  beside = {'mode': 'parallel', 'bottleneck': 0}
  bound = (
    _TIME,
    Bound('block_in', 'aim'),
    Bound('attn', 'adapter', behind, gelu),
    Bound('mlp', 'adapter', beside, {**gelu, 'scale': 0.5}),
  )
  return bound, (SITES, '^backbone/norm/')


# Where MST-Adapter's variants sit (its Figure 5).
PLACEMENTS = {
  'post_residual': ('attn_residual', 'mlp_residual'),
  'pre_norm': ('block_in', 'attn_residual'),
  'post_norm': ('attn_in', 'mlp_in'),
  'pre_residual': ('attn', 'mlp'),
}


# Where class tokens may be shifted: in front of the attention alone, or on the
# residual stream, before one of its branches.
SHIFTS = ('attn_in', 'block_in', 'attn_residual')


def mst_adapter(
  placement: str = 'post_residual',
  shift: bool = True,
  shift_sites: Sequence[str] = ('attn_in',),
) -> Method:
  """Multi-scale temporal adapters and [CLS] token shift on CLIP.

  Args:
    placement: of the adapters, a key of `PLACEMENTS`.
    shift: whether class tokens are shifted.
    shift_sites: where, some of `SHIFTS`. The paper says in the attention, and
      names TokShift, whose code has block_in+attn_residual.
  """
  if placement not in PLACEMENTS:
    raise ValueError(
      f'placement {placement!r} is none of {", ".join(PLACEMENTS)}'
    )
  adapters, trained = at(
    PLACEMENTS[placement], 'mst_adapter', defaults={'cls': True}
  )
  for site in shift_sites:
    options_lib.one_of('mst_adapter', 'shift_sites', site, SHIFTS)
  shifts = [Bound(site, 'cls_shift') for site in shift_sites if shift]
  return (*shifts, *adapters), trained


def adapter3d(site: str = 'block_out') -> Method:
  """PECoP's 3D-Adapter."""
  return at(site, 'adapter3d')


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
  'ia3': ia3,
  'ssf': ssf,
  'vpt': vpt,
  'st_adapter': st_adapter,
  'aim': aim,
  'mst_adapter': mst_adapter,
  'adapter3d': adapter3d,
  'rep_adapter': linear_methods.rep_adapter,
  'zeroi2v': linear_methods.zeroi2v,
  'ladder': side_methods.ladder,
  'side4video': side_methods.side4video,
  'losa': side_methods.losa,
}
