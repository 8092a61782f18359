"""A plain backbone with merged weights computes what the techniques did."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from vidpetl import parts
from vidpetl.backbones import site
from vidpetl.parameters import trainable
from vidpetl.petl import bindings, linear, merging, techniques

DENSE = [{'site': name} for name in site.DENSE]
# What is bound together, in this order.
BOUND = {
  'lora': [
    {**at, 'technique': 'lora', 'rank': 2, 'alpha': 3.0, 'to': 'qkv'}
    for at in DENSE
  ],
  'ia3': [
    {'site': 'attn_qkv', 'technique': 'ia3'},
    {'site': 'mlp_hidden', 'technique': 'ia3'},
  ],
  'ssf': [{**at, 'technique': 'ssf'} for at in (*DENSE, {'site': 'mlp_in'})],
}
LINEAR = {'technique': 'adapter', 'mode': 'sequential', 'activation': 'none'}
BOUND['adapters'] = [
  {'site': 'mlp_in', 'technique': 'ssf'},
  {'site': 'mlp_in', **LINEAR, 'bottleneck': 4, 'groups': 2, 'scale': 0.5},
  {'site': 'mlp_in', 'technique': 'ssf'},
  *({'site': s, **LINEAR, 'ratio': 0.5} for s in ('mlp', 'mlp_fc1')),
]
LAYER = {'site': 'layer', 'technique': 'lora', 'alpha': 3.0}
BOUND['layers'] = [
  {**LAYER, 'where': 'query|Dense_0|reduction|embed', 'dora': True},
  {**LAYER, 'where': 'value|out', 'rank': 3, 'per': (('out', {'rank': 1}),)},
  {'site': 'layer', 'technique': 'ia3', 'where': 'value|out|Dense_1'},
]
# All of these, what edits a layer's input, and two at one site.
BOUND['all'] = [
  *(entry for entries in BOUND.values() for entry in entries),
  {'site': 'attn_out', 'technique': 'ssf'},
  {'site': 'mlp_hidden', 'technique': 'ssf'},
  {'site': 'attn_proj', 'technique': 'lora', 'rank': 1},
]
# Not of Swin, whose padding has zeros where an adapter's shift would be.
BOUND['around attention'] = [
  {'site': 'attn_in', **LINEAR, 'bottleneck': 2, 'scale': 'learned'},
  {'site': 'attn', **LINEAR, 'bottleneck': 2},
]


def trace(model):
  return lambda: jax.eval_shape(
    lambda: model.init(tiny.key(0), tiny.VIDEO, False)
  )


def features(model, params):
  tree = {'params': trainable.unflatten(params)}
  out = jax.jit(lambda p: model.apply(p, tiny.VIDEO, False))(tree)
  return np.concatenate([out.summary.ravel(), out.grid.ravel()])


CASES = [
  *((b, 'all') for b in tiny.BACKBONES),
  *(('videomae', t) for t in BOUND),
  ('swin', 'layers'),
]


@pytest.mark.table(8)
@pytest.mark.tail(6)
@pytest.mark.parametrize('backbone, technique', dict.fromkeys(CASES))
def test_merged_it_computes_the_same(backbone, technique):
  plain = tiny.BACKBONES[backbone]()
  model = bindings.bind(plain, BOUND[technique])
  params = tiny.random(tiny.shapes(model))
  merged = merging.merge(params, merging.bound(trace(model)))
  assert {k: v.shape for k, v in merged.items()} == tiny.shapes(plain)
  expected = features(model, params)
  own = {k: v for k, v in params.items() if k in merged}
  assert np.abs(features(plain, own) - expected).max() > 1e-2
  np.testing.assert_allclose(
    features(plain, merged), expected, rtol=1e-4, atol=1e-4
  )


def test_all_that_have_merge_are_tried_here():
  names = parts.names(techniques, 'build')
  able = {n for n in names if hasattr(merging.build(n), 'merge')}
  assert able == {entry['technique'] for entry in BOUND['all']}


def test_what_is_not_linear_is_named_with_what_is():
  with pytest.raises(
    ValueError, match=r'^patt cannot.*; adapter, ia3, lora, ssf can'
  ):
    merging.check(['lora', 'cls_shift', 'patt'])


def test_a_site_without_a_layer_is_refused():
  entry = {'site': 'block_in', 'technique': 'ssf'}
  model = bindings.bind(tiny.BACKBONES['clip'](), [entry])
  params = tiny.random(tiny.shapes(model))
  with pytest.raises(ValueError, match='site_block_in/SSF cannot be merged'):
    merging.merge(params, merging.bound(trace(model)))


def test_a_shift_needs_a_bias_unless_it_changes_nothing():
  ones = jnp.ones(3)
  keys = linear.Layer('attention/key', jnp.ones((2, 3)), None, shifts=False)
  np.testing.assert_array_equal(keys.scaled(2 * ones, ones).kernel, 2)
  values = linear.Layer('attention/value', jnp.ones((2, 3)), None)
  assert values.scaled(ones).bias is None
  with pytest.raises(ValueError, match='attention/value has no bias that'):
    values.scaled(ones, ones)


def test_a_merged_layer_keeps_its_dtype():
  scope = 'block/site_f_in/IA3'
  params = {
    'block/norm/scale': np.ones(2, jnp.bfloat16),
    f'{scope}/vector': np.full(2, 1.5, np.float32),
  }
  technique = merging.build('ia3')()
  bound = merging.Bound(scope, technique, ('block/norm',), ())
  merged = merging.merge(params, [bound])
  assert merged['block/norm/scale'].dtype == jnp.bfloat16
  np.testing.assert_array_equal(merged['block/norm/scale'], 1.5)
