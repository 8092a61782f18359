import csv

import listed
import pytest

from vidpetl.data import quarantine as quarantine_lib
from vidpetl.data.kinds.classification import Classified


def source(size, split='train'):
  items = [
    (Classified(f'{i}.mp4', 0), f'/{split}/{i}.mp4') for i in range(size)
  ]
  made = listed.Listed('classification', items)
  made.info = made.info.__class__(
    'own', split, 'classification', 1, {0: 'a'}, fingerprint=split
  )
  return made


def fail(quarantine, of, examples):
  for i in examples:
    quarantine.add(of, i, of.video(i), 'broken')


def test_a_file_is_listed_once_however_often_it_was_tried(tmp_path):
  quarantine, train = quarantine_lib.Quarantine(), source(9)
  fail(quarantine, train, [3, 1, 3])
  quarantine.write(tmp_path / 'undecodable.csv')
  with open(tmp_path / 'undecodable.csv', newline='') as file:
    assert list(csv.reader(file)) == [
      ['path', 'split', 'id', 'reason'],
      ['/train/1.mp4', 'own/train', '1.mp4', 'broken'],
      ['/train/3.mp4', 'own/train', '3.mp4', 'broken'],
    ]


def test_files_of_the_same_name_in_two_splits_are_two():
  quarantine = quarantine_lib.Quarantine()
  for split in ('train', 'val'):
    fail(quarantine, source(9, split), [1])
  assert [row[0] for row in quarantine.rows()] == ['/train/1.mp4', '/val/1.mp4']


def test_a_name_that_is_no_utf8_can_be_written(tmp_path):
  quarantine = quarantine_lib.Quarantine()
  quarantine.add(source(9), 0, 'caf\udce9.mp4', 'broken')
  quarantine.write(tmp_path / 'list.csv')
  assert r'caf\xe9.mp4' in (tmp_path / 'list.csv').read_text()


@pytest.mark.parametrize('size, allowed', [(6, 0), (10, 1), (25, 2), (400, 40)])
def test_more_than_the_limit_of_a_split_is_an_error(size, allowed):
  quarantine, split = quarantine_lib.Quarantine(limit=0.1), source(size, 'val')
  for _ in range(2):  # Evaluations.
    for _ in range(size):
      quarantine.succeed(split)
    fail(quarantine, split, range(allowed))
  with pytest.raises(
    quarantine_lib.TooManyUndecodableError,
    match=rf'own/val: {allowed + 1} of {size} examples .*max_undecodable=0.1.*'
    rf'{allowed}.mp4 \(/val/{allowed}.mp4\): broken',
  ):
    fail(quarantine, split, [allowed])


def test_a_sound_split_does_not_make_up_for_a_broken_one():
  quarantine = quarantine_lib.Quarantine(limit=0.1)
  for _ in range(1000):
    quarantine.succeed(source(1000))
  with pytest.raises(quarantine_lib.TooManyUndecodableError, match='own/val'):
    fail(quarantine, source(5, 'val'), [0])


def test_a_storage_that_went_away_shows_before_every_example_was_tried():
  quarantine, train = quarantine_lib.Quarantine(limit=0.5), source(10_000)
  for _ in range(20):
    quarantine.succeed(train)
  fail(quarantine, train, range(31))
  with pytest.raises(
    quarantine_lib.TooManyUndecodableError, match='32 of 52 clips tried'
  ):
    fail(quarantine, train, [31])


def test_a_split_of_which_nothing_is_left_stops_under_any_limit():
  quarantine, train = quarantine_lib.Quarantine(limit=1.0), source(2)
  fail(quarantine, train, [0])
  with pytest.raises(
    quarantine_lib.TooManyUndecodableError, match='none of 2 examples'
  ):
    fail(quarantine, train, [1])


def test_the_share_of_each_split_is_told():
  quarantine = quarantine_lib.Quarantine()
  fail(quarantine, source(8), [0, 2])
  fail(quarantine, source(4, 'val'), [1])
  quarantine.succeed(source(4, 'test'))
  assert quarantine.shares() == [
    'own/train: 2 of 8 examples (25.0%) could not be decoded',
    'own/val: 1 of 4 examples (25.0%) could not be decoded',
  ]


def test_an_evaluation_counts_over_all_hosts():
  quarantine, val = quarantine_lib.Quarantine(limit=0.1), source(40, 'val')
  quarantine.require(val, 4)
  with pytest.raises(
    quarantine_lib.TooManyUndecodableError, match='own/val: 5 of 40'
  ):
    quarantine.require(val, 5)
