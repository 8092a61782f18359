"""What a search's budget pays for, and who goes on."""

import types

import pytest

from vidpetl.studies.adapting import cost, shapes, stages

PACE = cost.Pace()
SIZES = cost.Sizes(train=80, held=20, test=50, last=100)
HOW = {
  name: cost.Trained(seconds, 8, name != 'ladder')
  for name, seconds in (('ladder', 1.0), ('lora', 2.0), ('full', 3.0))
}
NAMES = ('ladder', 'lora', 'full')


def test_a_clip_counts_once_each_way_and_a_shared_trunk_once_for_all():
  trunk, side = HOW['lora'], HOW['ladder']
  one = cost.training(trunk, shown=100, evaluated=10, runs=1, pace=PACE)
  assert (one.forward, one.backward, one.clips) == (110, 100, 210)
  four = cost.training(trunk, 100, 10, 4, PACE)
  assert four.clips == 4 * one.clips and four.seconds == 4 * one.seconds
  beside = cost.training(side, 100, 10, 4, PACE)
  assert (beside.forward, beside.backward) == (110, 0)


def _fitting(limit):
  for shape in shapes.methods(NAMES, 3):
    paid = shapes.cost_of_methods(shape, HOW, SIZES, 30.0, PACE)
    if limit.allows(paid):
      return shape, paid
  return None, None


def test_a_budget_gets_as_much_as_it_pays_for_and_says_what_not():
  whole, paid = _fitting(cost.Limit())
  assert whole.lacks == () and whole.seeds == 3 and whole.rungs == 3
  assert whole.factors == shapes.FACTORS
  assert whole.stages(30.0)[-1] == (30.0, 1)  # As many as heads have.
  lacks, clips = (), paid.clips
  while True:
    shape, less = _fitting(cost.Limit(clips=clips - 1))
    if shape is None:
      break
    assert less.clips < clips and len(shape.lacks) >= len(lacks)
    lacks, clips = shape.lacks, less.clips
  # The cheapest method, once, is the last to go.
  assert lacks == (
    'one rate of each method',
    'one seed',
    'half of the epochs',
    'two stages',
    'one stage',
    'without lora, full',
    'compared with heads after 6% of the epochs',
  )


def test_hours_are_counted_by_the_pace_of_this_device():
  slow = cost.Pace(scale=3.0, overhead=10.0)
  for name in NAMES:
    once = shapes.cost_of_rung(HOW[name], 10.0, 1, SIZES, PACE).seconds
    found = shapes.cost_of_rung(HOW[name], 10.0, 1, SIZES, slow).seconds
    assert found == pytest.approx(3 * once + 10)


def test_heads_tell_what_runs_take_before_any_method_has_run():
  """Besides their steps; and what a clip takes, if no less than planned."""
  run = {'forward': 0, 'backward': 0, 'steps': 10, 'step': 1.0, 'together': 2}
  runs = {'heads/reads/0': {**run, 'seconds': 20.0}}  # 40 together: 30 beside
  runs['heads/encodes/0'] = {**run, 'forward': 40, 'seconds': 50.0}
  books = types.SimpleNamespace(found={'stages': {'heads': {'runs': runs}}})
  of = {f'heads/{name}/': HOW['ladder'] for name in ('reads', 'encodes')}
  # 80 clips took 60 s, of which the plan says 80 / 8.
  assert stages.pace(books, {}, of) == cost.Pace(6.0, 30.0)
  runs['heads/encodes/0'] = {**run, 'forward': 40, 'seconds': 20.5}
  assert stages.pace(books, {}, of) == cost.Pace(1.0, 30.0)


def test_stages_get_longer_and_one_in_three_goes_on():
  shape = shapes.Methods(tuple('abcdefg'), (1.0,), 3)
  assert shape.stages(27.0) == [(3.0, 7), (9.0, 3), (27.0, 1)]
  assert shape.stages(2.0) == [(1.0, 7), (1.0, 3), (2.0, 1)]
  # One that is left alone has nobody to be compared with but heads.
  assert shapes.Methods(NAMES, (1.0,), 3).stages(27.0) == [(3.0, 3), (27.0, 1)]
  once = shapes.Methods(NAMES, (1.0,), 1, share=0.5, rungs=1)
  assert once.stages(36.0) == [(2.0, 3)]
  assert [shapes.going_on(n) for n in (1, 3, 4, 7)] == [1, 1, 2, 3]
  assert shapes.evaluations(30.0) == shapes.EVALUATIONS
  assert shapes.evaluations(1.0) == 1


def test_heads_are_kept_fewer_times_and_then_fewer_of_them():
  found = list(shapes.heads(['linear', 'attentive'], ['linear']))
  costs = [
    shapes.cost_of_heads(s, ['linear'], HOW['ladder'], SIZES, PACE).clips
    for s in found
  ]
  assert costs == [2 * (2 * 80 + 20), 2 * (80 + 20), 80 + 20]
  assert found[-1].lacks[-1] == 'without attentive'
