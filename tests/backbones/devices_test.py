import re
import types

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from vidpetl.backbones import attending, convolution, devices


def test_what_is_compiled_for_is_here_unless_another_is_meant():
  assert devices.current() is jax.devices()[0]
  h100 = types.SimpleNamespace(platform='gpu', compute_capability='9.0')
  q = jax.ShapeDtypeStruct((1, 196, 2, 64), jnp.bfloat16)
  way = lambda: attending.way(q, q, None, devices.current()).name
  with devices.meant(h100):
    assert (way(), convolution.form()) == ('cudnn', convolution.folded)
    with devices.meant(devices.ANY):
      assert (way(), convolution.form()) == ('plain', convolution.by_platform)
  assert (way(), convolution.form()) == ('heads first', convolution.by_taps)


def test_a_program_for_any_device_has_the_form_of_each():
  x = np.ones((1, 4, 6, 6, 2), np.float32)
  kernel = np.ones((3, 3, 3, 2, 4), np.float32)
  strides, pads = (1, 1, 1), ((1, 1),) * 3

  def convolved(x, kernel):
    return convolution.form()(x, kernel, strides, pads)

  with devices.meant(devices.ANY):
    program = export.export(
      jax.jit(convolved), platforms=('cpu', 'cuda', 'tpu')
    )(x, kernel)
  expected = convolution.direct(x, kernel, strides, pads)
  np.testing.assert_allclose(program.call(x, kernel), expected, rtol=1e-5)
  # What convolutions are given: whole volumes, one tap's or all taps' channels.
  lines = program.mlir_module().splitlines()
  given = re.findall(
    r'convolution.*: \(tensor<([0-9x]+)xf32>',
    '\n'.join(line for line in lines if 'stablehlo.convolution' in line),
  )
  assert set(given) == {'1x4x6x6x2', '4x6x6x2', '4x6x6x6'}
