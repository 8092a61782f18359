"""More of the same run."""

import json
import types

import numpy as np
import pytest
from etils import epath

from vidpetl.data import mixture
from vidpetl.parameters import storage
from vidpetl.recipes import defaults
from vidpetl.training import checkpoint, continuing, loop


def make_run(total, mode='weighted', names=('a', 'b'), **optimizer):
  """What of a run decides whether it may go on; ten steps are an epoch."""
  config = defaults.get_config()
  config.optimizer.update(warmup_epochs=0.0, **optimizer)
  schedule = mixture.Schedule(
    names, (60, 40)[: len(names)], steps=total, seed=0, mode=mode
  )
  return types.SimpleNamespace(
    config=config, epoch=10.0, total=total, mixture=schedule
  )


def go_on(tmp_path, run, then=100, step=100, before=None):
  """Goes on with a run of `then` steps; returns the history."""
  before = run if before is None else before
  config = json.dumps({'optimizer': before.config.optimizer.to_dict()})
  (tmp_path / 'config.json').write_text(config)
  saved = {'steps': then, 'mixture': 'before', 'seed': 0}
  meta, history = continuing.resumed(run, saved, step, epath.Path(tmp_path))
  checkpoint.check_same_run(meta, {'seed': 0, 'steps': run.total})
  return history


def test_as_many_steps_as_before_are_no_change(tmp_path):
  assert go_on(tmp_path, make_run(100)) == []


def test_a_constant_rate_goes_on(tmp_path):
  (change,) = go_on(tmp_path, make_run(150, schedule='constant'))
  assert change == {'at': 100, 'steps': [100, 150], 'tails': []}


def test_steps_go_on_unless_a_milestone_lies_in_what_was_taken(tmp_path):
  steps = {'schedule': 'steps', 'milestones': (5, 8)}
  before = make_run(100, **steps)
  assert go_on(tmp_path, make_run(150, **steps), before=before)
  later = make_run(150, schedule='steps', milestones=(5, 8, 12))
  assert go_on(tmp_path, later, before=before)
  other = make_run(150, schedule='steps', milestones=(5, 9))
  with pytest.raises(ValueError, match=r'of step 80, and 0\.02 would be'):
    go_on(tmp_path, other, before=before)


def test_a_cosine_goes_on_with_a_tail_alone_and_the_error_says_it(tmp_path):
  with pytest.raises(ValueError, match=r'--config.init.path=') as error:
    go_on(tmp_path, make_run(150))
  flag = '--config.optimizer.tails="((10,\'constant\',0.002),)"'
  assert flag in str(error.value)
  tailed = make_run(150, tails=((10, 'constant', 0.002),))
  (change,) = go_on(tmp_path, tailed, before=make_run(100))
  assert change['tails'] == [[10, 'constant', 0.002]]
  # Killed before it saved anything, it has the new config already.
  assert go_on(tmp_path, tailed, before=tailed)
  early = make_run(150, tails=((8, 'constant', 0.002),))
  with pytest.raises(ValueError, match='would have been others'):
    go_on(tmp_path, early, before=make_run(100))


def test_a_run_that_was_killed_resumes_at_the_rates_it_had(tmp_path):
  tailed = make_run(150, tails=((10, 'constant', 0.002),))
  assert go_on(tmp_path, tailed, then=150, step=120) == []
  forgotten = make_run(150)
  with pytest.raises(ValueError, match='with these settings') as error:
    go_on(tmp_path, forgotten, then=150, step=120, before=tailed)
  assert "tails=\"((12,'constant'," in str(error.value)
  # At its end there is nothing left to take.
  assert go_on(tmp_path, forgotten, then=150, step=150, before=tailed) == []


def test_a_mixture_that_shares_out_all_steps_does_not_go_on(tmp_path):
  constant = {'schedule': 'constant', 'mode': 'permuted'}
  with pytest.raises(ValueError, match='permuted'):
    go_on(tmp_path, make_run(150, **constant))
  assert go_on(tmp_path, make_run(150, names=('a',), **constant))


def test_fewer_steps_are_refused(tmp_path):
  with pytest.raises(ValueError, match='more, not fewer'):
    go_on(tmp_path, make_run(50, schedule='constant'))


@pytest.mark.parametrize('mode', ['weighted', 'alternating'])
def test_steps_that_are_taken_serve_the_same_tasks(mode):
  short, long = (make_run(n, mode).mixture for n in (100, 150))
  tasks = [[m.task(step) for step in range(100)] for m in (short, long)]
  assert tasks[0] == tasks[1]
  assert short.fingerprint() == long.fingerprint()


@pytest.mark.slow
def test_a_run_given_more_steps_is_the_longer_run(make_config, tmp_path):
  fields = {
    'optimizer.schedule': 'constant',
    'backbone.stochastic_depth': 0.3,
    'eval_every_epochs': 0.0,
  }
  for name, counts in {'whole': (3,), 'longer': (2, 3)}.items():
    for steps in counts:
      config = make_config('kinetics400', steps=steps, **fields)
      results = loop.run(config, str(tmp_path / name))
  assert results['history'] == [{'at': 2, 'steps': [2, 3], 'tails': []}]
  whole, longer = (
    storage.load_arrays(str(tmp_path / name)) for name in ('whole', 'longer')
  )
  for name, array in whole.items():
    np.testing.assert_array_equal(array, longer[name], err_msg=name)
