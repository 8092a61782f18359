import functools
import types

import chips
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gaussian import normal, params_of, run

from vidpetl.backbones import activations, devices, gradients, layers, mlp
from vidpetl.backbones import dense as dense_lib
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid


def test_embedding_is_a_convolution_with_its_parameters():
  video = normal(2, 4, 8, 12, 3)
  ours = layers.Embedding(6, (2, 4, 3))
  conv = nn.Conv(6, (2, 4, 3), strides=(2, 4, 3), padding='VALID')
  params = params_of(ours, video)
  np.testing.assert_allclose(
    run(ours, params, video), run(conv, params, video), atol=1e-4
  )


def test_embedding_refuses_a_video_it_would_cut():
  with pytest.raises(ValueError, match='frames 5 is no multiple of 2'):
    layers.Embedding(6, (2, 4, 4)).init(
      jax.random.key(0), jnp.zeros((1, 5, 8, 8, 3))
    )


def pre_norm(params, x):
  """A transformer block of Flax's layers, with scenic's names."""

  def part(module, name, x):
    return module.apply({'params': params[name]}, x)

  norm = nn.LayerNorm(epsilon=1e-6)
  attention = nn.MultiHeadDotProductAttention(2)
  y = part(norm, 'LayerNorm_0', x)
  x = x + part(attention, 'MultiHeadDotProductAttention_0', y)
  y = part(norm, 'LayerNorm_1', x)
  mlp = params['MlpBlock_0']
  y = y @ mlp['Dense_0']['kernel'] + mlp['Dense_0']['bias']
  y = 0.5 * y * (1 + jnp.tanh((2 / jnp.pi) ** 0.5 * (y + 0.044715 * y**3)))
  return x + y @ mlp['Dense_1']['kernel'] + mlp['Dense_1']['bias']


def test_block_is_pre_norm():
  x = normal(2, 5, 8)
  block = layers.Block(heads=2, mlp=16, grid=Grid(5, 1, 1))
  params = params_of(block, x)
  np.testing.assert_allclose(
    run(block, params, x), jax.jit(pre_norm)(params['params'], x), atol=1e-4
  )


@pytest.mark.parametrize('rescale', [False, True])
def test_stochastic_depth_drops_whole_examples(rescale):
  x = jnp.ones((400, 2, 3, 4))
  out = layers.StochasticDepth(0.25, rescale).apply(
    {}, x, rngs={'dropout': jax.random.key(0)}
  )
  kept = 1 / 0.75 if rescale else 1.0
  first = np.asarray(out[:, 0, 0, 0])
  np.testing.assert_array_equal(out, np.broadcast_to(first, (4, 3, 2, 400)).T)
  assert set(first) == {np.float32(0), np.float32(kept)}
  assert 0.68 < (first > 0).mean() < 0.82


def test_stochastic_depth_grows_from_the_first_block_to_the_last():
  """At rate 1 the last block is always dropped, the first never."""
  x = normal(3, 5, 8)
  grid = Grid(5, 1, 1)
  block = functools.partial(layers.Block, heads=2, mlp=16)
  two, one = (layers.Encoder(block, n, stochastic_depth=1.0) for n in (2, 1))
  params = params_of(two, x, grid=grid, train=False)
  keys = {'dropout': jax.random.key(0)}
  dropped = run(two, params, x, grid=grid, train=True, rngs=keys)
  alone = run(one, params, x, grid=grid, train=False)
  np.testing.assert_allclose(dropped, alone, atol=1e-5)
  assert not np.allclose(dropped, run(two, params, x, grid=grid, train=False))


def test_rows_do_not_see_each_other():
  x = normal(2, 6, 4, 8)
  grid = Grid(4, 2, 3, rows='location')
  encoder = layers.Encoder(functools.partial(layers.Block, heads=2, mlp=16), 1)
  params = params_of(encoder, x, grid=grid, train=False)
  out = run(encoder, params, x, grid=grid, train=False)
  line = Grid(4, 1, 1)
  one = jax.jit(lambda x: encoder.apply(params, x, line, False))
  for i in range(6):
    np.testing.assert_allclose(out[:, i], one(x[:, i]), atol=1e-5)


def test_batch_is_constrained_under_a_mesh_only():
  x = jnp.ones((4, 3))
  lowered = lambda: jax.jit(layers.constrain_batch).lower(x).as_text()
  assert 'sharding_constraint' not in lowered()
  auto = (jax.sharding.AxisType.Auto,) * 2
  with jax.set_mesh(jax.make_mesh((1, 1), ('data', 'fsdp'), axis_types=auto)):
    assert '"data", "fsdp"' in lowered()
  with jax.set_mesh(jax.make_mesh((1, 1), ('model', 'x'), axis_types=auto)):
    assert 'sharding_constraint' not in lowered()


@pytest.mark.parametrize(
  'name, expected',
  [
    ('gelu', functools.partial(nn.gelu, approximate=False)),
    ('gelu_tanh', nn.gelu),
    ('quick_gelu', lambda x: x * nn.sigmoid(1.702 * x)),
    ('silu', nn.silu),
  ],
)
def test_activations_and_their_slopes_are_the_published_ones(name, expected):
  x, ours = jnp.linspace(-6, 6, 401), activations.ACTIVATIONS[name]
  slope = lambda f: jax.grad(lambda x: jnp.sum(f(x)))(x)
  np.testing.assert_allclose(ours(x), expected(x), atol=2e-6)
  np.testing.assert_allclose(slope(ours), slope(expected), atol=2e-6)


def test_an_activation_keeps_one_array_for_the_backward_pass():
  x = jnp.ones((4, 8), jnp.bfloat16)
  _, backward = jax.vjp(activations.ACTIVATIONS['gelu'], x)
  kept = [leaf for leaf in jax.tree.leaves(backward) if leaf.size == x.size]
  assert [leaf.dtype for leaf in kept] == [jnp.bfloat16]


@pytest.mark.parametrize('norm', [None, 1e-6])
def test_half_of_a_gated_mlp_gates_the_other(norm):
  x = normal(2, 5, 6)
  model = mlp.Gated(hidden=4, norm=norm)
  params = params_of(model, x)
  dense = params['params']['Dense_0']
  first, second = (
    nn.Dense(4).apply({'params': jax.tree.map(half, dense)}, x)
    for half in (lambda a: a[..., :4], lambda a: a[..., 4:])
  )
  y = nn.silu(first) * second
  if norm:
    own = {'params': params['params']['norm']}
    y = nn.LayerNorm(epsilon=norm).apply(own, y)
  expected = nn.Dense(6).apply({'params': params['params']['Dense_1']}, y)
  np.testing.assert_allclose(run(model, params, x), expected, atol=1e-5)


@pytest.mark.parametrize('platform', ['cpu', 'tpu'])
def test_tpus_store_a_gradient_that_one_product_reads(platform):
  y, weights = (jnp.asarray(normal(2, 3, seed=i)) for i in range(2))
  grad = jax.grad(lambda y: jnp.sum(weights * gradients.stored(y)))
  with devices.meant(types.SimpleNamespace(platform=platform)):
    text = str(jax.make_jaxpr(grad)(y))
    np.testing.assert_array_equal(grad(y), weights)
  assert ('optimization_barrier' in text) == (platform == 'tpu')


@pytest.mark.parametrize('remat', [False, True])
@pytest.mark.parametrize('platform', ['cpu', 'tpu'])
@pytest.mark.parametrize('trained', [False, True])
def test_tpus_store_what_a_frozen_kernel_alone_reads(trained, platform, remat):
  y, kernel = (jnp.asarray(normal(2, 3, seed=i)) for i in range(2))

  def loss(y, kernel):
    return jnp.sum(kernel * gradients.stored(kernel * y, kernel))

  grad = jax.grad(
    jax.checkpoint(loss) if remat else loss, (0, 1) if trained else (0,)
  )
  plain = jax.grad(lambda y, kernel: jnp.sum(kernel**2 * y), (0, 1))(y, kernel)
  with devices.meant(types.SimpleNamespace(platform=platform)):
    text = jax.jit(grad).lower(y, kernel).as_text()
    for ours, expected in zip(grad(y, kernel), plain):
      np.testing.assert_allclose(ours, expected, rtol=1e-5)
  barriers = text.count('optimization_barrier')
  # One more keeps what a checkpoint computes again apart.
  assert barriers == (platform == 'tpu' and not trained) + remat


@pytest.mark.parametrize(
  'platform, tokens, trained, stored',
  [
    ('tpu', 9, False, True),
    ('tpu', 9, True, False),  # Then a backward pass keeps what it is made of.
    ('tpu', 8, False, False),
    ('cpu', 9, False, False),
  ],
)
def test_tpus_store_what_is_between_frozen_products(
  platform, tokens, trained, stored
):
  def loss(front, back, x):
    return jnp.sum(gradients.made(front * x) * back)

  x = jnp.ones((2, tokens, 4))
  with devices.meant(types.SimpleNamespace(platform=platform)):
    slopes = jax.grad(loss, (0, 1) if trained else 1)
    made = str(jax.make_jaxpr(slopes)(2.0, 3.0, x))
  assert ('optimization_barrier' in made) == stored


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32'])
@pytest.mark.parametrize('platform', ['cpu', 'tpu', 'gpu'])
def test_the_gradient_of_a_bias_is_a_product_in_half_precision(platform, dtype):
  y, weights = (jnp.asarray(normal(2, 300, 4, 8, seed=i)) for i in range(2))
  bias = jnp.asarray(normal(4, 8, seed=2)).astype(dtype)

  def loss(y, bias):
    made = dense_lib.biased(y.astype(dtype), bias, 2).astype('float32')
    return jnp.sum(weights * made)

  with devices.meant(types.SimpleNamespace(platform=platform)):
    grad = jax.grad(loss, (0, 1))
    products = str(jax.make_jaxpr(grad)(y, bias)).count('dot_general[')
    dy, dbias = grad(y, bias)
  half = dtype == 'bfloat16'
  assert products == (half and platform != 'gpu')
  assert dbias.dtype == dtype
  np.testing.assert_allclose(dy, weights, rtol=1e-2 if half else 1e-6)
  if half and not products:
    return  # A GPU sums in 32 bits; here it is a CPU that runs its program.
  rough = 1e-2 if half else 1e-5
  expected = np.asarray(weights.astype(dtype), np.float32).sum((0, 1))
  np.testing.assert_allclose(
    dbias.astype('float32'), expected, rtol=rough, atol=rough
  )


@pytest.mark.parametrize('axes', [1, 2])
@pytest.mark.parametrize('platform, orders', [('tpu', 1), ('gpu', 0)])
def test_tokens_lie_in_order_on_tpus_alone(platform, orders, axes):
  """With all channels as one axis, and so their gradient."""
  x = jnp.asarray(normal(2, 5, 4, 8))
  in_order = lambda x: dense_lib.in_order(x, axes)
  with devices.meant(types.SimpleNamespace(platform=platform)):
    made = jax.make_jaxpr(in_order)(x)
    y, pull = jax.vjp(in_order, x)
    (dx,) = pull(x)
  found = [e for e in made.eqns if e.primitive.name == 'layout_constraint']
  assert len(found) == orders
  for each in found:
    layout = each.params['layout'].major_to_minor
    assert layout == tuple(range(x.ndim - axes + 1))
  np.testing.assert_array_equal(y, x)
  np.testing.assert_array_equal(dx, x)


@pytest.mark.slow
@chips.needed
def test_no_hidden_numbers_are_written_where_tokens_lie_in_order():
  """A block of MAE-B, forward on one chip, by its compiler."""
  script = """
    import jax
    from vidpetl.backbones import dense, vit
    from vidpetl.studies.pods import program, topologies, traffic
    from vidpetl.training import sharding

    mesh = sharding.make_mesh(1, 1, topologies.target('v5e-1').devices())
    one, whole = sharding.batch(mesh), sharding.replicated(mesh)
    video = jax.ShapeDtypeStruct((8, 8, 224, 224, 3), 'bfloat16', sharding=one)
    net = vit.build(kind='mae', variant='B', depth=1, dtype='bfloat16')
    with jax.set_mesh(mesh):
      for order in (dense.in_order, lambda x: x):
        dense.in_order = order
        init = lambda x: net.init(jax.random.key(0), x, False)
        params = jax.tree.map(
          lambda x: jax.ShapeDtypeStruct(x.shape, 'bfloat16', sharding=whole),
          jax.eval_shape(init, video),
        )
        apply = jax.jit(lambda params, x: net.apply(params, x, False))
        text = apply.lower(params, video).compile().as_text()
        print(traffic.moved(program.Program(text)))
  """
  in_order, alone = map(int, chips.told(script).split())
  hidden = 2 * 8 * 8 * 197 * 3072
  assert in_order + 2 * hidden < alone, (in_order, alone)


@pytest.mark.slow
@chips.needed
@pytest.mark.parametrize('part', ['v4-128', 'v5e-256', 'v5p-256'])
def test_tokens_in_order_stay_where_they_are(part):
  """All that chips of a pod send is a kernel's gradient, and the loss.

  A few chips of a v4 or v5p never sent more.
  """
  script = f"""
    import jax, jax.numpy as jnp
    from vidpetl.backbones import dense
    from vidpetl.studies.pods import program, topologies
    from vidpetl.training import sharding

    mesh = sharding.make_mesh(-1, 1, topologies.target('{part}').devices())
    split, whole = sharding.batch(mesh), sharding.replicated(mesh)
    x = jax.ShapeDtypeStruct(
      (2 * mesh.size, 4, 196, 256), jnp.bfloat16, sharding=split
    )
    kernel = jax.ShapeDtypeStruct((256, 128), jnp.bfloat16, sharding=whole)

    def loss(kernel, x):
      y = dense.in_order(dense.product(dense.in_order(x), kernel))
      return jnp.square(y).mean(dtype=jnp.float32)

    with jax.set_mesh(mesh):
      step = jax.jit(jax.value_and_grad(loss)).lower(kernel, x).compile()
    sent = program.collectives(program.Program(step.as_text()))
    print(*sent, sum(each['bytes'] for each in sent.values()))
  """
  kinds = chips.told(script).split()
  # The sum of a gradient is in 16 or in 32 bits.
  assert kinds[:-1] == ['all-reduce']
  assert int(kinds[-1]) <= 4 * (256 * 128 + 1)
