"""A run that fails, is damaged, and goes on is the run that did not."""

import collections
import json
import types

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

from vidpetl.parameters import package, storage
from vidpetl.training import damage, evaluation, loop, start
from vidpetl.training import run as run_lib


@pytest.fixture
def config(make_config):
  fields = {
    'steps': 4,
    'log_every': 3,
    'checkpoint.every': 2,
    'trainable': (('^heads_', 'all'), ('.*', 'frozen')),
    'tasks.kinetics400.initial': 'uniform',
    'backbone.stochastic_depth': 0.3,
    'optimizer.schedule': 'constant',
  }
  epoch = run_lib.prepare(make_config('kinetics400')).epoch
  fields['eval_every_epochs'] = 2 / epoch
  return make_config('kinetics400', **fields)


def test_failed_evaluations_and_a_damaged_checkpoint_change_nothing(
  config, tmp_path, monkeypatch, capfd
):
  """No step is lost to an evaluation, which the same command makes up for."""
  whole, run = tmp_path / 'whole', tmp_path / 'run'
  expected = loop.run(config, str(whole))
  with monkeypatch.context() as patch:
    for step in (2, 4):
      _fail_at(patch, 2 if step == 4 else 1)
      with pytest.raises(OSError, match='the records are gone'):
        loop.run(config, str(run))
      assert _steps(run)[-1] == step
  _cut_largest_file(run / 'checkpoints' / '4')
  capfd.readouterr()
  assert loop.run(config, str(run)) == expected
  said = capfd.readouterr().err
  assert f'{run}/checkpoints/4 is damaged: ' in said
  assert f'was moved to {run}/checkpoints.damaged/4.' in said
  assert 'Resuming at step 2 of 4' in said and 'Traceback' not in said
  ours, theirs = (storage.load_changing(str(x)) for x in (run, whole))
  for name, array in theirs.items():
    np.testing.assert_array_equal(ours[name], array, err_msg=name)
  assert _lines(run) == _lines(whole)
  assert set(_points(run).values()) == {1}
  assert _points(run).keys() == _points(whole).keys() | {
    (tag, 2) for tag in ('config', 'parameters')
  }
  _repeats_nothing(config, run, expected, monkeypatch)


def _repeats_nothing(config, run, expected, monkeypatch):
  """Asserts that a finished run is left as it is, but for what is missing."""
  monkeypatch.setattr(evaluation, 'evaluate', None)
  files = lambda: {
    path: path.read_bytes() for path in run.rglob('*') if path.is_file()
  }
  before = files()
  assert loop.run(config, str(run)) == expected
  assert files() == before
  packed = run / 'adapter' / package.MODEL
  for path in (run / 'adapter').iterdir():
    path.unlink()
  (run / 'results.json').unlink()
  assert loop.run(config, str(run)) == expected
  assert files()[packed] == before[packed]
  assert _lines(run) == _lines(run.with_name('whole'))


def test_without_a_sound_checkpoint_nothing_is_begun(monkeypatch):
  """And all of them stay where they are."""

  def begin(run, checkpoints, step, say, workdir):
    raise damage.DamagedError(f'checkpoints/{step}', 'cut')

  monkeypatch.setattr(start, 'begin', begin)
  checkpoints = types.SimpleNamespace(steps=lambda: [2, 4], folder='folder')
  with pytest.raises(ValueError, match='All checkpoints of folder') as error:
    start.resume(None, checkpoints, print, None)
  assert '(checkpoints/4: cut; checkpoints/2: cut)' in str(error.value)


def _fail_at(patch, number):
  """Lets so many evaluations go wrong: the first, or the second."""
  real, calls = _EVALUATE, []

  def evaluate(*arguments):
    calls.append(1)
    if len(calls) == number:
      raise OSError('the records are gone')
    return real(*arguments)

  patch.setattr(evaluation, 'evaluate', evaluate)


_EVALUATE = evaluation.evaluate


def _steps(run):
  folder = run / 'checkpoints'
  return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit())


def _cut_largest_file(folder):
  files = [path for path in folder.rglob('*') if path.is_file()]
  path = max(files, key=lambda p: p.stat().st_size)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _lines(run):
  """Returns metrics.jsonl without what clocks say."""
  rows = map(json.loads, (run / 'metrics.jsonl').read_text().splitlines())
  return [
    {k: v for k, v in row.items() if not k.startswith('speed/')}
    for row in rows
    if 'seconds_to_first_step' not in row
  ]


def _points(run):
  """Returns how often TensorBoard has each (tag, step) of no clock."""
  events = event_accumulator.EventAccumulator(
    str(run), {event_accumulator.TENSORS: 0}
  ).Reload()
  return collections.Counter(
    (tag, event.step)
    for tag in events.Tags()['tensors']
    for event in events.Tensors(tag)
    if tag != 'seconds_to_first_step'
  )
