import hashlib

import numpy as np
import pytest

from vidpetl.data import splits


@pytest.mark.parametrize(
  ('name', 'role'),
  [
    *[(n, 'train') for n in ('train', ' Train', 'TRAINING', 'tr', 'train\t')],
    *[(n, 'val') for n in ('val', 'valid', 'Validation', 'dev', 'eval')],
    *[(n, 'test') for n in ('test', 'Testing')],
    (' Fold 1 ', 'fold 1'),
    ('', ''),
  ],
)
def test_a_split_is_called_in_any_spelling(name, role):
  assert splits.role(name) == role


def test_the_share_is_of_each_group():
  keys = [f'{group}/{i}.mp4' for group in 'abc' for i in range(20)]
  groups = [key[0] for key in keys]
  val = splits.by_share(keys, groups, 0.2)
  assert [int(val[i : i + 20].sum()) for i in (0, 20, 40)] == [4, 4, 4]


def test_the_first_keys_by_their_hash_are_for_validation():
  keys = [f'{i}.mp4' for i in range(10)]
  order = sorted(keys, key=lambda k: hashlib.sha256(k.encode()).digest())
  val = splits.by_share(keys, ['a'] * 10, 0.3)
  assert {k for k, v in zip(keys, val) if v} == set(order[:3])


@pytest.mark.parametrize(
  ('n', 'fraction', 'count'),
  [(1, 0.9, 0), (2, 0.01, 1), (2, 0.99, 1), (3, 0.2, 1), (5, 0.0, 0)],
)
def test_a_group_keeps_one_for_training_and_gives_one_of_two(
  n, fraction, count
):
  keys = [str(i) for i in range(n)]
  assert splits.by_share(keys, ['a'] * n, fraction).sum() == count


def test_names_that_are_alike_are_not_split_alike_in_all_groups():
  keys = [f'{group}/IMG_{i}.mp4' for group in range(30) for i in range(8)]
  groups = [key.split('/')[0] for key in keys]
  val = splits.by_share(keys, groups, 0.2)
  assert len({key.split('/')[1] for key, v in zip(keys, val) if v}) > 4


def test_items_of_one_key_stay_together():
  keys = [str(i) for i in range(10) for _ in range(3)]
  val = splits.by_share(keys, ['a'] * 30, 0.5).reshape(10, 3)
  assert (val == val[:, :1]).all()
  assert val.sum() == 15


def test_the_order_and_the_unicode_form_change_nothing():
  keys = ['caf\u00e9/1', 'cafe\u0301/2', 'b', 'c', 'd', 'e']
  plain = ['caf\u00e9/1', 'caf\u00e9/2', 'b', 'c', 'd', 'e']
  val = splits.by_share(keys, [0] * 6, 0.4)
  np.testing.assert_array_equal(val, splits.by_share(plain, [0] * 6, 0.4))
  back = splits.by_share(keys[::-1], [0] * 6, 0.4)
  np.testing.assert_array_equal(val, back[::-1])


def test_names_that_are_no_utf8_are_keys():
  assert splits.by_share(['caf\udce9', 'b'], [0, 0], 0.5).sum() == 1


@pytest.mark.parametrize('fraction', [-0.1, 1.0, 2])
def test_a_share_is_a_share(fraction):
  with pytest.raises(ValueError, match=r'val_fraction=.* is not in \[0, 1\)'):
    splits.by_share(['a'], [0], fraction)
