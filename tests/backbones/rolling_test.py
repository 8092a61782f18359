"""Blocks that are alike as a loop, and what is computed again: the same."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from vidpetl.backbones import devices, remat, rolling, swin, vit, vivit
from vidpetl.parameters import trainable
from vidpetl.petl import bindings
from vidpetl.studies import flops

SIZE = {'width': 8, 'heads': 2, 'mlp': 8, 'stochastic_depth': 0.5}


def build(name, depth=4, **fields):
  if name == 'swin':  # Its windows shift, and then they do not.
    sizes = {'depths': (depth, 2), 'heads': (2, 4), 'window': (2, 3, 3)}
    return swin.build(width=8, stochastic_depth=0.5, **sizes, **fields)
  fields = {'depth': depth, **SIZE, **fields}
  if name in ('mae', 'videomae', 'clip'):
    return vit.build(kind=name, patch=8, **fields)
  if name == 'factorised_encoder':
    fields['temporal_depth'] = depth
  return vivit.build(attention=name, tubelet=(2, 8, 8), **fields)


LORA = {'technique': 'lora', 'site': 'attn_qkv', 'rank': 2}
ADAPTER = {'technique': 'adapter', 'site': 'mlp', 'bottleneck': 2}
DROPPED = {**ADAPTER, 'drop_path': 0.5, 'dropout': 0.2}
SHIFT = {'technique': 'cls_shift', 'site': 'block_in'}  # Has no parameter.
PROMPT = {'technique': 'prompt', 'site': 'block_in', 'tokens': 2}
# What is bound -> entries; '' trains all.
BOUND = {
  '': [],
  'everywhere': [LORA, DROPPED],
  'in some': [LORA, {**ADAPTER, 'where': '_[12](/|$)'}],
  'without parameters': [{**SHIFT, 'where': '_[23](/|$)'}, LORA],
  'more tokens': [PROMPT],
}


def step(name, bound, train=True, **fields):
  """Returns (loss, of what trains -> (loss, gradients)), and what trains."""
  model = bindings.bind(build(name, **fields), BOUND[bound], blocks=(0, -2))
  params = tiny.random(tiny.shapes(model))
  learns = lambda path: not bound or tiny.at_a_site(path)
  trained = {path: x for path, x in params.items() if learns(path)}
  frozen = {path: x for path, x in params.items() if path not in trained}

  def loss(trained, frozen):
    tree = {'params': trainable.unflatten({**frozen, **trained})}
    rngs = {'dropout': jax.random.key(1)} if train else {}
    out = model.apply(tree, tiny.VIDEO, train, rngs=rngs)
    read = [out.grid, out.summary, *(b.grid for b in out.blocks.values())]
    return sum((y * jnp.cos(jnp.arange(y.size).reshape(y.shape))).sum()
               for y in read)  # fmt: skip

  return jax.value_and_grad(loss), trained, frozen


# Each backbone has a loop of its own blocks; how these are told apart by what
# is bound is the same for all.
@pytest.mark.table(5)
@pytest.mark.tail(2)
@pytest.mark.parametrize(
  'name, bound',
  [
    ('swin', 'in some'),
    ('mae', ''),
    ('mae', 'without parameters'),
    ('swin', 'everywhere'),
    ('swin', 'more tokens'),
    ('clip', 'in some'),
    ('clip', 'more tokens'),
    ('factorised_encoder', 'in some'),
    ('factorised_self_attention', 'everywhere'),
  ],
)
def test_a_loop_computes_what_its_blocks_do(name, bound):
  """Outputs, what blocks made, gradients; the branches dropped are the same."""
  call, trained, frozen = step(name, bound)
  value, grads = jax.jit(call)(trained, frozen)
  call, *_ = step(name, bound, scan=True, remat='dense')
  found, again = jax.jit(call)(trained, frozen)
  np.testing.assert_allclose(found, value, rtol=1e-4)
  for path, grad in grads.items():
    if path.endswith('key/bias'):  # It has no effect on a softmax.
      continue
    scale = np.abs(grad).max()
    np.testing.assert_allclose(again[path] / scale, grad / scale, atol=1e-3)


@pytest.mark.parametrize(
  'labels, loops',
  [
    ([0, 0, 0], [(0, 1, 3)]),
    ([0, 1, 0, 1, 0, 1], [(0, 2, 3)]),
    ([0, 1, 1, 1, 2], [(0, 1, 1), (1, 1, 3), (4, 1, 1)]),
    ([0, 1, 0, 1, 2], [(0, 2, 2), (4, 1, 1)]),
    ([0, 1], [(0, 1, 1), (1, 1, 1)]),
  ],
)
def test_rows_of_blocks_are_divided_into_loops(labels, loops):
  assert rolling.plan(labels) == loops


@pytest.mark.parametrize('name', ['swin', 'mae'])
def test_a_loop_does_not_grow_with_the_depth(name):
  def written(depth):
    call, *args = step(name, 'everywhere', scan=True, depth=depth)
    return str(jax.make_jaxpr(call)(*args)).count('dot_general')

  assert written(4) == written(6)


def products(name, bound, **fields):
  return flops.products(*step(name, bound, **fields))


@pytest.mark.parametrize('bound', ['everywhere', 'in some'])
def test_a_loop_makes_gradients_of_what_trains_alone(bound):
  alone, loop = (products('clip', bound, scan=scan) for scan in (False, True))
  # Before the first technique nothing is differentiated; a loop does not know.
  assert alone <= loop <= 1.05 * alone


def test_what_is_kept_is_not_computed_again():
  """A policy is between all and nothing; each n-th block is a part of all."""
  hows = (True, 2, 'dense', 'dots', False)
  found = [products('mae', '', remat=how, depth=2) for how in hows]
  assert found[0] > found[1] > found[4] == found[3]
  assert found[0] > found[2] > found[4]
  assert found[2] == products('mae', '', remat='dense', depth=2, scan=True)


def test_what_blocks_are_given_waits_in_the_memory_of_the_host():
  tpu = types.SimpleNamespace(platform='tpu')
  call, *args = step('mae', '', remat='offload', scan=True)
  with devices.meant(tpu):
    assert '<host>' in str(jax.make_jaxpr(call)(*args))
  with pytest.raises(ValueError, match=r"remat='offload'.*cpu does not have"):
    remat.check('offload')
  # A step for a TPU is counted on a CPU.
  call, *args = step('mae', '', remat='offload', scan=True)
  assert '<host>' not in str(jax.make_jaxpr(call)(*args))
