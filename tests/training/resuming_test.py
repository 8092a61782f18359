"""A run that fails, is damaged, and goes on is the run that did not."""

import collections
import json
import os
import signal
import types

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

from vidpetl.parameters import package, storage
from vidpetl.training import (
  candidate,
  checkpoint,
  damage,
  evaluation,
  holding,
  loop,
  start,
)
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


def test_evaluations_that_end_early_and_a_damaged_checkpoint_change_nothing(
  config, tmp_path, monkeypatch, capfd
):
  """No step is lost to an evaluation that fails, or that a signal cuts short.

  The same command makes up for it.
  """
  whole, run = tmp_path / 'whole', tmp_path / 'run'
  expected = loop.run(config, str(whole))
  with monkeypatch.context() as patch:
    _stop_at(patch, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert loop.run(config, str(run)) is None
    assert 'SIGTERM: saved step 2; the same' in capfd.readouterr().err
    assert _steps(run)[-1] == 2
    _stop_at(patch, 2, _fail)
    with pytest.raises(OSError, match='the records are gone'):
      loop.run(config, str(run))
    assert _steps(run)[-1] == 4
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


def test_an_evaluation_begins_while_its_checkpoint_is_written(
  config, tmp_path, monkeypatch
):
  """What it finds is kept once that is on the disk."""
  told = []

  def tell(of, name):
    act = getattr(of, name)

    def telling(*args, **kwargs):
      told.append(name)
      return act(*args, **kwargs)

    monkeypatch.setattr(of, name, telling)

  tell(checkpoint.Checkpoints, 'save')
  tell(checkpoint.Checkpoints, 'wait')
  tell(evaluation, 'evaluate')
  tell(candidate.Candidate, 'add')
  loop.run(config, str(tmp_path))
  begun, kept = told.index('save'), told.index('add')
  # Saving waits for what was saved before.
  assert told[begun:kept] == ['save', 'wait', 'evaluate', 'wait']


def test_an_evaluation_is_made_again_if_its_checkpoint_was_not_written(
  config, tmp_path, monkeypatch
):
  """The run was killed when all else of the evaluation was on the disk."""
  whole, run = tmp_path / 'whole', tmp_path / 'run'
  expected = loop.run(config, str(whole))
  save, tell = checkpoint.Checkpoints.save, candidate.Candidate.tell

  def saves_but_the_last(checkpoints, state, step, meta):
    if step < config.steps:
      save(checkpoints, state, step, meta)

  def tells_and_ends(one, step, *found):
    tell(one, step, *found)
    if step == config.steps:
      _fail()

  with monkeypatch.context() as patch:
    patch.setattr(checkpoint.Checkpoints, 'save', saves_but_the_last)
    patch.setattr(candidate.Candidate, 'tell', tells_and_ends)
    with pytest.raises(OSError, match='the records are gone'):
      loop.run(config, str(run))
  assert _steps(run) == [2]
  assert loop.run(config, str(run)) == expected
  assert _lines(run) == _lines(whole)
  assert set(_points(run).values()) == {1}


def test_without_a_sound_checkpoint_nothing_is_begun(monkeypatch):
  """And all of them stay where they are."""

  def begin(run, checkpoints, step, say, workdir):
    raise damage.DamagedError(f'checkpoints/{step}', 'cut')

  monkeypatch.setattr(start, 'begin', begin)
  checkpoints = types.SimpleNamespace(steps=lambda: [2, 4], folder='folder')
  with pytest.raises(ValueError, match='All checkpoints of folder') as error:
    start.resume(None, checkpoints, print, None)
  assert '(checkpoints/4: cut; checkpoints/2: cut)' in str(error.value)


def test_a_checkpoint_that_others_can_read_stops_the_run(monkeypatch):
  """They go on with it, and one process cannot take another."""

  def begin(run, checkpoints, step, say, workdir):
    raise damage.DamagedError(f'checkpoints/{step}', 'cut')

  monkeypatch.setattr(start, 'begin', begin)
  monkeypatch.setattr(holding, 'all_come', lambda seconds: False)
  checkpoints = types.SimpleNamespace(steps=lambda: [2, 4], folder='folder')
  with pytest.raises(damage.DamagedError, match='4 is damaged: cut'):
    start.resume(None, checkpoints, print, None)


def _fail():
  raise OSError('the records are gone')


def _stop_at(patch, number, do):
  """Lets something happen in an evaluation: the first, or the second."""
  calls = []

  def evaluate(metric, source, batches, *arguments):
    calls.append(1)

    def interrupted():
      if len(calls) == number:
        do()
      yield from batches

    return _EVALUATE(metric, source, interrupted(), *arguments)

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
