"""TPU's attention to whole rows, interpreted on a CPU."""

import os
import subprocess
import sys
import textwrap
import types

import chips
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import attending, devices, whole_rows


@pytest.mark.parametrize(
  'n, m, heads, width',
  [
    (20, 130, 4, 32),  # Both are filled up, keys to two registers.
    (300, 64, 2, 64),  # Two blocks of queries, the last of which is not full.
    (32, 32, 1, 128),
    (72, 72, 4, 64),  # Two registers of channels.
    (16, 16, 4, 64),  # Six rows side by side.
    (50, 50, 2, 64),  # Two, and some queries behind them.
  ],
)
def test_whole_rows_and_their_gradients_are_the_plain_ones(n, m, heads, width):
  rng = np.random.default_rng(0)
  q, k, v, weights = (
    jnp.asarray(rng.normal(size=(2, 3, length, heads, width)), jnp.float32)
    for length in (n, m, m, n)
  )

  @jax.jit
  def both(q, k, v):
    def one(attend):
      y, back = jax.vjp(attend, q, k, v)
      return y, back(weights)

    return one(lambda *x: whole_rows.attend(*x, interpret=True)), one(
      lambda *x: attending.WAYS[-1].attend(*x, None)
    )

  for ours, plain in zip(*map(jax.tree.leaves, both(q, k, v))):
    np.testing.assert_allclose(ours, plain, atol=1e-5)


@pytest.mark.parametrize(
  'n, added, heads, width, apart',
  [
    (20, 0, 3, 32, False),
    (20, 2, 3, 32, True),  # Keys of a technique, which have no bias.
    (20, 0, 6, 32, True),  # A register, and half of one.
    (40, 2, 3, 32, True),  # Two blocks of queries, the last of which is short.
  ],
)
def test_windows_and_their_gradients_are_the_plain_ones(
  n, added, heads, width, apart, monkeypatch
):
  """With the bias's, of three windows and two clips."""
  monkeypatch.setattr(devices, 'LARGE_ROOM', 0)
  rng = np.random.default_rng(0)
  q, k, v, weights = (
    jnp.asarray(rng.normal(size=(2, 3, length, heads, width)), jnp.float32)
    for length in (n, n + added, n + added, n)
  )
  bias = jnp.asarray(rng.normal(size=(heads, n, n)), jnp.float32)
  # Of all tokens but one in front.
  parts = rng.integers(1, 4, (3, n - 1)) if apart else None

  @jax.jit
  def both(*arrays):
    def one(attend):
      y, back = jax.vjp(attend, *arrays)
      return y, back(weights)

    ours = lambda *x: whole_rows.attend(*x, parts=parts, interpret=True)
    plain = lambda *x: attending.WAYS[-1].attend(*x, None, parts)
    return one(ours), one(plain)

  for ours, plain in zip(*map(jax.tree.leaves, both(q, k, v, bias))):
    np.testing.assert_allclose(ours, plain, atol=1e-5)


@pytest.mark.parametrize(
  'n, heads, width, queries, keys, channels',
  [
    (1568, 12, 64, 528, 1664, 128),
    (197, 12, 64, 208, 256, 768),
    (577, 16, 64, 592, 640, 256),
    (784, 8, 32, 400, 896, 256),
    (2048, 12, 64, 512, 2048, 128),
  ],
)
def test_blocks_fill_up_little_and_fit_on_the_chip(
  n, heads, width, queries, keys, channels
):
  found = whole_rows.blocks(n, n, heads, width)
  assert (found.queries, found.keys, found.channels) == (
    queries,
    keys,
    channels,
  )
  assert found.bytes < 28 * 2**20


def test_devices_attend_to_rows_of_their_own_and_sum_the_gradient_of_a_bias():
  """Four of them, interpreted, next to the plain form on one."""
  script = """
    import jax, jax.numpy as jnp, numpy as np
    from vidpetl.backbones import attending, whole_rows
    from vidpetl.training import sharding

    rng = np.random.default_rng(0)
    q, bias = (
      jnp.asarray(rng.normal(size=shape), jnp.float32)
      for shape in ((4, 1, 16, 1, 64), (1, 16, 16))
    )

    def slopes(attend, **more):
      loss = lambda q, bias: jnp.sum(attend(q, q, q, bias, **more) ** 2)
      return jax.jit(jax.grad(loss, (0, 1)))

    plain = slopes(attending.WAYS[-1].attend)(q, bias)
    mesh = sharding.make_mesh(2, 2)
    with jax.set_mesh(mesh):
      ours = slopes(whole_rows.attend, interpret=True)(
        jax.device_put(q, sharding.batch(mesh)),
        jax.device_put(bias, sharding.replicated(mesh)),
      )
    for each in zip(ours, plain):
      np.testing.assert_allclose(*each, rtol=1e-4, atol=1e-4)
  """
  devices = '--xla_force_host_platform_device_count=4'
  subprocess.run(
    [sys.executable, '-c', textwrap.dedent(script)],
    env={**os.environ, 'XLA_FLAGS': devices},
    check=True,
  )


def test_all_queries_of_a_window_are_one_block():
  found = whole_rows.blocks(392, 396, 6, 32, biased=True)
  assert (found.queries, found.keys, found.channels) == (400, 512, 192)
  assert found.bytes < 32 * 2**20


@pytest.mark.parametrize(
  'n, room, queries',
  [(392, 28, 400), (784, 28, 400), (784, 15, 208), (1024, 15, 176)],
)
def test_as_many_queries_of_a_window_are_a_block_as_there_is_room_for(
  n, room, queries
):
  found = whole_rows.blocks(n, n, 4, 32, biased=True, room=room * 2**20)
  assert (found.queries, found.channels) == (queries, 128)
  assert found.bytes < room * 2**20


@pytest.mark.parametrize(
  'keys, biased, kind, queries',
  [
    (3137, False, 'TPU v5 lite', 352),
    (3137, False, 'TPU v4', 96),
    (5632, False, 'TPU v5 lite', 128),
    (8192, False, 'TPU v5 lite', None),
    (4096, False, 'TPU v4', None),
    (3072, True, 'TPU v6 lite', 160),
    (3072, True, 'TPU v4', None),
  ],
)
def test_rows_are_taken_that_leave_room_for_queries(
  keys, biased, kind, queries
):
  device = types.SimpleNamespace(platform='tpu', device_kind=kind)
  shapes = attending.Shapes(keys, keys, 12, 64, jnp.bfloat16, biased)
  assert whole_rows.takes(shapes, device) == bool(queries)
  if queries:
    room = 2**20 * (15 if kind == 'TPU v4' else 28)
    found = whole_rows.blocks(*shapes[:4], biased, room=room)
    assert found.queries == queries
    assert found.bytes <= room


@pytest.mark.parametrize('trained', [False, True])
def test_a_frozen_bias_has_no_gradient(trained):
  """Nothing of its shape is written in 32 bits."""
  x, bias = (
    jnp.ones(shape, jnp.bfloat16) for shape in ((2, 1, 20, 1, 128), (1, 20, 20))
  )

  def loss(x, bias):
    return whole_rows.attend(x, x, x, bias, interpret=True).sum()

  slopes = jax.grad(loss, (0, 1) if trained else 0)
  written = [
    out.aval.str_short()
    for each in jax.make_jaxpr(slopes)(x, bias).eqns
    for out in each.outvars
  ]
  assert ('float32[1,20,20]' in written) == trained


@pytest.mark.parametrize(
  'rows, n, m, together',
  [
    (8 * 196, 16, 16, 8),
    (196, 16, 16, 7),
    (5, 16, 16, 5),
    (7, 40, 40, 1),
    (8, 16, 24, 1),
    (8, 64, 64, 1),
  ],
)
def test_as_many_short_rows_lie_side_by_side_as_leave_none(
  rows, n, m, together
):
  assert whole_rows.side_by_side(rows, n, m) == together


@pytest.mark.slow
@chips.needed
@pytest.mark.parametrize('rows', [(1568,), (3137,), (196, 16)])
@pytest.mark.parametrize('part', ['v4-8', 'v5e-4', 'v5p-8', 'v6e-4'])
def test_tokens_are_attended_to_as_they_lie(part, rows):
  """For 4 chips: kernels alone, with no copy, padding or collective."""
  script = f"""
    import jax, jax.numpy as jnp
    from vidpetl.backbones import attending, devices
    from vidpetl.studies.pods import topologies
    from vidpetl.training import sharding

    mesh = sharding.make_mesh(2, 2, topologies.target('{part}').devices())
    x = jax.ShapeDtypeStruct(
      (4, *{rows}, 768), jnp.bfloat16, sharding=sharding.batch(mesh)
    )

    def loss(*x):
      q, k, v = (each.reshape(4, *{rows}, 12, 64) for each in x)
      assert attending.way(q, k, None, devices.current()).name == 'whole rows'
      y = attending.attend(q, k, v).reshape(4, *{rows}, 768)
      return jnp.sum(y.astype(jnp.float32))

    with jax.set_mesh(mesh):
      made = jax.jit(jax.grad(loss, (0, 1, 2))).lower(x, x, x).compile()
    print(made.as_text())
  """
  told = chips.told(script)
  assert told.count('custom_call_target="tpu_custom_call"') == 1
  assert not any(
    f' {kind}(' in told
    for kind in ('all-gather', 'all-reduce', 'copy', 'pad', 'transpose')
  )


@pytest.mark.slow
@chips.needed
@pytest.mark.parametrize(
  'part, tokens, added, kernels',
  [
    ('v4-8', 392, 0, 3),  # 192 channels: queries in two blocks.
    ('v4-8', 1024, 100, 3),
    ('v4-8', 1664, 0, 3),
    ('v5e-4', 392, 0, 2),
    ('v5e-4', 784, 20, 3),
    ('v5p-8', 784, 20, 3),
    ('v6e-4', 1024, 100, 3),
    ('v6e-4', 3072, 0, 3),
  ],
)
def test_windows_and_the_gradient_of_their_bias_fit_on_the_chip(
  part, tokens, added, kernels
):
  """Forward, backward and, of queries in blocks, for the bias."""
  script = f"""
    import jax, jax.numpy as jnp, numpy as np
    from vidpetl.backbones import attending, devices
    from vidpetl.studies.pods import topologies
    from vidpetl.training import sharding

    mesh = sharding.make_mesh(2, 2, topologies.target('{part}').devices())
    heads = 6 if {tokens} == 392 else 4
    of = lambda shape, where: jax.ShapeDtypeStruct(
      shape, jnp.bfloat16, sharding=where(mesh)
    )
    q, k = (
      of((4, 8, n, heads, 32), sharding.batch)
      for n in ({tokens}, {tokens} + {added})
    )
    bias = of((heads, {tokens}, {tokens}), sharding.replicated)
    parts = 1 + np.arange(8 * {tokens}).reshape(8, {tokens}) % 3

    def loss(q, k, v, bias):
      assert attending.way(q, k, bias, devices.current()).name == 'whole rows'
      y = attending.attend(q, k, v, bias, parts=parts)
      return jnp.sum(y.astype(jnp.float32) ** 2)

    with jax.set_mesh(mesh):
      slopes = jax.jit(jax.grad(loss, (0, 1, 2, 3)))
      print(slopes.lower(q, k, k, bias).compile().as_text())
  """
  told = chips.told(script)
  assert told.count('custom_call_target="tpu_custom_call"') == kernels
