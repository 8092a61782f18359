"""A run that goes on: as the same run, as more of it, or as was accepted."""

import json
import types

import numpy as np
import pytest
from etils import epath

from vidpetl import mistakes
from vidpetl.data import mixture
from vidpetl.parameters import storage
from vidpetl.recipes import defaults
from vidpetl.training import continuing, identity, loop


def make_run(total, mode='weighted', names=('a', 'b'), accept='', **optimizer):
  """What of a run decides whether it may go on; ten steps are an epoch."""
  config = defaults.get_config()
  config.backbone = {'name': 'c3d'}
  config.tasks = {}
  config.checkpoint.accept = accept
  config.optimizer.update(warmup_epochs=0.0, **optimizer)
  schedule = mixture.Schedule(
    names, (60, 40)[: len(names)], steps=total, seed=0, mode=mode
  )
  return types.SimpleNamespace(
    config=config, epoch=10.0, total=total, mixture=schedule
  )


def meta_of(run, videos='v'):
  train = {'annotations': 'x', 'videos': videos}
  return identity.meta(run, {'a': {'train': train}}, 'frozen')


def go_on(run, then=100, step=100, before=None, **saved):
  """Goes on with a run of `then` steps; returns what changed."""
  before = run if before is None else before
  saved = {**meta_of(before), 'steps': then, **saved}
  history = continuing.resumed(
    run, saved, meta_of(run), step, epath.Path('/run')
  )
  return history[-1]['changed'] if history else {}


def test_as_many_steps_as_before_are_no_change():
  assert go_on(make_run(100)) == {}


def test_a_constant_rate_goes_on():
  assert go_on(make_run(150, schedule='constant')) == {'steps': [100, 150]}


def test_steps_go_on_unless_a_milestone_lies_in_what_was_taken():
  steps = {'schedule': 'steps', 'milestones': (5, 8)}
  before = make_run(100, **steps)
  assert go_on(make_run(150, **steps), before=before)
  later = make_run(150, schedule='steps', milestones=(5, 8, 12))
  assert go_on(later, before=before)
  other = make_run(150, schedule='steps', milestones=(5, 9))
  with pytest.raises(ValueError, match=r'of step 80, and 0\.02 would be'):
    go_on(other, before=before)


def test_a_cosine_goes_on_with_a_tail_alone_and_the_error_says_it():
  with pytest.raises(ValueError, match=r'--config.init.path=/run') as error:
    go_on(make_run(150))
  flag = '--config.optimizer.tails="((10,\'constant\',0.002),)"'
  assert flag in str(error.value)
  tailed = make_run(150, tails=((10, 'constant', 0.002),))
  changed = go_on(tailed, before=make_run(100))
  assert changed['optimizer.tails'] == [[], [[10, 'constant', 0.002]]]
  early = make_run(150, tails=((8, 'constant', 0.002),))
  with pytest.raises(ValueError, match=r'0\.2 was the learning rate of step 1'):
    go_on(early, before=make_run(100))


def test_a_run_that_was_killed_resumes_at_the_rates_it_had():
  tailed = make_run(150, tails=((10, 'constant', 0.002),))
  assert go_on(tailed, then=150, step=120) == {}
  forgotten = make_run(150)
  for step in (120, 150):
    with pytest.raises(ValueError, match=r'optimizer\.tails: \[\[10,') as error:
      go_on(forgotten, then=150, step=step, before=tailed)
    assert f'tails="(({step // 10},' in str(error.value)


def test_a_mixture_that_shares_out_all_steps_does_not_go_on():
  constant = {'schedule': 'constant', 'mode': 'permuted'}
  with pytest.raises(ValueError, match='permuted'):
    go_on(make_run(150, **constant))
  assert go_on(make_run(150, names=('a',), **constant))


def test_fewer_steps_are_refused():
  with pytest.raises(ValueError, match='more steps, not fewer'):
    go_on(make_run(50, schedule='constant'), step=40)
  with pytest.raises(ValueError, match='has taken 100 steps'):
    go_on(make_run(50, schedule='constant', accept='steps'))


def test_all_that_differs_is_named_at_once_with_both_values():
  other = make_run(100, learning_rate=0.4)
  other.config.seed = 1
  other.config.dtype = 'float32'
  with pytest.raises(ValueError) as error:
    go_on(other, before=make_run(100), data=meta_of(other, 'w')['data'])
  told = str(error.value)
  for part in (
    'seed: 0 then, 1 now; ',
    "dtype: 'bfloat16' then, 'float32' now; ",
    'optimizer.learning_rate: 0.2 then, 0.4 now; ',
    "data.a.train.videos: 'w' then, 'v' now. ",
    '--config.checkpoint.accept=dtype,optimizer.learning_rate,seed,'
    'data.a.train.videos to go on from step 100',
  ):
    assert part in told, (part, told)


@pytest.mark.parametrize('accept', ['seed, optimizer', 'config.seed,optimizer'])
def test_what_is_accepted_is_written_down(accept):
  other = make_run(100, accept=accept, learning_rate=0.1, clip_norm=2.0)
  other.config.seed = 1
  changed = go_on(other, before=make_run(100), step=50)
  assert changed == {
    'seed': [0, 1],
    'optimizer.learning_rate': [0.2, 0.1],
    'optimizer.clip_norm': [1.0, 2.0],
  }
  # From the next checkpoint on the same command finds nothing to accept.
  assert go_on(other) == {}
  assert continuing.lines([{'at': 50, 'changed': {'seed': [0, 1]}}]) == [
    'At step 50 seed became 1; it was 0.'
  ]


@pytest.mark.parametrize('accept', ['optimizer.rate', 'opt', 'log_every'])
def test_to_accept_what_tells_no_runs_apart_is_a_mistake(accept):
  run = make_run(100, accept=accept)
  for check in (
    lambda: go_on(run),
    lambda: continuing.check_accepted(run, meta_of(run)),
  ):
    with pytest.raises(ValueError, match=rf"accept names '{accept}'"):
      check()


def test_runs_of_older_versions_go_on_with_a_note(tmp_path):
  run = make_run(100)
  old = {'seed': 0, 'batch_size': 128, 'steps': 100, 'frozen': 'frozen'}
  old |= {'mixture': 'x', 'data': {'a': 'x'}}
  rates = {'learning_rate': 0.2, 'clip_norm': 7}
  (tmp_path / 'config.json').write_text(json.dumps({'optimizer': rates}))
  resume = lambda run: continuing.resumed(
    run, old, meta_of(run), 50, epath.Path(tmp_path)
  )
  with pytest.warns(mistakes.Note, match='of an older version: .* only steps'):
    assert resume(run) == []
  with pytest.raises(ValueError, match=r'learning_rate: 0\.2 then, 0\.1 now'):
    resume(make_run(100, learning_rate=0.1))
  old['data']['a'] = 'y'
  with pytest.raises(ValueError, match=r"data\.a\.train\.annotations: 'y'"):
    resume(run)
  assert continuing.lines([{'at': 2, 'steps': [2, 3], 'tails': []}]) == [
    'At step 2 steps became 3; it was 2.'
  ]


@pytest.mark.parametrize('mode', ['weighted', 'alternating'])
def test_steps_that_are_taken_serve_the_same_tasks(mode):
  short, long = (make_run(n, mode).mixture for n in (100, 150))
  tasks = [[m.task(step) for step in range(100)] for m in (short, long)]
  assert tasks[0] == tasks[1]


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
  assert results['history'] == [{'at': 2, 'changed': {'steps': [2, 3]}}]
  whole, longer = (
    storage.load_arrays(str(tmp_path / name)) for name in ('whole', 'longer')
  )
  for name, array in whole.items():
    np.testing.assert_array_equal(array, longer[name], err_msg=name)
