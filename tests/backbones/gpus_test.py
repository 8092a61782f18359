"""What is computed otherwise on GPUs, and what their compiler makes of it."""

import types

import chips
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gaussian import normal

from vidpetl.backbones import activations, dense, devices
from vidpetl.studies.pods import topologies


@pytest.mark.parametrize('shape', [(5, 8), (3, 1, 8)])  # Of places; moments.
@pytest.mark.parametrize(
  'platform, dtype, product',
  [
    ('gpu', 'bfloat16', True),
    ('gpu', 'float32', False),
    ('tpu', 'bfloat16', False),
    ('cpu', 'bfloat16', False),
  ],
)
def test_the_gradient_of_positions_is_a_product_on_gpus(
  platform, dtype, product, shape
):
  y, weights = (jnp.asarray(normal(2, 3, 5, 8, seed=i)) for i in range(2))
  table = jnp.asarray(normal(*shape, seed=2)).astype(dtype)

  def loss(y, table):
    made = dense.placed(y.astype(dtype), table).astype('float32')
    return jnp.sum(weights * made)

  with devices.meant(types.SimpleNamespace(platform=platform)):
    grad = jax.grad(loss, (0, 1))
    products = str(jax.make_jaxpr(grad)(y, table)).count('dot_general[')
    dy, dtable = grad(y, table)
  assert products == product
  rough = 1e-5 if dtype == 'float32' else 2e-2
  np.testing.assert_allclose(dy, weights, rtol=rough)
  np.testing.assert_allclose(
    dtable.astype('float32').ravel(),
    weights.sum((0, 1 if len(shape) == 2 else 2)).ravel(),
    rtol=rough,
    atol=rough,
  )


@pytest.mark.parametrize(
  'activation', [activations.gelu_tanh, activations.quick_gelu]
)
@pytest.mark.parametrize('platform, apart', [('gpu', True), ('tpu', False)])
def test_a_gpu_makes_slopes_of_what_they_are_slopes_at_alone(
  platform, apart, activation
):
  x = jnp.asarray(normal(3, 8))
  grad = jax.grad(lambda x: activation(x).sum())
  with devices.meant(types.SimpleNamespace(platform=platform)):
    made = str(jax.make_jaxpr(grad)(x))
    found = grad(x)
  assert ('optimization_barrier' in made) == apart
  np.testing.assert_array_equal(found, grad(x))


@pytest.mark.slow
@chips.gpus_needed
def test_a_gpu_turns_over_no_tokens_and_keeps_no_tanh():
  """A block of ViViT, forward and backward, by its compiler."""
  script = """
    import re
    import jax
    from vidpetl.backbones import devices, vivit
    from vidpetl.studies.pods import topologies
    from vidpetl.training import sharding

    gpu = topologies.target('h100')
    whole = sharding.replicated(sharding.make_mesh(1, 1, gpu.devices()))
    net = vivit.build(
      attention='factorised_encoder', variant='B', depth=1, temporal_depth=1,
      stochastic_depth=0.0, dtype='bfloat16',
    )
    video = jax.ShapeDtypeStruct((16, 8, 224, 224, 3), 'bfloat16')
    init = lambda video: net.init(jax.random.key(0), video, False)
    params = jax.eval_shape(init, video)
    given = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole),
      (params, video),
    )
    def loss(params, video):
      return net.apply(params, video, False).summary.astype('float32').sum()
    with devices.meant(gpu.meant):
      text = jax.jit(jax.grad(loss)).lower(*given).compile().as_text()
    entry = text[text.index('ENTRY'):]
    made = re.findall(r'= \\(?(.*?) (?:fusion|copy|transpose)\\(', entry)
    print(sum(bool(re.search(r'f32\\[16,[\\d,]*,3072\\]', x)) for x in made))
    print(sum('[16,768,4,196]' in x or '[4,768,16,196]' in x for x in made))
  """
  env = topologies.target('h100').environment
  assert chips.told(script, env).split() == ['0', '0']
