"""What a step of training is compiled to on a CPU."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from vidpetl.backbones import dense, devices, vit
from vidpetl.petl import adapted
from vidpetl.petl.techniques import adapter3d, mst_adapter, st_adapter

# No two kinds of arrays are of one size.
WIDTH, MLP, HEADS, TOKENS = 24, 40, 2, 2 * (1 + 9)
VIDEO = jnp.zeros((1, 2, 24, 24, 3))
HALF = 'bfloat16'
KERNELS = {WIDTH * WIDTH, WIDTH * MLP}


@pytest.fixture(scope='module')
def transposed():
  """The sizes of what a step transposes, for a ViT of two blocks."""
  model = vit.build(
    kind='mae', width=WIDTH, depth=2, heads=HEADS, mlp=MLP, patch=8
  )
  tx = optax.adamw(1e-3)

  def loss(params):
    return jnp.sum(model.apply({'params': params}, VIDEO, True).summary ** 2)

  def step(params, state):
    updates, state = tx.update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state

  init = lambda: model.init(tiny.key(0), VIDEO, False)['params']
  params = jax.eval_shape(init)
  text = jax.jit(step).lower(params, jax.eval_shape(tx.init, params)).compile()
  shapes = re.findall(r'= \w+\[([\d,]+)\]\S* transpose\(', text.as_text())
  return [math.prod(map(int, shape.split(','))) for shape in shapes]


def test_no_kernel_gradient_or_moment_is_transposed(transposed):
  assert not KERNELS & set(transposed)


def test_attention_transposes_its_tokens_and_no_scores(transposed):
  # q, k, v, what is attended to, and the gradients of these; three again.
  assert transposed.count(TOKENS * WIDTH) <= 2 * 11
  assert TOKENS * HEADS * (1 + 9) not in transposed


def _gradients(x, kernel):
  loss = lambda x, kernel: jnp.sum(dense.product(x, kernel) ** 2)
  return jax.jit(jax.grad(loss, argnums=(0, 1))).lower(x, kernel).compile()


def test_the_gradient_of_a_narrow_kernel_turns_over_no_tokens():
  tokens, d, out = 21, 32, 2
  x = jax.random.normal(tiny.key(0), (3, 7, d))
  kernel = jax.random.normal(tiny.key(1), (d, 1, out))
  compiled = _gradients(x, kernel)
  dots = re.findall(r'\[([\d,]+)\]\S* dot\(', compiled.as_text())
  assert sorted(dots) == sorted(
    [f'{tokens},{out}', f'{tokens},{d}', f'{out},{d}']
  )
  with devices.meant(devices.ANY):
    expected = _gradients(x, kernel)(x, kernel)
  for ours, theirs in zip(compiled(x, kernel), expected, strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('outputs', [512, 1536])
def test_the_gradient_of_a_wide_kernel_reads_turned_tokens(outputs):
  x = jax.random.normal(tiny.key(0), (3, 7, 128))
  kernel = jax.random.normal(tiny.key(1), (128, outputs)) / 12
  compiled = _gradients(x, kernel)
  # Neither product sums over the rows of both its sides.
  both = 'lhs_contracting_dims={0}, rhs_contracting_dims={0}'
  assert both not in compiled.as_text()
  dy = 2 * (x @ kernel)
  for ours, theirs in zip(
    compiled(x, kernel),
    (dy @ kernel.T, jnp.tensordot(x, dy, ((0, 1), (0, 1)))),
    strict=True,
  ):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('argnums', [0, 1])
def test_a_wide_kernel_keeps_nothing_for_a_gradient_nobody_asks_for(argnums):
  given = [jnp.ones((21, 128)), jnp.ones((128, 512))]

  def product(argument):
    given[argnums] = argument
    return dense.product(*given)

  argument = given[argnums]
  _, backward = jax.vjp(product, argument)
  kept = {leaf.shape for leaf in jax.tree.leaves(backward)}
  assert argument.shape not in kept


@pytest.mark.parametrize('name', ['dense', 'hiera', 'mvit'])
def test_no_product_is_of_float32_where_16_bits_are_asked(name):
  """`petl/techniques_test.py` has the others, with techniques."""
  model = tiny.BACKBONES[name](dtype='bfloat16')
  params = jax.eval_shape(lambda: model.init(tiny.key(0), tiny.VIDEO, False))
  loss = lambda params: model.apply(params, tiny.VIDEO, False).summary.sum()
  step = jax.make_jaxpr(jax.grad(loss))(params).jaxpr
  found = [
    {x.aval.dtype.name for x in eqn.invars}
    for eqn in tiny.equations(step)
    if eqn.primitive.name in ('dot_general', 'conv_general_dilated')
  ]
  assert len(found) > 10 and not [each for each in found if each != {HALF}]


@pytest.mark.parametrize(
  'technique',
  [st_adapter.STAdapter(4), mst_adapter.MSTAdapter(4), adapter3d.Adapter3D(4)],
  ids=lambda technique: type(technique).__name__,
)
def test_no_sum_of_a_trunk_is_made_anew_in_each_layer(technique):
  """So that what one pass over tokens reads does not grow with the depth."""

  def most_read(depth):
    trunk = vit.build(
      kind='videomae', width=WIDTH, depth=depth, heads=HEADS, mlp=MLP, patch=8
    )
    sites = ('block_in', 'attn_residual')
    model = adapted.Adapted(trunk, [adapted.At(at, technique) for at in sites])

    def loss(params):
      return jnp.sum(model.apply({'params': params}, VIDEO, True).summary ** 2)

    init = lambda: model.init(tiny.key(0), VIDEO, False)['params']
    params = jax.eval_shape(init)
    text = jax.jit(jax.grad(loss)).lower(params).compile().as_text()
    return max(
      line.count('param_')
      for line in text.splitlines()
      if re.match(r'%?fused_computation', line)
    )

  assert most_read(6) <= most_read(3)
