"""Sweeps: what they run, what they leave alone, and what they draw."""

import json
import pathlib

import numpy as np
import pytest

from vidpetl import sweep
from vidpetl.studies import series, tradeoff


def test_values_multiply_and_variants_keep_their_order():
  variants = tradeoff.expand(
    'method=head; method=bapat, bottleneck=4|16, to=kv|qv;'
    'method=mst,shift=false'
  )
  assert [v.argument for v in variants] == [
    'method=head',
    'method=bapat,bottleneck=4,to=kv',
    'method=bapat,bottleneck=4,to=qv',
    'method=bapat,bottleneck=16,to=kv',
    'method=bapat,bottleneck=16,to=qv',
    'method=mst,shift=false',
  ]
  assert [v.family for v in variants] == ['head'] + ['bapat'] * 4 + [
    'mst shift=false'
  ]
  assert len({v.slug for v in variants}) == 6


def test_variants_can_have_names():
  one, two, three = tradeoff.expand(
    'Dom-G: init=demo/i3d; HPT+BN: init=a,rank=2|4'
  )
  assert (one.name, one.slug) == ('Dom-G', 'Dom-G')
  assert one.argument == 'init=demo/i3d'
  assert (two.name, two.slug) == ('HPT+BN, rank=2', 'HPT+BN_rank=2')
  assert (three.argument, three.family) == ('init=a,rank=4', 'HPT+BN')


@pytest.mark.parametrize(
  'over, match',
  [
    ('method', "'method' is no name=value"),
    ('rank=2|', "'rank=2|' is no name=value"),
    ('rank=2; rank=2', 'rank=2 is there twice'),
    (' ; ', 'nothing in it'),
  ],
)
def test_what_cannot_be_swept_is_refused(over, match):
  with pytest.raises(ValueError, match=match.replace('|', r'\|')):
    tradeoff.expand(over)


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
  head, lora = tradeoff.expand('method=head; method=lora,rank=2')
  found = {
    head: [result(10, 0.25)],
    lora: [result(110, 0.5), result(110, 0.6)],
  }
  rows = tradeoff.table(found, 'a/top1').splitlines()
  assert rows[2] == '| head | 0 | 10 | 1.00% | 25.0 | 1 |'
  assert rows[3] == '| lora, rank=2 | 100 | 110 | 11.00% | 55.0 ± 7.1 | 2 |'
  tradeoff.write(tmp_path, found, 'a/top1')
  assert (tmp_path / 'tradeoff.png').stat().st_size > 5000
  saved = json.loads((tmp_path / 'sweep.json').read_text())
  assert saved[1]['a/top1'] == [0.5, 0.6]
  with pytest.raises(ValueError, match='is none of a/top1'):
    tradeoff.table(found, 'a/mAP')


@pytest.mark.parametrize(
  'sizes, named', [((4, 4), ['weight=0', 'weight=1']), ((4, 8), ['weight'])]
)
def test_variants_of_one_size_stand_side_by_side(sizes, named):
  points = [
    tradeoff.Point(variant, size, 1, 9, (0.5, 0.25))
    for variant, size in zip(tradeoff.expand('weight=0|1'), sizes)
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


def test_runs_once_reports_failures_and_refuses_changes(
  make_config, tmp_path, capsys
):
  """Real runs of a step: what is finished stays, one error stops no other."""

  def load_config(argument, seed):
    if argument == 'rate=0':
      raise ValueError('a rate of 0')
    config = make_config('kinetics400', steps=1, seed=seed)
    config.unlock()
    config.optimizer.learning_rate = float(argument.partition('=')[2])
    config.checkpoint.best = 'kinetics400/top1'
    return config.lock()

  variants = tradeoff.expand('rate=0|0.25|0.5')
  arguments = (variants, 1, 'kinetics400/top1', tmp_path)
  (failed,) = sweep.sweep(load_config, *arguments)
  assert failed.endswith('rate=0/seed0: a rate of 0')
  results = sorted(tmp_path.rglob('results.json'))
  assert len(results) == 2
  assert (tmp_path / 'sweep.md').read_text().count('| 1 |') == 2
  before = [path.stat().st_mtime_ns for path in results]
  sweep.sweep(load_config, *arguments)
  assert [path.stat().st_mtime_ns for path in results] == before

  def changed(argument, seed):
    config = load_config(argument, seed)
    config.unlock()
    config.batch_size = 4
    return config.lock()

  failed = sweep.sweep(changed, *arguments)
  assert sum('other values of config.batch_size' in f for f in failed) == 2
  assert [path.stat().st_mtime_ns for path in results] == before


def test_configs_are_loaded_with_arguments_and_overrides():
  runs = series.Series(
    'vpetl', 'method=lora', {'epochs': 2.0}, pathlib.Path('runs'), ''
  )
  config = runs.load('rank={seed}', 3)
  assert config.petl[0]['rank'] == 3
  assert (config.seed, config.epochs) == (3, 2.0)
