"""Tests of `backbones.windows`, and of TPUs' kernels, interpreted on a CPU."""

import types

import chips
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import devices, window_kernels, windows

_TPU = types.SimpleNamespace(platform='tpu')


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32'])
@pytest.mark.parametrize(
  'sizes, window, shift, channels, unit',
  [
    ((4, 6, 9), (2, 3, 3), (1, 1, 1), 8, None),
    ((4, 6, 6), (4, 3, 3), (0, 1, 2), 256, None),  # Two registers of channels.
    ((8, 3, 7), (4, 3, 7), (2, 0, 0), 4, None),
    ((2, 3, 6), (2, 3, 3), (0, 0, 0), 4, None),
    # Lines of a frame or two, of all of a window's, and of all there are.
    ((4, 4, 6), (2, 2, 3), (1, 1, 1), 8, (1, 4)),
    ((8, 6, 6), (4, 3, 3), (2, 1, 2), 256, (2, 6)),
    ((4, 6, 6), (2, 3, 3), (0, 1, 1), 8, (2, 6)),
    ((8, 3, 7), (4, 3, 7), (2, 0, 0), 4, (8, 3)),
  ],
)
def test_tpus_cut_the_same_windows_and_put_them_together(
  sizes, window, shift, channels, unit, dtype, monkeypatch
):
  # Of several registers, one is on the chip at a time.
  monkeypatch.setattr(window_kernels, '_ROOM', 0)
  shape = (2, *sizes, channels)
  x, g = (jax.random.normal(jax.random.key(i), shape, dtype) for i in range(2))
  room = 2**20 if unit else 0
  how = window_kernels.make(sizes, window, shift, channels, room)
  assert how.joined == bool(unit)
  assert how.unit == (unit or how.unit)
  cut, pull = jax.vjp(lambda x: window_kernels.cut(x, how, True), x)
  expected, pull_expected = jax.vjp(lambda x: windows.cut(x, window, shift), x)
  np.testing.assert_array_equal(cut, expected)
  put, pull_put = jax.vjp(lambda x: window_kernels.put(x, how, True), cut)
  np.testing.assert_array_equal(put, x)
  np.testing.assert_array_equal(windows.put(cut, sizes, window, shift), x)
  (slopes,) = pull_put(g)
  np.testing.assert_array_equal(slopes, windows.cut(g, window, shift))
  np.testing.assert_array_equal(pull(slopes)[0], pull_expected(slopes)[0])


def test_a_tpu_cuts_windows_by_one_kernel():
  x = jax.ShapeDtypeStruct((2, 4, 6, 6, 8), jnp.bfloat16)

  def both(x):
    cut = windows.cut(x, (2, 3, 3), (1, 1, 1))
    return windows.put(cut, (4, 6, 6), (2, 3, 3), (1, 1, 1))

  with devices.meant(_TPU):
    made = str(jax.make_jaxpr(both)(x))
  assert made.count('pallas_call') == 2
  others = ('transpose[', 'concatenate[', 'dot_general[')
  assert not any(name in made for name in others)


@pytest.mark.slow
@chips.needed
@pytest.mark.parametrize('part', ['v4-8', 'v5e-4', 'v5p-8', 'v6e-4'])
@pytest.mark.parametrize(
  'sizes, window, shift, channels',
  [
    ((16, 56, 56), (8, 7, 7), (4, 3, 3), 96),  # Swin-T's.
    ((16, 56, 56), (16, 7, 7), (0, 3, 3), 128),  # Swin-B's with 16 moments.
    ((16, 28, 28), (8, 7, 7), (0, 0, 0), 192),
    ((16, 28, 28), (16, 7, 7), (0, 3, 3), 256),  # A line is a part of a window.
    ((16, 14, 14), (8, 7, 7), (4, 3, 3), 512),
    ((16, 7, 7), (8, 7, 7), (4, 0, 0), 1024),
  ],
)
def test_kernels_that_cut_windows_are_compiled(
  part, sizes, window, shift, channels
):
  """For 4 chips, each of which has clips of its own; tokens are one axis.

  Those of Swin-T's first two stages, whose channels fill registers in part, XLA
  copies.
  """
  script = f"""
    import jax, jax.numpy as jnp
    from vidpetl.backbones import windows
    from vidpetl.studies.pods import topologies
    from vidpetl.training import sharding

    mesh = sharding.make_mesh(2, 2, topologies.target('{part}').devices())
    x = jax.ShapeDtypeStruct(
      (8, {np.prod(sizes)}, {channels}),
      jnp.bfloat16,
      sharding=sharding.batch(mesh),
    )

    def both(x):
      grid = x.reshape(8, *{sizes}, {channels})
      cut = windows.cut(grid, {window}, {shift})
      return windows.put(cut, {sizes}, {window}, {shift}).reshape(x.shape)

    with jax.set_mesh(mesh):
      print(jax.jit(both).lower(x).compile().as_text())
  """
  told = chips.told(script)
  assert told.count('custom_call_target="tpu_custom_call"') == 2
  others = ['all-gather', 'all-reduce', 'transpose']
  if channels % 128 == 0:
    others.append('copy')
  assert not any(f' {kind}(' in told for kind in others)
