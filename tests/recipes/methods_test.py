"""Methods bind what they say and train what they say, and nothing else."""

import re
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from vidpetl import options, parts
from vidpetl.backbones import vivit
from vidpetl.parameters import trainable
from vidpetl.petl import bindings, techniques
from vidpetl.recipes import arguments, methods

VIDEO = jax.ShapeDtypeStruct((1, 2, 16, 16, 3), jnp.float32)


class Model(nn.Module):
  """A backbone and a head, as a run has them."""

  backbone: nn.Module

  @nn.compact
  def __call__(self, video):
    return nn.Dense(3, name='heads_a')(self.backbone(video, False).summary)


def trained(method, **chosen):
  """Paths that train, and all others."""
  entries, rules = methods.make(method, **chosen)
  backbone = vivit.build(
    attention='spacetime',
    width=8,
    depth=2,
    heads=2,
    mlp=16,
    tubelet=(2, 8, 8),
  )
  model = Model(bindings.bind(backbone, entries))
  shapes = jax.eval_shape(lambda v: model.init(jax.random.key(0), v), VIDEO)
  group_of = trainable.groups(shapes['params'], rules)
  moving = {path for path, group in group_of.items() if group == 'all'}
  return moving, set(group_of) - moving


def test_full_trains_everything():
  moving, frozen = trained('full')
  assert moving and not frozen


def test_lora_goes_where_a_regex_says_with_ranks_of_its_own():
  moving, _ = trained(
    'lora',
    targets='query|Dense_0|embedding',
    where='block_1|^embedding',
    ranks=('Dense_0:3', 'Dense:5'),
    alphas=('query:2.5',),
  )
  at = {path.partition('/site_layer')[0] for path in moving if 'site' in path}
  block = 'backbone/Transformer/encoderblock_1'
  dense, query = f'{block}/MlpBlock_0/Dense_0', 'query'
  assert at == {
    'backbone/embedding',
    dense,
    f'{block}/MultiHeadDotProductAttention_0/{query}',
  }
  (entry,), _ = methods.make(
    'lora', targets='query|Dense_0', ranks=('Dense:3',), alphas=('query:2.5',)
  )
  at = bindings.binding(0, entry).at
  assert (at('b/query').rank, at('b/query').alpha) == (8, 2.5)
  assert (at('b/Dense_0').rank, at('b/Dense_0').alpha) == (3, 8.0)
  with pytest.raises(
    ValueError, match=r"ranks has 'query', which is no regex:"
  ):
    methods.make('lora', targets='query', ranks=('query',))
  with pytest.raises(ValueError, match=r'alphas=.* needs targets'):
    methods.make('lora', alphas=('query:2',))
  with pytest.raises(ValueError, match=r"petl\[0\].per: 'x' matches none of"):
    trained('lora', targets='query', ranks=('x:2',))


@pytest.mark.parametrize('method', ['head', 'bitfit', 'layer_norm', 'fc1'])
def test_methods_that_bind_nothing(method):
  moving, frozen = trained(method)
  assert {'heads_a/kernel', 'heads_a/bias'} <= moving
  assert not any('/site_' in path for path in moving | frozen)
  kernels = {path for path in moving if path.endswith('/kernel')}
  dense = 'backbone/Transformer/encoderblock_{}/MlpBlock_0/Dense_0/kernel'
  fc1 = {dense.format(i) for i in range(2)} if method == 'fc1' else set()
  assert kernels == {'heads_a/kernel'} | fc1
  assert ('backbone/embedding/bias' in moving) == (method == 'bitfit')
  norm = 'backbone/Transformer/encoderblock_1/LayerNorm_0/scale'
  assert (norm in moving) == (method in ('bitfit', 'layer_norm'))


@pytest.mark.parametrize('head', [True, False])
def test_the_head_trains_or_stays_as_it_was_drawn(head):
  moving, _ = trained('layer_norm', head=head)
  assert ('heads_a/kernel' in moving) is head


def test_where_restricts_what_is_bound():
  moving, _ = trained('bapat', where='encoderblock_1(/|$)', head=False)
  assert moving
  assert all('/encoderblock_1/' in path for path in moving)


def binding_methods():
  return [m for m in methods.METHODS if methods.make(m)[0]]


@pytest.mark.parametrize('method', binding_methods())
def test_what_is_bound_trains_and_the_backbone_does_not(method):
  if method == 'mst_adapter':
    chosen = {'shift': False}  # No class token here.
  elif method == 'adapter3d':
    chosen = {'site': 'mlp_residual'}
  elif method == 'zeroi2v':
    chosen = {'temporal': False}  # No frames that attend by themselves here.
  else:
    chosen = {}
  moving, frozen = trained(method, **chosen)
  assert {p for p in moving if '/site_' not in p} == {
    'heads_a/kernel',
    'heads_a/bias',
  }
  assert not any('/site_' in path for path in frozen)


def test_bapat_is_patt_and_adaptformer():
  (patt, adapter), _ = methods.make('bapat', bottleneck=32, to='qv')
  assert (patt,) == methods.make('patt', bottleneck=32, to='qv')[0]
  assert (adapter,) == methods.make('adaptformer')[0]
  assert methods.make('bapat', adapter=0)[0] == methods.make('patt')[0]


def test_what_published_methods_set_apart_from_their_techniques():
  """Widths and scales of the papers, whatever a technique's default is."""
  published = {
    'adaptformer': [{'bottleneck': 64, 'mode': 'parallel', 'scale': 0.1}],
    'houlsby': [{'bottleneck': 64, 'mode': 'sequential', 'scale': 1.0}] * 2,
    'prefix': [{'tokens': 16, 'middle': 128}, {'bottleneck': 64, 'scale': 0.1}],
    'patt': [{'bottleneck': 128, 'to': 'kv', 'scale': 0.8}],
    'bapat': [{'bottleneck': 128, 'scale': 0.8}, {'bottleneck': 64}],
    'lora': [{'site': 'attn_qkv', 'rank': 8, 'alpha': 8.0, 'to': 'qv'}],
    'vpt': [{'site': 'block_in', 'tokens': 1, 'initial': 'vpt'}],
    'st_adapter': [{'bottleneck': 384, 'kernel': (3, 1, 1)}] * 2,
    'aim': [
      {'technique': 'time_embedding'},
      {'technique': 'aim', 'ratio': 0.25},
      {'activation': 'gelu', 'ratio': 0.25, 'scale': 1.0},
      {'activation': 'gelu', 'ratio': 0.25, 'scale': 0.5},
    ],
  }
  for method, expected in published.items():
    entries, _ = methods.make(method)
    assert len(entries) == len(expected)
    for entry, fields in zip(entries, expected):
      assert entry.items() >= fields.items(), method


@pytest.mark.parametrize('method', ['lora', 'head', 'full', 'aim', 'ladder'])
def test_any_method_tells_moments_apart_once(method):
  entries, trained = methods.make(method, time=True)
  found = [e['technique'] for e in entries].count('time_embedding')
  assert found == 1
  path = 'backbone/SpatialTransformer/site_tokens/time_embedding/table'
  group = next(group for rule, group in trained if re.search(rule, path))
  assert group == 'all'


@pytest.mark.parametrize('method', binding_methods())
def test_entries_hold_every_option_with_the_technique_s_default(method):
  known = methods.options(method)
  for entry in methods.make(method)[0]:
    technique = parts.load(techniques, entry['technique'], 'build', '')
    fields = options.fields(technique.build)
    assert set(entry) == {'site', 'technique', *fields} - {'name'}
  bound = methods.METHODS[method]()[0]
  for each in bound:
    # Of two techniques with an option of one name it is the same default.
    assert each.options().items() <= known.items()


@pytest.mark.parametrize(
  'argument, technique, field, value',
  [
    ('method=lora,dropout=0.1', 'lora', 'dropout', 0.1),
    ('method=lora,sites=attn_proj+mlp_fc2', 'lora', 'site', 'attn_proj'),
    ('method=adapter3d,reduction=8', 'adapter3d', 'reduction', 8),
    ('method=bapat,adapter_scale=0.5', 'adapter', 'scale', 0.5),
    ('method=mst_adapter,div=8', 'cls_shift', 'div', 8),
    ('method=st_adapter,kernel=3+3+3', 'st_adapter', 'kernel', (3, 3, 3)),
    (
      'method=mst_adapter,kernels=3x1x1+5x3x3',
      'mst_adapter',
      'kernels',
      ((3, 1, 1), (5, 3, 3)),
    ),
  ],
)
def test_a_technique_s_options_are_arguments(argument, technique, field, value):
  method = arguments.value(argument, 'method', '')
  arg = arguments.parse(argument, method='', **methods.options(method))
  chosen = {name: arg[name] for name in methods.options(method)}
  entries, _ = methods.make(method, **chosen)
  found = (e[field] for e in entries if e['technique'] == technique)
  assert next(found) == value


@pytest.mark.parametrize('method', methods.METHODS)
def test_every_option_can_be_said_in_an_argument(method):
  known = methods.options(method)
  said = ','.join(f'{name}={text(value)}' for name, value in known.items())
  assert arguments.parse(said, **known).to_dict() == known


def text(value, between='+x'):
  if isinstance(value, tuple):
    return between[0].join(text(v, between[1:]) for v in value)
  return str(value)


def test_recipes_import_no_jax_until_a_technique_is_asked_for():
  code = (
    'import sys; from vidpetl.recipes import methods; methods.make("full"); '
    'assert "jax" not in sys.modules; methods.options("lora"); '
    'assert "jax" in sys.modules'
  )
  subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.parametrize(
  'method, chosen, match',
  [
    ('bapatt', {}, "'bapatt' is none of full.*bapat"),
    ('bapat', {'rank': 2}, 'no option rank; it has bottleneck'),
    ('fc1', {'rank': 2}, 'no option rank; it has none'),
    ('full', {'where': 'x'}, "'full' binds nothing"),
    ('mst_adapter', {'placement': 'b'}, "placement 'b' is none of post_resid"),
  ],
)
def test_mistakes_are_named(method, chosen, match):
  with pytest.raises(ValueError, match=match):
    methods.make(method, **chosen)


@pytest.mark.parametrize(
  'entry, match',
  [
    ({'site': 'mlp'}, r'config.petl\[0\] needs technique'),
    ({'site': 'mlp', 'technique': 'x'}, "technique='x'; there are: adapter"),
    (
      {'site': 'mlp', 'technique': 'adapter', 'bottle': 1},
      r'config.petl\[0\] \(adapter\) has no field bottle; its .*bottleneck',
    ),
  ],
)
def test_entries_that_cannot_be_are_refused(entry, match):
  with pytest.raises(ValueError, match=match):
    bindings.bind(vivit.build(variant='B'), [entry])
