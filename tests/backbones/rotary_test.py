import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gaussian import normal

from vidpetl.backbones import attention, layers, rotary, site

FRAME = site.Grid(2, 3, 4, cls=1, rows='frame')


@dataclasses.dataclass(frozen=True)
class Planes(rotary.Rotary):
  """Turns the first channels by rows, the last two planes by columns."""

  def positions(self, grid):
    return rotary.coordinates(np.arange(grid.h), np.arange(grid.w))

  def rates(self, channels):
    rate = np.zeros((2, channels))
    rate[0, :4], rate[1, 4:] = (0.3, 0.3, 0.7, 0.7), (0.2, 0.2, 0.5, 0.5)
    return rate if self.paired else rate[:, [0, 2, 4, 6, 1, 3, 5, 7]]


@dataclasses.dataclass(frozen=True)
class Halves(Planes):
  paired: ClassVar[bool] = False


@pytest.mark.parametrize('rule', [Planes(), Halves()])
def test_planes_are_turned_like_complex_numbers(rule):
  x = normal(2, 12, 2, 8)
  angle = rule.positions(FRAME) @ rule.rates(8)
  order = slice(None) if rule.paired else [0, 4, 1, 5, 2, 6, 3, 7]
  pairs = np.ascontiguousarray(x[..., order]).view(np.complex64)
  turned = pairs * np.exp(1j * angle[:, None, order][..., ::2])
  found = np.asarray(rule.turn(x, FRAME))[..., order]
  expected = turned.astype(np.complex64).view(np.float32)
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_logits_depend_on_offsets_alone():
  q, k = normal(8), normal(8, seed=1)
  fill = lambda x: jnp.broadcast_to(x, (12, 1, 8))
  q, k = (Planes().turn(fill(x), FRAME)[:, 0] for x in (q, k))
  logits = (q @ k.T).reshape(3, 4, 3, 4)
  one = logits[:-1, :-1, :-1, :-1]
  np.testing.assert_allclose(one, logits[1:, 1:, 1:, 1:], atol=1e-5)


def test_tokens_off_the_grid_are_not_turned_and_bfloat16_stays():
  x = normal(2, 15, 2, 8).astype(jnp.bfloat16)
  y = Planes().turn(x, FRAME)
  assert y.dtype == jnp.bfloat16
  np.testing.assert_array_equal(y[:, :3], x[:, :3])
  assert (y[:, 3:] != x[:, 3:]).any(axis=(0, 2, 3))[1:].all()


def test_rows_that_are_not_the_grids_have_no_positions():
  make = functools.partial(attention.Attention, 2, FRAME)
  x = normal(3, 5, 16)
  params = make().init(jax.random.key(0), x)
  turned = make(rotary=Planes()).apply(params, x, placed=False)
  np.testing.assert_array_equal(turned, make().apply(params, x))


def test_a_block_turns_its_queries_and_keys():
  x = normal(2, 2, 13, 16)
  make = functools.partial(layers.Block, 2, 8, FRAME)
  params = make().init(jax.random.key(0), x)
  plain = make().apply(params, x)
  turned = make(rotary=Planes()).apply(params, x)
  assert np.abs(turned - plain).max() > 1e-3
