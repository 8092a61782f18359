"""Classes that tell left from right."""

import pytest

from vidpetl.data import mirroring


@pytest.mark.parametrize(
  'name',
  [
    *('turn_left', 'TurnRight', 'turnLEFT', 'Left', 'from left to right'),
    *('left2right', 'rotate clockwise', 'counter-clockwise', 'anticlockwise'),
    *('righthanded serve', 'turn-right'),
  ],
)
def test_a_word_for_a_side(name):
  assert mirroring.tells_sides(['run', name]) == [name]


@pytest.mark.parametrize(
  'names',
  [
    ('turn_l', 'turn_r'),
    ('kickL', 'kickR'),
    ('l hand', 'r hand'),
    ('links', 'rechts'),
    ('spin ccw', 'spin cw'),
  ],
)
def test_a_letter_for_a_side_where_there_is_the_other(names):
  assert mirroring.tells_sides(['run', *names]) == list(names)
  assert mirroring.tells_sides(['run', names[0]]) == []


@pytest.mark.parametrize(
  'name', ['upright', 'bright', 'leftovers', 'copyright', 'cleft', 'golf links']
)
def test_words_that_mean_no_side(name):
  assert mirroring.tells_sides([name]) == []
