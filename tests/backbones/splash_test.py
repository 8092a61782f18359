"""TPU's attention, interpreted on a CPU, and compiled where libtpu is."""

import json

import chips
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import attending, splash


@pytest.mark.parametrize('cap', [None, 2.0])
def test_splash_and_its_gradients_are_the_plain_ones(cap):
  """Rows of two batch axes, padded queries and keys, a width that is padded."""
  rng = np.random.default_rng(0)
  q, k, v, weights = (
    jnp.asarray(rng.normal(size=(2, 1, n, 1, 8)), jnp.float32)
    for n in (100, 130, 130, 100)
  )

  @jax.jit
  def both(q, k, v):
    def one(attend):
      y, back = jax.vjp(attend, q, k, v)
      return y, back(weights)

    return one(lambda *x: splash.attend(*x, cap=cap, interpret=True)), one(
      lambda *x: attending.WAYS[-1].attend(*x, None, cap)
    )

  for ours, plain in zip(*map(jax.tree.leaves, both(q, k, v))):
    np.testing.assert_allclose(ours, plain, atol=1e-5)


@pytest.mark.parametrize(
  'length, size, padded',
  [(197, 256, 256), (512, 512, 512), (1568, 896, 1792), (3137, 640, 3200)],
)
def test_blocks_are_large_and_fill_up_little(length, size, padded):
  assert splash.block(length) == size
  assert -(-length // size) * size == padded


@pytest.mark.slow
@chips.needed
def test_each_chip_attends_to_rows_of_its_own():
  """Forward and backward, for 4 chips: no collective, no scores in memory."""
  script = """
    import json, jax, jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec as P
    from vidpetl.backbones import attending, devices
    from vidpetl.studies.pods import topologies
    from vidpetl.training import sharding

    found = {}
    mesh = sharding.make_mesh(2, 2, topologies.target('v5e-4').devices())
    x = jax.ShapeDtypeStruct(
      (4, 1568, 6, 80), jnp.bfloat16, sharding=sharding.batch(mesh)
    )
    loss = lambda *x: jnp.sum(attending.attend(*x).astype(jnp.float32))
    with jax.set_mesh(mesh):
      way = attending.way(x, x, None, devices.current()).name
      made = jax.jit(jax.grad(loss, (0, 1, 2))).lower(x, x, x).compile()
    print(json.dumps({
      'way': way, 'text': made.as_text(),
      'temporary': made.memory_analysis().temp_size_in_bytes,
    }))
  """
  found = json.loads(chips.told(script))
  assert found['way'] == 'splash'
  assert 'tpu_custom_call' in found['text']
  assert not any(
    f'{kind}(' in found['text'] for kind in ('all-gather', 'all-reduce')
  )
  assert found['temporary'] < 6 * 1568 * 1568 * 2
