import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import convolution
from vidpetl.studies import flops


def test_products_that_no_output_needs_do_not_count():
  x, w = jnp.ones((4, 8)), jnp.ones((8, 8))
  each = 2 * 4 * 8 * 8
  assert flops.products(lambda x, w: (x @ w, (x @ w) @ w)[0], x, w) == each
  loss = lambda w, x: jnp.sum(nn.relu(x @ w) @ w)
  assert flops.products(loss, w, x) == 2 * each
  # The last product is not needed for the gradients, of which each has its own.
  assert flops.products(jax.grad(loss), w, x) == 4 * each
  assert flops.products(lambda w, x: jax.grad(loss, 1)(w, x), w, x) == 3 * each


def test_gradients_of_strided_convolutions_do_not_count_zeros():
  kernel, video = jnp.ones((3, 3, 4, 6)), jnp.ones((1, 8, 8, 4))
  convolved = lambda kernel, video: jax.lax.conv_general_dilated(
    video, kernel, (2, 2), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )
  loss = lambda kernel, video: jnp.sum(convolved(kernel, video) ** 2)
  own = 2 * 4 * 4 * 6 * 3 * 3 * 4
  assert flops.products(convolved, kernel, video) == own
  assert flops.products(jax.grad(loss, (0, 1)), kernel, video) == 3 * own


def test_products_of_a_loop_count_as_often_as_it_runs():
  looped = lambda w, x: jax.lax.scan(lambda y, _: (y @ w, None), x, None, 5)[0]
  given = jnp.ones((8, 8)), jnp.ones((4, 8))
  assert flops.products(looped, *given) == 5 * 2 * 4 * 8 * 8


def test_a_convolution_with_a_form_per_platform_counts_once():
  conv = convolution.Conv(32, (1, 3, 3))
  x = jax.ShapeDtypeStruct((2, 4, 8, 8, 16), jnp.float32)
  params = jax.eval_shape(conv.init, jax.random.key(0), x)
  assert flops.products(conv.apply, params, x) == 2 * 512 * 32 * 9 * 16
