import numpy as np
import pytest

from vidpetl.weights import fit, positions
from vidpetl.weights import report as report_lib

SPACE = 'backbone/SpatialTransformer/posembed_input/pos_embedding'
TIME = 'backbone/TemporalTransformer/posembed_input/pos_embedding'
RELATIVE = 'backbone/stage_0/attention/relative_position_bias_table'
EMBEDDING = 'backbone/embedding/kernel'


def array(*shape):
  return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def run(have, want, old=(), new=(), **options):
  """Returns what is taken, and {name: row} of the report."""
  report = report_lib.Report('a test')
  old, new = (fit.Geometry(*sizes) for sizes in (old, new))
  taken = fit.fit(have, want, old, new, report, **options)
  return taken, {row.ours: row for row in report.rows}


def test_every_name_gets_a_row():
  have = {'a': array(2), 'old': array(1), 'cut': array(3), 'b': array(2)}
  want = {'a': (2,), 'new': (4,), 'cut': (5,), 'heads_k/w': (3,), 'b': (2,)}
  taken, rows = run(have, want, skip=('^heads_', '^b$'))
  assert set(taken) == {'a'}
  assert {name: row.status for name, row in rows.items()} == {
    'a': 'matched',
    'b': 'new',
    'cut': 'wrong',
    'heads_k/w': 'new',
    'new': 'missing',
    'old': 'unexpected',
  }


def test_tables_are_resized_along_their_own_axes():
  have = {SPACE: array(1, 6, 2), TIME: array(1, 2, 2)}
  want = {SPACE: (1, 20, 2), TIME: (1, 3, 2)}
  taken, rows = run(have, want, ((2, 2, 3),), ((3, 4, 5),))
  np.testing.assert_array_equal(
    taken[SPACE], positions.resize(have[SPACE], (2, 3), (4, 5))
  )
  np.testing.assert_array_equal(
    taken[TIME], positions.resize(have[TIME], (2,), (3,))
  )
  assert rows[SPACE].note == '2x3 to 4x5 tokens, linear'


def test_another_aspect_of_as_many_tokens_is_resized_too():
  have = {SPACE: array(1, 36, 2)}
  taken, rows = run(have, {SPACE: (1, 36, 2)}, ((1, 6, 6),), ((1, 4, 9),))
  assert rows[SPACE].status == 'resized'
  np.testing.assert_array_equal(
    taken[SPACE], positions.resize(have[SPACE], (6, 6), (4, 9))
  )


def test_the_place_of_a_class_token_that_is_not_there_is_dropped():
  have = {SPACE: array(1, 5, 2)}
  taken, rows = run(have, {SPACE: (1, 4, 2)}, ((1, 2, 2),), ((1, 2, 2),))
  np.testing.assert_array_equal(taken[SPACE], have[SPACE][:, 1:])
  assert 'class token' in rows[SPACE].note


def test_a_class_token_cannot_be_made_up():
  _, rows = run(
    {SPACE: array(1, 4, 2)}, {SPACE: (1, 5, 2)}, ((1, 2, 2),), ((1, 2, 2),)
  )
  assert rows[SPACE].status == 'wrong'
  assert '0 class tokens for 1' in rows[SPACE].note


@pytest.mark.parametrize(
  'name, shapes, field',
  [
    (SPACE, ((1, 4, 2), (1, 9, 2)), 'config.init.grid'),
    (RELATIVE, ((9, 2), (27, 2)), 'config.init.window'),
    (EMBEDDING, ((1, 2, 2, 3, 4), (2, 2, 2, 3, 4)), 'config.init.inflate'),
  ],
)
def test_what_has_to_be_known_is_named(name, shapes, field):
  before, after = shapes
  _, rows = run(
    {name: array(*before)}, {name: after}, new=((2, 3, 3), (2, 2, 2))
  )
  assert rows[name].status == 'wrong' and field in rows[name].note


def test_relative_tables_follow_the_windows():
  have = {RELATIVE: array(9, 2)}
  taken, rows = run(have, {RELATIVE: (75, 2)}, ((), (1, 2, 2)), ((), (2, 3, 3)))
  np.testing.assert_array_equal(
    taken[RELATIVE],
    positions.resize_relative(have[RELATIVE], (1, 2, 2), (2, 3, 3)),
  )
  assert rows[RELATIVE].note == 'windows of 1x2x2 to 2x3x3, linear'


@pytest.mark.parametrize('frames', [2, 3])
def test_a_clip_of_one_image_is_embedded_as_the_image(frames):
  have = {EMBEDDING: array(1, 2, 2, 3, 4)}
  want = {EMBEDDING: (frames, 2, 2, 3, 4)}
  image = array(2, 2, 3)
  for inflate in fit.INFLATE:
    taken, _ = run(have, want, inflate=inflate)
    np.testing.assert_allclose(
      np.einsum('hwc,thwcd->d', image, taken[EMBEDDING]),
      np.einsum('hwc,hwcd->d', image, have[EMBEDDING][0]),
      rtol=1e-5,
      atol=1e-5,
    )
  central, _ = run(have, want, inflate='central')
  assert [bool(f.any()) for f in central[EMBEDDING]] == [
    i == frames // 2 for i in range(frames)
  ]
