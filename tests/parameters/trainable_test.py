import pytest

from vidpetl.parameters import trainable

PARAMS = {'backbone': {'a': 1, 'b': {'c': 2}}, 'heads_x': {'kernel': 3}}


def test_first_rule_names_the_group():
  rules = [('^heads_', 'head'), ('a$', 'fast'), ('.*', 'frozen')]
  assert trainable.groups(PARAMS, rules) == {
    'backbone/a': 'fast',
    'backbone/b/c': 'frozen',
    'heads_x/kernel': 'head',
  }


def test_parameter_without_a_rule_is_named():
  with pytest.raises(ValueError, match='backbone/b/c'):
    trainable.groups(PARAMS, [('a$', 'fast'), ('^heads_', 'head')])


def test_rule_that_matches_nothing_is_named():
  with pytest.raises(ValueError, match='typo'):
    trainable.groups(PARAMS, [('typo', 'fast'), ('.*', 'frozen')])


def test_partition_and_merge_are_inverse():
  group_of = trainable.groups(PARAMS, [('b/', 'frozen'), ('.*', 'all')])
  trained, frozen = trainable.partition(PARAMS, group_of)
  assert frozen == {'backbone': {'b': {'c': 2}}}
  assert trainable.merge(trained, frozen) == PARAMS
