"""Frozen kernels in fewer bits compute nearly the same, in less memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from vidpetl.backbones import convolution, dense, rounded, vit
from vidpetl.parameters import trainable
from vidpetl.petl import adapted, bindings

SIZE = {'width': 64, 'depth': 4, 'heads': 2, 'mlp': 256}


def net(*entries):
  """A net whose channels have weights of unlike size."""
  plain = vit.build(kind='videomae', patch=8, **SIZE)
  model = bindings.bind(plain, entries)
  with adapted.layers() as kernels:
    shapes = tiny.shapes(model)
  rng = np.random.default_rng(0)
  params = {}
  for path, shape in shapes.items():
    if path in kernels:
      out = shape[-kernels[path] :]
      fan_in = np.prod(shape) / np.prod(out)
      drawn = rng.normal(size=shape) * rng.lognormal(0, 0.3, out)
      params[path] = (drawn / fan_in**0.5).astype(np.float32)
    else:
      draw = rng.normal(path.endswith('scale'), 0.1, shape)
      params[path] = draw.astype(np.float32)
  return model, params, kernels


def kept(params, kernels, kind):
  return params | {
    path: rounded.keep(jnp.asarray(params[path]), kind, axes)
    for path, axes in kernels.items()
  }


@pytest.mark.parametrize('kind, error', [('int8', 0.01), ('bfloat16', 0.005)])
def test_outputs_of_random_weights_are_within_a_hundredth(kind, error):
  model, params, kernels = net()
  assert {p for p in params if p.endswith('kernel')} == set(kernels)
  out = jax.jit(lambda p: model.apply({'params': p}, tiny.VIDEO, False).summary)
  exact = out(trainable.unflatten(params))
  found = out(trainable.unflatten(kept(params, kernels, kind)))
  assert 1e-4 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < error


def test_a_step_holds_a_quarter_and_brings_back_one_kernel_at_a_time():
  model, params, kernels = net({'site': 'mlp', 'technique': 'adapter'})
  own = {path: x for path, x in params.items() if tiny.at_a_site(path)}
  of = {}

  def loss(own, frozen):
    tree = trainable.unflatten({**frozen, **own})
    return model.apply({'params': tree}, tiny.VIDEO, False).grid.sum()

  for kind in ('float32', 'int8'):
    frozen = params if kind == 'float32' else kept(params, kernels, kind)
    frozen = {path: x for path, x in frozen.items() if path not in own}
    step = jax.jit(jax.grad(loss)).lower(own, frozen).compile()
    of[kind] = step.memory_analysis()
  exact, short = (of[kind] for kind in ('float32', 'int8'))
  sizes = [4 * np.prod(params[path].shape) for path in kernels]
  saved = exact.argument_size_in_bytes - short.argument_size_in_bytes
  assert saved > 0.7 * sum(sizes)
  more = short.temp_size_in_bytes - exact.temp_size_in_bytes
  assert more < 4 * max(sizes) < sum(sizes)


@pytest.mark.parametrize(
  'layer, shape, axes',
  [
    (dense.Dense((2, 3)), (2, 5), 2),
    (dense.Dense((3,), (2, 4)), (2, 8), 1),
    (convolution.Conv(3, (3, 3, 3), (1, 2, 2)), (1, 4, 6, 6, 2), 1),
  ],
)
def test_a_layer_and_its_gradient_are_those_of_q_s(layer, shape, axes):
  x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
  params = layer.init(jax.random.key(0), x)['params']
  kernel = params['kernel']
  short = rounded.keep(kernel, 'int8', axes)
  inputs = kernel.size // np.prod(kernel.shape[-axes:])
  assert short.scale.shape == (-(-inputs // 16), *kernel.shape[-axes:])
  for group in range(0, inputs, 16):
    rows = short.values.reshape(inputs, -1)[group : group + 16]
    assert set(np.abs(rows).max(0).tolist()) == {127}
  away = np.abs(short.astype(jnp.float32) - kernel).max()
  assert away < 0.6 * np.abs(kernel).max() / 127
  run = jax.value_and_grad(
    lambda x, kernel: jnp.sin(
      layer.apply({'params': {**params, 'kernel': kernel}}, x)
    ).sum()
  )
  for found, wanted in zip(run(x, short), run(x, short.astype(jnp.float32))):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_group_of_zeros_stays_so():
  short = rounded.keep(jnp.zeros((3, 2)), 'int8', 1)
  np.testing.assert_array_equal(short.astype(jnp.float32), 0)
