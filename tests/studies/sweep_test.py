"""Sweeps: what they run, what they leave alone, and what they draw."""

import json
import signal

import experiments
import numpy as np
import pytest
from absl import app
from etils import epath

from vidpetl import sweep
from vidpetl.studies import series, settings, sweeping, tradeoff
from vidpetl.studies.report import written
from vidpetl.studies.tradeoff import Runs
from vidpetl.training import interruption, loop


def result(trained, value, heads=10):
  return {
    'parameters': {
      'total': 1000,
      'trained': trained,
      'trained_heads': heads,
    },
    'tasks': {'a': {'metrics': {'top1': value}}},
  }


def test_table_and_picture(tmp_path):
  head, lora = settings.parse('method=head; method=lora,rank=2')
  found = {
    head: Runs([result(10, 0.25)]),
    lora: Runs([result(110, 0.5), result(110, 0.6)]),
  }
  rows = tradeoff.table(found, ['a/top1']).splitlines()
  assert rows[2] == '| head | 0 | 10 | 1.00% | 25.0 | 1 | not said |'
  assert rows[3] == (
    '| lora, rank=2 | 100 | 110 | 11.00% | 55.0 ± 7.1 | 2 | not said |'
  )
  costs = {head: {'a': 1e9}, lora: {'a': 2e9}}
  tradeoff.write(epath.Path(tmp_path), found, ['a/top1'], costs)
  for name in ('tradeoff.png', 'tradeoff.svg', 'cost.png', 'cost.svg'):
    assert (tmp_path / name).stat().st_size > 5000
  saved = json.loads((tmp_path / 'sweep.json').read_text())
  assert saved[1]['a/top1'] == [0.5, 0.6]
  assert saved[1]['flops'] == {'a': 2e9}
  with pytest.raises(ValueError, match='is none of a/top1'):
    tradeoff.table(found, ['a/mAP'])


def test_a_score_that_is_no_number_is_said(tmp_path):
  (head,) = settings.parse('method=head')
  found = {head: Runs([result(10, 0.25), result(10, None)])}
  (row,) = tradeoff.table(found, ['a/top1']).splitlines()[2:]
  assert '| undefined in 1 of 2 |' in row
  tradeoff.write(epath.Path(tmp_path), found, ['a/top1'], {head: {'a': 1e9}})
  (saved,) = json.loads((tmp_path / 'sweep.json').read_text())
  assert saved['a/top1'] == [0.25, None]


@pytest.mark.parametrize(
  'sizes, named', [((4, 4), ['weight=0', 'weight=1']), ((4, 8), ['weight'])]
)
def test_settings_of_one_size_stand_side_by_side(sizes, named):
  points = [
    tradeoff.Point(setting, size, 1, 9, (0.5, 0.25))
    for setting, size in zip(settings.parse('weight=0|1'), sizes)
  ]
  picture = tradeoff.draw(points, 'k/top1')
  (legend,) = picture.legends
  texts = [text.get_text() for text in legend.get_texts()]
  assert texts == named
  (axes,) = picture.axes
  shown = [
    line.get_transform().transform(line.get_xydata())[:, 0]
    for line in axes.get_lines()
    if line.get_marker() == 'o'
  ]
  places = np.concatenate(shown)
  assert len(set(places.round())) == len(places) == 2


def test_long_names_take_nothing_from_the_axes():
  widths = []
  for name in ('a', 'a' * 80):
    (setting,) = settings.parse(f'{name}=1')
    point = tradeoff.Point(setting, 4, 1, 9, (0.5,))
    picture = tradeoff.draw([point], 'k/top1')
    picture.draw_without_rendering()
    widths.append(picture.axes[0].get_window_extent().width)
  assert widths[1] > 0.7 * widths[0]


@pytest.mark.slow
def test_runs_once_reports_failures_and_refuses_changes(
  make_config, tmp_path, capsys
):
  """Real runs of a step: what is finished stays, one error stops no other.

  Those that can train together do.
  """

  def load_config(chosen, seed):
    (setting,) = chosen
    rate = float(setting.arguments['rate'])
    if not rate:
      raise ValueError('a rate of 0')
    config = make_config('kinetics400', steps=1, seed=seed)
    config.unlock()
    config.optimizer.learning_rate = rate
    config.checkpoint.best = 'kinetics400/top1'
    return config.lock()

  chosen = settings.parse('rate=0|0.25|0.5')
  arguments = (chosen, 1, ['kinetics400/top1'], epath.Path(tmp_path), (1.0,), 8)
  (failed,) = sweeping.sweep(load_config, *arguments)
  assert 'These 2 train together' in capsys.readouterr().out
  assert failed.endswith('rate=0/seed0: a rate of 0')
  results = sorted(tmp_path.rglob('results.json'))
  assert len(results) == 2
  assert (tmp_path / 'sweep.md').read_text().count('| 1 | last, step 1 |') == 2
  before = [path.stat().st_mtime_ns for path in results]
  sweeping.sweep(load_config, *arguments)
  assert [path.stat().st_mtime_ns for path in results] == before

  def changed(chosen, seed):
    config = load_config(chosen, seed)
    config.unlock()
    config.batch_size = 4
    return config.lock()

  failed = sweeping.sweep(changed, *arguments)
  assert sum('settings: batch_size: 8 then, 4 now;' in f for f in failed) == 2
  assert [path.stat().st_mtime_ns for path in results] == before


def test_configs_are_loaded_with_arguments_and_fields():
  path = str(experiments.ROOT / 'configs' / 'vpetl.py')
  text = '(("x|y,z", "train"),)'
  fields = {'seed': 5, 'epochs': '2', 'trainable': text}
  config = series.load(path, 'method=lora,rank=3', fields)
  assert config.petl[0]['rank'] == 3
  assert (config.seed, config.epochs) == (5, 2.0)
  assert config.trainable == (('x|y,z', 'train'),)


def test_a_run_has_what_is_shared_its_settings_and_its_seed():
  shared = 'demo,dataset=hmdb51'
  runs = series.Series('vpetl', shared, {'epochs': '0.5'}, epath.Path(), ())
  chosen, split = (
    *settings.make(
      [{'init': 'pre/{split}/{seed}', 'config.checkpoint.best': '{split}'}]
    ),
    *settings.parse('split=2'),
  )
  config = runs.load([chosen, split], 7)
  assert config.init.path == 'pre/2/7'
  assert config.tasks.hmdb51.train.dataset == 'hmdb51_2'
  assert (config.seed, config.checkpoint.best) == (7, '2')
  assert config.epochs == 0.5


def test_table_of_several_metrics():
  (head,) = settings.parse('method=head')
  measured = result(10, 0.25)
  measured['tasks']['a']['metrics']['top5'] = 0.5
  found = {head: Runs([measured])}
  header, _, row = tradeoff.table(found, ['a/top1', 'a/top5']).splitlines()
  assert '| a/top1, % | a/top5, % |' in header
  assert '| 25.0 | 50.0 |' in row


def test_settings_come_from_one_place(tmp_path):
  file = tmp_path / 'mine.py'
  file.write_text('def get_hyper(argument):\n  return [{"a": argument}]\n')
  for over, settings_file, config in (
    ('a=b', None, 'x.py'),
    (None, f'{file}:b', 'x.py'),
    (None, None, f'{file}:b'),
  ):
    (setting,) = sweep.listed(over, settings_file, config)
    assert setting.argument == 'a=b'
  with pytest.raises(app.UsageError, match='two lists of settings'):
    sweep.listed('a=b', str(file), 'x.py')


def test_a_run_of_a_series_ends_with_its_page(
  make_config, tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr(loop, 'run', lambda *_, **more: {'step': 1})
  monkeypatch.setattr(written, 'at_end', lambda workdir: f'page of {workdir}')
  for page in (True, False):
    config, folder = make_config('ava', page=page), epath.Path(tmp_path)
    assert series.run(config, folder / str(page), {}) == {'step': 1}
  assert capsys.readouterr().err == f'page of {tmp_path}/True\n'


def test_a_series_that_was_told_to_stop_can_be_told_from_a_failed_one(
  make_config, tmp_path, monkeypatch
):
  monkeypatch.setattr(loop, 'run', lambda *_, **more: None)
  load_config = lambda chosen, seed: make_config('ava')
  chosen = settings.parse('rate=1|2')
  arguments = (chosen, 1, ['a/top1'], epath.Path(tmp_path))
  stopped = series.report(sweeping.sweep(load_config, *arguments))
  assert stopped == interruption.STATUS == 75
  assert series.report(['a run: why']) == 1 and series.report([]) == 0


def test_a_series_stops_where_a_run_fails_that_was_told_to_stop(
  make_config, tmp_path, monkeypatch
):
  def fail(*_, **more):
    asked = interruption.Interruption()
    asked.listen()
    with asked.within():
      signal.raise_signal(signal.SIGTERM)
      raise OSError('no space left')

  monkeypatch.setattr(loop, 'run', fail)
  failed = []
  runs = {
    epath.Path(tmp_path) / name: series.Planned(make_config, {})
    for name in ('a', 'b')
  }
  with pytest.raises(series.Interrupted):
    list(series.run_all(runs, failed))
  (line,) = failed
  assert line.endswith('a: no space left')


def test_a_run_of_a_series_may_resume_with_other_writers(make_config, tmp_path):
  config = make_config('kinetics400', writers=('tensorboard',))
  (tmp_path / 'config.json').write_text(config.to_json())
  other = make_config('kinetics400', writers=('mlflow',))
  series.check_unchanged(epath.Path(tmp_path), other)
  with pytest.raises(ValueError, match='other settings: seed: 0 then, 3 now'):
    series.check_unchanged(
      epath.Path(tmp_path), make_config('kinetics400', seed=3)
    )
