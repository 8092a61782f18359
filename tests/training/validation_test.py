"""The best evaluation by examples that are held out, and its test."""

import json
import shutil

import pytest

from vidpetl.data import sources
from vidpetl.training import identity, loop, reporting
from vidpetl.training import run as run_lib

FIELDS = {
  'report': 'best',
  'validation': 0.4,
  'checkpoint.best': 'ava/mAP',
  'checkpoint.keep': 10,
  'eval_every_epochs': 1.0,
}


@pytest.fixture
def make(make_config):
  def make(**fields):
    return make_config('ava', **{**FIELDS, 'steps': 2, **fields})

  return make


def test_resumed_it_reports_what_it_does_uninterrupted(make, tmp_path, capfd):
  """It chooses among the evaluations of before, too."""
  epoch = run_lib.prepare(make()).epoch
  config = make(eval_every_epochs=1 / epoch)
  whole = loop.run(config, str(tmp_path / 'whole'))
  said = capfd.readouterr().err
  lines = (tmp_path / 'whole' / 'evaluations.jsonl').read_text().splitlines()
  scores = {
    row['step']: row['tasks']['ava']['metrics']['mAP']
    for row in map(json.loads, lines)
  }
  assert list(scores) == [1, 2]
  reported = whole['reported']
  assert reported['step'] == max(scores, key=lambda s: (scores[s], s))
  assert (reported['on'], reported['evaluations']) == ('held-out', 2)
  test = whole['tasks']['ava']
  assert test['dataset'] == 'ava/val'
  assert reported['values']['ava/mAP'] == test['metrics']['mAP']
  # The test set is looked at once.
  assert said.count('on held-out training examples: ava/mAP') == 2
  assert said.count(': ava/mAP') == 3
  assert 'reported: best of 2 by ava/mAP on held-out training examples' in said
  resumed = tmp_path / 'resumed'
  resumed.mkdir()
  shutil.copy(tmp_path / 'whole' / 'evaluations.jsonl', resumed)
  first = 'checkpoints/1'
  shutil.copytree(tmp_path / 'whole' / first, resumed / first)
  assert loop.run(config, str(resumed)) == whole


def test_what_is_held_out_is_not_trained_on(make):
  run = run_lib.prepare(make())
  whole = run_lib.prepare(make(validation=0.0, report='last'))
  held, train = run.held_out['ava'].ids, run.train['ava'].ids
  assert sorted([*held, *train]) == sorted(whole.train['ava'].ids)
  assert identity.data_of(run) != identity.data_of(whole)
  assert run.epoch < whole.epoch
  assert not whole.validation


@pytest.mark.parametrize(
  'fields, match',
  [
    ({'eval_every_epochs': 0.0}, 'eval_every_epochs=0 evaluates once'),
    ({'checkpoint.best': ''}, 'checkpoint.best does not say by what'),
    ({'report': 'mean10'}, "report='best' chooses"),
    ({'report': 'median'}, "config.report='median': it must be one of 'last'"),
    ({'validation': 1.5}, r'config\.validation=1\.5'),
    ({'validation': -0.1}, r'config\.validation=-0\.1'),
  ],
)
def test_settings_that_contradict_each_other_are_refused(make, fields, match):
  with pytest.raises(ValueError, match=match):
    run_lib.prepare(make(**fields))


def test_a_run_of_a_search_never_looks_at_the_test_set(
  make, tmp_path, monkeypatch
):
  opened = []
  open_source = sources.open_source
  monkeypatch.setattr(
    sources,
    'open_source',
    lambda fields: opened.append(fields['split']) or open_source(fields),
  )
  config = make(test=False, **{'input.check': 'off'})
  run = run_lib.prepare(config)
  assert set(opened) == {config.tasks.ava.train.split}
  kept = run_lib.prepare(make()).held_out['ava'].ids
  assert run.tested['ava'].ids == kept and not run.validation
  found = loop.run(config, str(tmp_path))
  assert found['tasks']['ava']['dataset'] == 'ava/train (held out)'
  assert found['reported']['on'] == 'held-out'


def test_a_split_to_choose_by_is_no_test(make):
  config = make(test=False, validation=0.0)
  run = run_lib.prepare(config)
  assert run.tested['ava'].info.split == config.tasks.ava.eval.split
  assert not run.held_out and reporting.measured_on(config) == reporting.SPLIT
  assert reporting.measured_on(make()) == reporting.HELD_OUT
  assert reporting.measured_on(make(validation=0.0)) == reporting.TEST
