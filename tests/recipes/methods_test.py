"""Methods bind what they say and train what they say, and nothing else."""

import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from vidpetl.backbones import vivit
from vidpetl.parameters import trainable
from vidpetl.petl import bindings
from vidpetl.recipes import methods

VIDEO = jax.ShapeDtypeStruct((1, 2, 16, 16, 3), jnp.float32)


class Model(nn.Module):
  """A backbone and a head, as a run has them."""

  backbone: nn.Module

  @nn.compact
  def __call__(self, video):
    return nn.Dense(3, name='heads_a')(self.backbone(video, False).summary)


def trained(method, **options):
  """Paths that train, and all others."""
  entries, rules = methods.make(method, **options)
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
    options = {'shift': False}  # No class token here.
  elif method == 'adapter3d':
    options = {'site': 'mlp_residual'}
  else:
    options = {}
  moving, frozen = trained(method, **options)
  assert {p for p in moving if '/site_' not in p} == {
    'heads_a/kernel',
    'heads_a/bias',
  }
  assert not any('/site_' in path for path in frozen)


def test_bapat_is_patt_and_adaptformer():
  (patt, adapter), _ = methods.make('bapat', bottleneck=32, to='qv')
  assert (patt,) == methods.make('patt', bottleneck=32, to='qv')[0]
  assert (adapter,) == methods.make('adaptformer')[0]


@pytest.mark.parametrize(
  'method, options, match',
  [
    ('bapatt', {}, "'bapatt' is none of full.*bapat"),
    ('bapat', {'rank': 2}, 'no option rank; it has bottleneck'),
    ('fc1', {'rank': 2}, 'no option rank; it has none'),
    ('full', {'where': 'x'}, "'full' binds nothing"),
    ('mst_adapter', {'placement': 'b'}, "placement 'b' is none of post_resid"),
  ],
)
def test_mistakes_are_named(method, options, match):
  with pytest.raises(ValueError, match=match):
    methods.make(method, **options)


def test_options_have_defaults_of_the_types_that_a_config_parses():
  for method in methods.METHODS:
    for value in methods.options(method).values():
      assert isinstance(value, bool | int | float | str)
    parameters = inspect.signature(methods.METHODS[method]).parameters
    assert list(methods.options(method)) == list(parameters)


@pytest.mark.parametrize(
  'entry, match',
  [
    ({'site': 'mlp'}, r'config.petl\[0\] needs technique'),
    ({'site': 'mlp', 'technique': 'x'}, "technique='x'; there are: adapter"),
    (
      {'site': 'mlp', 'technique': 'adapter', 'bottle': 1},
      r'\(adapter\) has no field bottle; its fields are bottleneck, ',
    ),
  ],
)
def test_entries_that_cannot_be_are_refused(entry, match):
  with pytest.raises(ValueError, match=match):
    bindings.bind(vivit.build(variant='B'), [entry])
