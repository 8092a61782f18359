import einops
import numpy as np
import pytest

from vidpetl.weights import rules


def array(*shape):
  return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
  'pattern, shape, ours',
  [
    ('', (3, 5), (3, 5)),
    (rules.DENSE, (3, 5), (5, 3)),
    (rules.CONV, (7, 3, 2, 4, 5), (2, 4, 5, 3, 7)),
    (rules.IMAGE_CONV, (7, 3, 4, 5), (1, 4, 5, 3, 7)),
    (rules.POINT_CONV, (7, 3, 1, 1, 1), (3, 7)),
    ('(h c) i -> i h c', (6, 5), (5, 2, 3)),
    ('o (h c) -> h c o', (5, 6), (2, 3, 5)),
  ],
)
def test_a_pattern_runs_both_ways(pattern, shape, ours):
  rule = rules.rule('theirs', 'ours', pattern)
  x = array(*shape)
  there = rule.to_ours(x, {'c': 3, 'unused': 9})
  assert there['ours'].shape == ours
  np.testing.assert_array_equal(rule.to_theirs(there, {}), x)


def test_a_fused_layer_becomes_three():
  kernel, bias = rules.fused(('w', 'b'), 'attention')
  w, b = array(12, 4), array(12)
  there = kernel.to_ours(w, {'c': 2}) | bias.to_ours(b, {'c': 2})
  for i, name in enumerate(('query', 'key', 'value')):
    rows = slice(4 * i, 4 * i + 4)
    x = array(4)
    np.testing.assert_allclose(
      np.einsum('i,ihc->hc', x, there[f'attention/{name}/kernel']).ravel(),
      w[rows] @ x,
      rtol=1e-5,
    )
    np.testing.assert_array_equal(
      there[f'attention/{name}/bias'].ravel(), b[rows]
    )
  np.testing.assert_array_equal(kernel.to_theirs(there, {}), w)


def test_another_shape_is_an_error():
  rule = rules.rule('theirs', 'ours', rules.DENSE)
  with pytest.raises(einops.EinopsError):
    rule.to_ours(array(2, 3, 4), {})


def test_counters_are_filled_in_to_the_highest():
  given = [
    rules.rule('stem', 'in'),
    rules.rule('blocks.{i}.w', 'block_{i}/w'),
    rules.rule('blocks.{i}.b', 'block_{i}/b'),
  ]
  theirs = rules.expand(given, {'stem', 'blocks.0.w', 'blocks.2.b'})
  assert [r.theirs for r in theirs] == [
    'stem',
    *(f'blocks.{i}.{leaf}' for i in range(3) for leaf in 'wb'),
  ]
  ours = rules.expand(given, {'in', 'block_1/w'}, ours=True)
  assert [r.ours[0] for r in ours[1:]] == [
    'block_0/w',
    'block_0/b',
    'block_1/w',
    'block_1/b',
  ]


def test_lists_of_blocks_are_counted_apart():
  given = [
    rules.rule('space.{i}.w', 's_{i}'),
    rules.rule('time.{i}.w', 't_{i}'),
  ]
  names = {'space.0.w', 'space.1.w', 'time.0.w'}
  assert {r.theirs for r in rules.expand(given, names)} == names
