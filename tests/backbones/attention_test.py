import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gaussian import normal, params_of, run

from vidpetl.backbones import attention
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid


def test_attention_is_flax_attention_with_its_parameters():
  x = normal(2, 5, 8)
  ours, flaxs = (
    attention.Attention(2, Grid(5, 1, 1)),
    (nn.MultiHeadDotProductAttention(2)),
  )
  params = params_of(ours, x)
  np.testing.assert_allclose(
    run(ours, params, x), run(flaxs, params, x), atol=1e-5
  )


def test_width_that_heads_do_not_divide_is_refused():
  match = r'config\.backbone\.heads=3: a width of 8 cannot be split into 3'
  with pytest.raises(ValueError, match=match):
    attention.Attention(3, Grid(1, 1, 1)).init(
      jax.random.key(0), jnp.zeros((1, 1, 8))
    )
