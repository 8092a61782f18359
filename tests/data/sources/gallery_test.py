import numpy as np
import pytest

from vidpetl.data import examples
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds.quality import Performances
from vidpetl.data.sources import gallery


def _source(split, actions, difficulties):
  n = len(actions)
  return Performances(
    info=examples.Info(split, split, 'quality', 0, {}),
    ids=Strings(f'{i}' for i in range(n)),
    video=lambda i: f'{split}{i}',
    scores=np.arange(n),
    actions=actions,
    difficulties=difficulties,
  )


@pytest.fixture
def train():
  return _source('train', 'aabbbbc', [1, 2, 2, 3, 3, 3, 9])


@pytest.fixture
def test():
  return _source('test', 'baa', [3, 2, 1])


def _rows(source, i):
  """Training rows that vote on a test example."""
  return [int(source[j].score) for j in source.voters(i)]


def test_voters_are_of_the_same_difficulty_or_action(test, train):
  by_action = gallery.Gallery(test, train, 'action', 10, 0)
  found = [sorted(_rows(by_action, i)) for i in range(3)]
  assert found == [[2, 3, 4, 5], [0, 1], [0, 1]]
  by_difficulty = gallery.Gallery(test, train, 'difficulty', 10, 0)
  found = [sorted(_rows(by_difficulty, i)) for i in range(3)]
  assert found == [[3, 4, 5], [1, 2], [0]]
  anyone = gallery.Gallery(test, train, 'any', 10, 0)
  assert sorted(_rows(anyone, 0)) == list(range(7))


def test_queries_come_first_then_each_exemplar_once(test, train):
  source = gallery.Gallery(test, train, 'action', 10, 0)
  assert source.queries == 3 and len(source) == 3 + 6
  assert source.info is test.info
  assert [source[i].id for i in range(5)] == [
    *('0', '1', '2'),
    *('exemplar:0', 'exemplar:1'),
  ]
  videos = [source.video(i) for i in range(len(source))]
  assert videos == [f'test{i}' for i in range(3)] + [
    f'train{i}' for i in range(6)
  ]


def test_few_voters_are_drawn_without_replacement(train):
  test = _source('test', 'b' * 40, [3] * 40)
  source = gallery.Gallery(test, train, 'action', 2, 7)
  drawn = [_rows(source, i) for i in range(40)]
  assert all(len(set(rows)) == 2 for rows in drawn)
  assert {row for rows in drawn for row in rows} == {2, 3, 4, 5}
  again = gallery.Gallery(test, train, 'action', 2, 7)
  assert drawn == [_rows(again, i) for i in range(40)]
  other = gallery.Gallery(test, train, 'action', 2, 8)
  assert drawn != [_rows(other, i) for i in range(40)]


def test_a_draw_does_not_depend_on_the_other_test_examples(train):
  test = _source('test', 'bbbb', [3] * 4)
  alone = gallery.Gallery(_source('test', 'b', [3]), train, 'any', 3, 0)
  source = gallery.Gallery(test, train, 'any', 3, 0)
  assert _rows(alone, 0) == _rows(source, 0)


def test_errors(test, train):
  with pytest.raises(ValueError, match=r"0: no other .* train has action 'x'"):
    gallery.Gallery(_source('test', 'x', [1]), train, 'action', 1, 0)
  with pytest.raises(ValueError, match='voters=0'):
    gallery.Gallery(test, train, 'any', 0, 0)
  with pytest.raises(ValueError, match="exemplar='dive' is none of"):
    gallery.Gallery(test, train, 'dive', 1, 0)
