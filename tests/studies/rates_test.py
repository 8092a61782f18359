"""Rates of a sweep, and which of its runs train together."""

import json
import math

import pytest
from etils import epath

from vidpetl.studies import grouping, rates, series, settings
from vidpetl.training import joining


def write_run(folder, value, step=4):
  """Writes what a run measured on held-out examples; returns its results."""
  folder.mkdir(parents=True)
  row = {'step': step, 'tasks': {'a': {'metrics': {'top1': value}}}}
  (folder / 'evaluations.jsonl').write_text(json.dumps(row) + '\n')
  tested = {'a': {'metrics': {'top1': 1 - (value or 0)}}}
  return {'reported': {'step': step}, 'tasks': tested}


def test_a_rate_is_picked_by_what_is_held_out_over_all_seeds(tmp_path):
  values = {0.1: (0.5, 0.6), 0.2: (0.9, 0.0), 0.4: (0.8,), 0.8: (None, 0.9)}
  tried = {
    rate: {
      folder: write_run(folder, value)
      for i, value in enumerate(of)
      for folder in [epath.Path(tmp_path) / f'{rate}' / f'{i}']
    }
    for rate, of in values.items()
  }
  # One seed of 0.4 lacks, and one of 0.8 is no number.
  assert rates.pick(tried, 'a/top1') == 0.1
  (setting,) = settings.parse('method=head')
  text = rates.write(epath.Path(tmp_path), {setting: tried}, 'a/top1')
  assert '| head | 0.1 | 55.0 ± 7.1 | picked |' in text
  assert text.count('picked') == 1


def test_a_rate_is_not_picked_by_an_error_that_is_shown(tmp_path):
  tried = {}
  for rate, (top1, l2) in {0.1: (0.9, 1.0), 0.2: (0.1, 7.0)}.items():
    folder = epath.Path(tmp_path) / f'{rate}'
    results = write_run(folder, top1)
    row = json.loads((folder / 'evaluations.jsonl').read_text())
    row['tasks']['a']['metrics']['l2'] = l2
    (folder / 'evaluations.jsonl').write_text(json.dumps(row) + '\n')
    results['reported']['by'] = 'a/top1'
    tried[rate] = {folder: results}
  assert rates.pick(tried, 'a/l2') == 0.1
  (setting,) = settings.parse('method=head')
  assert 'a/top1 on held-out' in rates.write(
    epath.Path(tmp_path), {setting: tried}, 'a/l2'
  )


def test_settings_get_rates_where_examples_are_held_out(make_config):
  def load(chosen, seed, **fields):
    return make_config('ava', **fields)

  held = lambda *told: load(*told, validation=0.4)
  free, own = settings.parse(
    'method=head; method=head,config.optimizer.learning_rate=3'
  )
  rate = make_config('ava').optimizer.learning_rate
  found = rates.axis(free, held, ())
  assert list(found) == pytest.approx([0.1 * rate, 0.3 * rate, rate, 3 * rate])
  assert [s.fields[rates.RATE] for s in found.values()] == list(found)
  assert {s.slug for s in found.values()} == {'head'}
  for setting, load_config, factors in (
    (own, held, ()),
    (free, load, ()),
    (free, load, (1.0,)),
  ):
    (only,) = rates.axis(setting, load_config, factors)
    assert math.isnan(only)
  with pytest.raises(ValueError, match='never by the test: give'):
    rates.axis(free, load, (1.0, 2.0))
  assert rates.factors('auto') == () and rates.factors('0.5|2') == (0.5, 2.0)
  for text in ('', 'x', '1|-1', '1|inf'):
    with pytest.raises(ValueError, match='--rates='):
      rates.factors(text)


def test_runs_train_together_that_differ_in_arguments_or_data_alone(
  make_config, tmp_path, monkeypatch
):
  """Those on the same batches first; of other data, those of a length."""
  folder = epath.Path(tmp_path)
  shared = {'init.path': 'base', 'data_seed': 0}

  def refused():
    raise ValueError('no such config')

  fields = {
    'rate': {**shared, 'optimizer.learning_rate': 0.1},
    'seed': {**shared, 'seed': 3},
    'warmup': {**shared, 'optimizer.warmup_epochs': 1.0},
    'batches': {'init.path': 'base', 'data_seed': 10},
    'longer': {'init.path': 'base', 'data_seed': 20},
    'fold': {'init.path': 'base', 'data_seed': 12, 'seed': 3},
    'batch': {**shared, 'batch_size': 16},
    'ahead': shared,
    'done': shared,
    'drawn0': {'data_seed': 0, 'trainable': (('.*', 'frozen'),)},
    'drawn1': {'data_seed': 0, 'trainable': (('.*', 'frozen'),), 'seed': 1},
  }
  configs = {
    folder / name: lambda own=own: make_config('ava', **own)
    for name, own in fields.items()
  }
  configs[folder / 'refused'] = refused
  (folder / 'ahead' / 'checkpoints' / '4').mkdir(parents=True)
  (folder / 'done').mkdir()
  (folder / 'done' / 'results.json').write_text('{}')
  # For that of its data.
  length = lambda config: joining.Length(config.data_seed, ())
  monkeypatch.setattr(joining, 'length', length)
  groups = [[p.name for p in g] for g in grouping.grouped(configs, 2)]
  assert groups == [
    ['rate', 'seed'], ['warmup'], ['batches', 'fold'], ['longer'], ['batch'],
    ['ahead'], ['done'], ['drawn0'], ['drawn1'], ['refused'],
  ]  # fmt: skip


@pytest.fixture
def four(tmp_path, monkeypatch):
  """Returns what runs four runs as one group; see what it returns."""

  def run_all(wrong):
    tried = []

    def together(runs, metrics):
      tried.append(''.join(workdir.name for workdir in runs))
      if error := wrong(tried[-1]):
        raise error
      return [{'of': workdir.name} for workdir in runs]

    def one(config, workdir, told, metrics):
      (found,) = together([workdir], metrics)
      return found

    whole = lambda configs, at_once: [list(configs)]
    monkeypatch.setattr(grouping, 'grouped', whole)
    monkeypatch.setattr(series, '_run_together', together)
    monkeypatch.setattr(series, 'run', one)
    runs = {
      epath.Path(tmp_path) / str(i): series.Planned(dict, {}) for i in range(4)
    }
    failed = []
    (ended,) = series.run_all(runs, failed, at_once=8)
    return tried, ''.join(found['of'] for found in ended.values()), failed

  return run_all


def test_what_does_not_fit_trains_by_halves(four):
  """Numbers in a group are those alone, so that no run notices."""
  large = RuntimeError('RESOURCE_EXHAUSTED: out of memory')
  tried, ended, failed = four(lambda runs: large if len(runs) > 2 else None)
  assert (tried, ended, failed) == (['0123', '01', '23'], '0123', [])


def test_a_mistake_of_all_is_told_once_and_that_of_one_stops_no_other(four):
  mistake = OSError('no such folder')
  tried, ended, failed = four(lambda runs: mistake)
  assert (tried, ended) == (['0123', '0', '123'], '') and len(failed) == 2
  assert failed[1].endswith('3: no such folder')
  tried, ended, failed = four(lambda runs: mistake if '1' in runs else None)
  assert tried == ['0123', '0', '123', '1', '23'] and ended == '023'
  (line,) = failed
  assert line.endswith('/1: no such folder')
