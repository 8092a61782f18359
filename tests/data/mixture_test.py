"""Which task each step serves."""

import numpy as np
import pytest

from vidpetl.data import mixture

NAMES = ('ava', 'kinetics', 'moments')
SIZES = (100, 300, 600)


def make(**options):
  return mixture.Schedule(
    **{'names': NAMES, 'sizes': SIZES, 'steps': 1000, 'seed': 0, **options}
  )


def tasks(schedule):
  return [schedule.task(step) for step in range(schedule.steps)]


def test_weights_default_to_sizes():
  schedule = make(steps=50_000)
  shares = np.array(list(schedule.counts().values())) / 50_000
  # 4 standard deviations of the largest share.
  np.testing.assert_allclose(shares, [0.1, 0.3, 0.6], atol=0.009)


@pytest.mark.parametrize(
  'weights', [[2, 1, 1], {'moments': 1, 'kinetics': 1, 'ava': 2}]
)
def test_explicit_weights(weights):
  counts = make(steps=50_000, weights=weights).counts()
  assert counts['ava'] / 50_000 == pytest.approx(0.5, abs=0.009)


def test_steps_are_drawn_independently():
  drawn = np.array(tasks(make(steps=20_000, weights=[1, 1, 1]))) == 'ava'
  follows = drawn[1:][drawn[:-1]].mean()
  assert follows == pytest.approx(1 / 3, abs=0.025)


def test_a_longer_weighted_run_begins_as_a_shorter_one():
  assert tasks(make(steps=2000))[:1000] == tasks(make(steps=1000))


def test_seeds_differ():
  assert tasks(make(seed=1)) != tasks(make(seed=0))


def test_alternating():
  assert tasks(make(mode='alternating', steps=5)) == [
    'ava', 'kinetics', 'moments', 'ava', 'kinetics',
  ]  # fmt: skip


def test_permuted_is_exact_and_shuffled():
  schedule = make(mode='permuted', steps=1001)
  assert schedule.counts() == {'ava': 100, 'kinetics': 300, 'moments': 601}
  assert len(set(tasks(schedule)[:50])) == 3


@pytest.mark.parametrize('mode', mixture.MODES)
def test_count_is_the_number_of_earlier_steps(mode):
  schedule = make(mode=mode, steps=200)
  served = tasks(schedule)
  for step in (0, 1, 77, 200):
    for name in NAMES:
      assert schedule.count(step, name) == served[:step].count(name)


@pytest.mark.parametrize('mode', mixture.MODES)
def test_resuming_shows_every_batch_once(mode):
  whole = make(mode=mode, steps=300)
  shown = {(whole.task(s), whole.count(s, whole.task(s))) for s in range(120)}
  again = make(mode=mode, steps=300)
  shown |= {
    (again.task(s), again.count(s, again.task(s))) for s in range(120, 300)
  }
  assert shown == {
    (name, k) for name, n in whole.counts().items() for k in range(n)
  }


@pytest.mark.parametrize(
  'options, message',
  [
    ({'weights': [1, 0, 1]}, "weight of 'kinetics' is 0"),
    ({'weights': [1, -2, 1]}, "weight of 'kinetics' is -2"),
    ({'weights': [1, float('nan'), 1]}, "weight of 'kinetics' is nan"),
    ({'weights': [1, 1]}, '3 tasks but 2 weights'),
    ({'weights': {'ava': 1, 'hmdb': 1}}, 'hmdb'),
    ({'sizes': (1, 2)}, '2 sizes'),
    ({'sizes': (1, 0, 3)}, "'kinetics' is empty"),
    ({'names': ('a', 'a', 'b')}, 'unique'),
    ({'mode': 'random'}, "'random' is none of"),
    ({'mode': 'alternating', 'weights': [1, 1, 1]}, 'no weights'),
    ({'steps': -1}, '-1 steps'),
  ],
)
def test_errors_say_what_is_wrong(options, message):
  with pytest.raises(ValueError, match=message):
    make(**options)


def test_questions_outside_of_the_schedule_are_errors():
  schedule = make(steps=10)
  with pytest.raises(IndexError, match='step 10'):
    schedule.task(10)
  with pytest.raises(IndexError, match='step 11'):
    schedule.count(11, 'ava')
  with pytest.raises(ValueError, match="'hmdb'"):
    schedule.count(0, 'hmdb')
