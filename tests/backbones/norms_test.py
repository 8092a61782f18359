import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import norms

PAIRS = [
  (norms.LayerNorm(), nn.LayerNorm(epsilon=1e-6)),
  (norms.LayerNorm(use_bias=False), nn.LayerNorm(use_bias=False)),
  (norms.RMSNorm(), nn.RMSNorm()),
]


def normal(*shape, seed=0):
  return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize('ours, theirs', PAIRS)
def test_a_norm_and_its_gradients_are_those_of_flax(ours, theirs):
  x, weights = 1 + 3 * normal(4, 5, 24), normal(4, 5, 24, seed=1)
  params = jax.tree.map(
    lambda a: a + 0.3 * normal(*a.shape, seed=2),
    ours.init(jax.random.key(0), x),
  )
  assert jax.tree.structure(params) == jax.tree.structure(
    theirs.init(jax.random.key(0), x)
  )
  values, grads = zip(
    *(
      jax.value_and_grad(
        lambda params, x, norm=norm: jnp.sum(norm.apply(params, x) * weights),
        (0, 1),
      )(params, x)
      for norm in (ours, theirs)
    )
  )
  np.testing.assert_allclose(*values, rtol=1e-5)
  for mine, its in zip(*map(jax.tree.leaves, grads)):
    np.testing.assert_allclose(mine, its, atol=2e-5)


@pytest.mark.parametrize('kind', [norms.LayerNorm, norms.RMSNorm])
def test_what_is_kept_for_the_derivative_is_the_input_and_numbers(kind):
  """Nothing as large in float32, where tokens are of 16 bits."""
  norm, x = kind(dtype=jnp.bfloat16), jnp.ones((4, 5, 24), jnp.bfloat16)
  params = norm.init(jax.random.key(0), x)
  _, back = jax.eval_shape(lambda p, x: jax.vjp(norm.apply, p, x), params, x)
  kept = [a for a in jax.tree.leaves(back) if a.size >= x.size]
  assert [a.dtype for a in kept] == [jnp.bfloat16]
