"""Whole runs, of a tiny model on tiny videos."""

import json
import shutil

import experiments
import jax
import numpy as np
import pytest
from etils import epath

from vidpetl.experiment import handover
from vidpetl.parameters import package, storage
from vidpetl.recipes import methods
from vidpetl.studies import recorded
from vidpetl.training import divergence, evaluation, loop, predictions


def final_params(workdir):
  return storage.load_arrays(str(workdir))


def final_backbone(workdir):
  saved = final_params(workdir).items()
  return {name: x for name, x in saved if name.startswith('backbone/')}


def same(a, b):
  return jax.tree.all(
    jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), a, b)
  )


def test_all_tasks_train_and_evaluate(make_config, tmp_path):
  config = make_config(steps=8, **{'mixture.mode': 'alternating'})
  results = loop.run(config, str(tmp_path))
  assert results == json.loads((tmp_path / 'results.json').read_text())
  tasks = results['tasks']
  assert set(tasks) == set(config.tasks)
  assert results['steps_per_task'] == dict.fromkeys(tasks, 2)
  assert 0 <= tasks['ava']['metrics']['mAP'] <= 1
  assert 'mAP_slowfast' in tasks['ava']['metrics']
  assert 0 <= tasks['kinetics400']['metrics']['top1'] <= 1
  assert tasks['ava']['protocol']['frames'] == 4
  assert list((tmp_path / 'pictures').glob('ava_*.png'))
  _check_files(tmp_path, tasks)
  rows = [
    json.loads(line)
    for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()
  ]
  seen = set().union(*rows)
  assert {
    'ava/loss',
    'kinetics400/accuracy',
    'learning_rate',
    'speed/clips_per_second',
    'speed/input_wait',
    'ava/mAP',
  } <= seen
  # What it reports is no task of its own.
  run = recorded.Recorded(epath.Path(tmp_path), 'run')
  assert set(run.tasks) == set(config.tasks)
  assert [row['step'] for row in run.evaluations()] == [8]


def _check_files(workdir, tasks):
  """Asserts that each task left what it predicted."""
  named = json.loads((workdir / 'classes.json').read_text())
  assert set(named) == set(tasks)
  for task, found in tasks.items():
    rows = predictions.read_csv(workdir / 'per_class' / f'{task}.8.csv')
    assert [row['class'] for row in rows] == [
      row['class'] for row in found['classes']
    ]
    assert sum(row['train'] for row in found['classes']) > 0
    # They are in files of their own, not in each line of this one.
    assert 'classes' not in (workdir / 'evaluations.jsonl').read_text()
    path = workdir / 'predictions' / f'{task}.8.csv'
    if task != 'ava':
      rows = predictions.read_csv(path)
      assert len(rows) == found['examples']
      right = [row['top1'] == row['truth'] for row in rows]
      top1 = found['metrics']['top1']
      assert sum(right) / len(right) == pytest.approx(top1)
    else:
      assert {len(line.split(',')) for line in path.open()} == {8}


@pytest.mark.slow
def test_evaluation_of_a_checkpoint_gives_the_same(make_config, tmp_path):
  config = make_config('ava', steps=1)
  trained = loop.run(config, str(tmp_path))
  config.mode = 'eval'
  for wanted in ('latest', 'best', '1'):
    config.eval_checkpoint = wanted
    found = loop.run(config, str(tmp_path))
    assert found['tasks'] == trained['tasks']


def test_results_do_not_depend_on_the_batch_size(make_config, tmp_path):
  config = make_config('ava', steps=1)
  trained = loop.run(config, str(tmp_path))
  config.mode, config.eval_batch_size = 'eval', 3
  found = loop.run(config, str(tmp_path))
  experiments.check_close(
    found['tasks']['ava']['metrics'], trained['tasks']['ava']['metrics'], 1e-6
  )
  # What training reported stays beside what was evaluated since.
  written = lambda name: json.loads((tmp_path / name).read_text())
  assert written('results.json') == trained
  assert written('results.eval.json') == found
  run = recorded.Recorded(epath.Path(tmp_path), 'run')
  assert run.results == trained and len(run.per_class('ava'))


def test_evaluating_nothing_is_refused(make_config, tmp_path):
  with pytest.raises(ValueError, match='has no such checkpoint'):
    loop.run(make_config('ava', mode='eval'), str(tmp_path))


def test_nan_names_step_task_and_clips(make_config, tmp_path):
  config = make_config('ava', steps=6)
  config.unlock()
  config.optimizer.update(
    name='sgd', learning_rate=1e30, schedule='constant', clip_norm=0.0
  )
  config.checkpoint.every = 1
  with pytest.raises(divergence.DivergedError) as error:
    loop.run(config, str(tmp_path))
  message = str(error.value)
  assert 'task ava' in message and ',09' in message  # Ids end in ',0902'.
  # Its loss shows that the state after the first step has diverged.
  assert not list((tmp_path / 'checkpoints').glob('[0-9]*'))
  assert (tmp_path / 'checkpoints.diverged' / '1' / 'state').exists()
  assert 'begin anew with --config.optimizer.learning_rate=5e+29' in message
  lines = (tmp_path / 'metrics.jsonl').read_text().splitlines()
  losses = [row['ava/loss'] for row in map(json.loads, lines) if len(row) > 2]
  step = int(message.split('at step ')[1].split('.')[0])
  assert len(losses) == step + 1 and losses[0] > 0 and losses[-1] is None


def test_undecodable_videos_are_listed_and_the_run_goes_on(
  make_config, world, tmp_path, capsys
):
  raw = tmp_path / 'kinetics400'
  shutil.copytree(world['kinetics400'], raw)
  for video in list(raw.rglob('train/**/*.mp4'))[:2]:
    video.write_bytes(video.read_bytes()[:1000])
  config = make_config('kinetics400', steps=3)
  config.unlock()
  config.tasks.kinetics400.train.raw = str(raw)
  config.input.max_undecodable = 0.5
  loop.run(config, str(tmp_path / 'run'))
  rows = (tmp_path / 'run' / 'undecodable.0.csv').read_text().splitlines()
  assert rows[0] == 'path,split,id,reason'
  assert len(rows) == 3
  said = capsys.readouterr().err
  assert 'kinetics400/train: 2 of ' in said and 'undecodable' in said


@pytest.mark.slow
def test_starting_from_another_run(make_config, tmp_path):
  first = make_config('kinetics400', steps=1)
  loop.run(first, str(tmp_path / 'first'))
  second = make_config('ava', steps=1)
  second.unlock()
  second.init.path = str(tmp_path / 'first')
  second.optimizer.learning_rate = 0.0
  loop.run(second, str(tmp_path / 'second'))
  assert same(
    final_backbone(tmp_path / 'first'), final_backbone(tmp_path / 'second')
  )
  second.init.skip = ()
  with pytest.raises(ValueError, match=r'(?s)heads_ava.*heads_kinetics400'):
    loop.run(second, str(tmp_path / 'third'))


@pytest.mark.slow
def test_a_package_is_written_and_evaluates_to_the_same(make_config, tmp_path):
  base, tuned, again = (tmp_path / name for name in ('base', 'tuned', 'again'))
  loop.run(make_config('kinetics400', steps=1), str(base))
  petl, rules = methods.make('lora', rank=2)
  fields = {'petl': petl, 'trainable': rules, 'init.path': str(base)}
  fields |= {'init.skip': ('^heads_', '/site_')}
  trained = loop.run(make_config('kinetics400', **fields), str(tuned))
  assert {p.name for p in (tuned / 'adapter').iterdir()} == {
    package.CONFIG,
    package.MODEL,
  }
  packed = package.load(tuned / 'adapter')
  assert packed.config['step'] == trained['step']
  assert str(base) in packed.config['origin']
  assert packed.size < 20_000
  fields |= {'mode': 'eval', 'eval_checkpoint': 'none'}
  fields |= {'init.adapter': str(tuned / 'adapter')}
  found = loop.run(make_config('kinetics400', **fields), str(again))
  metrics = lambda results: results['tasks']['kinetics400']['metrics']
  assert metrics(found) == metrics(trained)
  with pytest.raises(ValueError, match='and config'):
    storage.load_arrays(str(tuned))
  whole = handover.read(str(tuned))
  assert whole.notes[0].startswith('lora merged')
  assert whole.arrays.keys() == storage.load_arrays(str(base)).keys()
  fields['petl'] = ()
  fields['trainable'] = (('.*', 'frozen'),)
  with pytest.raises(ValueError, match=r'adapter does not fit config.petl'):
    loop.run(make_config('kinetics400', **fields), str(again))


@pytest.mark.slow
def test_a_frozen_head_of_zeros_is_refused(make_config, tmp_path):
  fields = {'trainable': (('^heads_', 'frozen'), ('.*', 'all'))}
  with pytest.raises(ValueError, match='which is zero'):
    loop.run(make_config('kinetics400', **fields), str(tmp_path))
  config = make_config('kinetics400', steps=1, **fields)
  config.unlock()
  config.tasks.kinetics400.initial = 'uniform'
  assert loop.run(config.lock(), str(tmp_path))['step'] == 1


@pytest.mark.slow
def test_nothing_recompiles(make_config, tmp_path):
  config = make_config('ava', 'kinetics400', steps=6)
  run = loop.one(config, str(tmp_path))
  compiled = run.run.train_steps()
  run.run.train_steps = lambda: compiled
  run.train()
  run.close()
  assert {name: step.func._cache_size() for name, step in compiled.items()} == {
    'ava': 1,
    'kinetics400': 1,
  }


@pytest.mark.slow
def test_starting_from_a_run_at_another_resolution(make_config, tmp_path):
  """Which grid its tables are for is known from its config.json."""
  first = make_config('ava', steps=1)
  loop.run(first, str(tmp_path / 'first'))
  second = make_config('ava', steps=1)
  second.unlock()
  second.tasks.ava.clip.resolution = 48
  second.init.path = str(tmp_path / 'first')
  loop.run(second, str(tmp_path / 'second'))
  table = final_params(tmp_path / 'second')[
    'backbone/SpatialTransformer/posembed_input/pos_embedding'
  ]
  assert table.shape == (1, 9, 8)


@pytest.mark.parametrize(
  'every, due',
  [(5.5, [6, 11, 17, 22]), (3.0, [3, 6, 9]), (0.9999999, [1, 2, 3]), (0.0, [])],
)
def test_epochs_that_are_no_whole_steps_do_not_drift(every, due):
  steps = range(1, max(due, default=3) + 1)
  assert [step for step in steps if evaluation.is_due(step, every)] == due
