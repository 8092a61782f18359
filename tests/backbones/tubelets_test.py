"""Tests of `backbones.tubelets`."""

import types

import chips
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import devices, tubelets

_TPU = types.SimpleNamespace(platform='tpu')


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32'])
@pytest.mark.parametrize('size', [(2, 4, 4), (1, 2, 3), (2, 1, 1)])
def test_products_pick_the_same_numbers(size, dtype):
  video = jax.random.normal(jax.random.key(0), (2, 4, 8, 12, 3), dtype)
  expected, pull = jax.vjp(lambda x: tubelets.cut(x, size), video)
  found, pull_picked = jax.vjp(lambda x: tubelets.picked(x, size), video)
  np.testing.assert_array_equal(found, expected)
  g = jax.random.normal(jax.random.key(1), expected.shape, dtype)
  np.testing.assert_array_equal(pull_picked(g)[0], pull(g)[0])


@pytest.mark.parametrize('side, products', [(4, 1), (16, 0)])
def test_products_are_for_small_tubelets_on_tpus(side, products):
  video = jax.ShapeDtypeStruct((1, 2, 32, 32, 3), jnp.bfloat16)
  with devices.meant(_TPU):
    made = jax.make_jaxpr(lambda x: tubelets.cut(x, (2, side, side)))(video)
  assert str(made).count('dot_general') == products


@pytest.mark.parametrize('size', [(2, 4, 4), (1, 2, 3), (2, 1, 1)])
def test_convolutions_embed_as_products_do(size):
  keys = jax.random.split(jax.random.key(0), 3)
  video = jax.random.normal(keys[0], (2, 4, 8, 12, 3))
  kernel = jax.random.normal(keys[1], (*size, 3, 5))
  expected, pull = jax.vjp(tubelets.embed, video, kernel)
  found, pull_convolved = jax.vjp(tubelets.convolved, video, kernel)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
  g = jax.random.normal(keys[2], expected.shape)
  for ours, theirs in zip(pull_convolved(g), pull(g)):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
  'side, platform, convolutions',
  [(16, 'tpu', 2), (4, 'tpu', 0), (16, 'gpu', 0)],
)
def test_tpus_convolve_large_tubelets(side, platform, convolutions):
  video = jax.ShapeDtypeStruct((1, 2, 32, 32, 3), jnp.bfloat16)
  kernel = jax.ShapeDtypeStruct((2, side, side, 3, 8), jnp.bfloat16)
  with devices.meant(types.SimpleNamespace(platform=platform)):
    made = jax.make_jaxpr(lambda *a: tubelets.embed(*a))(video, kernel)
  assert str(made).count('conv_general_dilated[') == convolutions


def told_of_both(embed, video, kernel, answer):
  """Returns what `answer` says of `embed` for any device, and for a TPU.

  Args:
    embed: of a video x, as code.
    video: shape and dtype of x.
    kernel: shape of the kernel.
    answer: of the compiled program `made`, as code.
  """
  shape, dtype = video
  script = f"""
    import jax
    from vidpetl.backbones import devices, tubelets
    from vidpetl.studies.pods import program, topologies, traffic
    from vidpetl.training import sharding

    mesh = sharding.make_mesh(1, 1, topologies.target('v5e-1').devices())
    x = jax.ShapeDtypeStruct({shape}, '{dtype}', sharding=sharding.batch(mesh))
    kernel = jax.ShapeDtypeStruct(
      {kernel}, 'bfloat16', sharding=sharding.replicated(mesh)
    )
    with jax.set_mesh(mesh):
      for meant in (devices.ANY, devices.current()):
        def embed(x, kernel):
          with devices.meant(meant):
            return {embed}
        made = jax.jit(embed).lower(x, kernel).compile()
        print({answer})
  """
  return map(float, chips.told(script).split())


@pytest.mark.slow
@chips.needed
def test_tokens_of_large_tubelets_take_no_memory():
  """Tokens of VideoMAE on one chip: videos are not stored a second time."""
  cut, convolved = told_of_both(
    "tubelets.embed((x / 255).astype('bfloat16'), kernel)",
    ((4, 16, 224, 224, 3), 'uint8'),
    (2, 16, 16, 3, 768),
    'made.memory_analysis().temp_size_in_bytes',
  )
  assert convolved < 2**20 < 100 * 2**20 < cut, (convolved, cut)


@pytest.mark.slow
@chips.needed
def test_products_move_a_third_of_the_bytes():
  """Tokens of Swin on one chip, by its compiler."""
  copied, picked = told_of_both(
    'tubelets.cut(x, (2, 4, 4)) @ kernel',
    ((4, 16, 224, 224, 3), 'bfloat16'),
    (96, 128),
    'traffic.moved(program.Program(made.as_text()))',
  )
  assert 3 * picked < copied, (picked, copied)
