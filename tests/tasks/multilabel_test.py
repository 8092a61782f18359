"""Several labels per clip: loss by hand, the metric, and a run from a csv."""

import fractions
import json
import pathlib
import shutil
import types

import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data import clips, examples, kinds, sources
from vidpetl.recipes import defaults
from vidpetl.tasks import task as task_lib
from vidpetl.training import loop


class Source:
  info = examples.Info(
    'homes', 'train', 'multilabel', 3, dict(enumerate('abc'))
  )

  def __getitem__(self, i):
    return types.SimpleNamespace(id=f'home {i}')


INFO = Source.info


@pytest.fixture(scope='module')
def task():
  return task_lib.build('homes', {'task': 'multilabel'}, INFO)


def test_loss_is_sigmoid_cross_entropy(task):
  logits = np.array([[0.5, -1, 2], [3, 0, 0], [1, 1, 1]], np.float32)
  labels = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], np.float32)
  valid = np.array([True, True, False])
  total, terms, _ = task.loss(logits, {'labels': labels, 'valid': valid})
  p = 1 / (1 + np.exp(-logits.astype(float)))
  by_hand = -np.log(np.where(labels, p, 1 - p))[:2].sum()
  assert total == pytest.approx(by_hand, rel=1e-5)
  assert terms == 2


def test_views_are_averaged_as_probabilities(task):
  logits = jnp.array([[[0.0, 2.0, -1.0], [4.0, 0.0, 0.0]]])
  scores = task.outputs(logits, {'labels': None})['scores']
  expected = (1 / (1 + np.exp(-np.asarray(logits)))).mean(1)
  np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_of_views_the_largest_may_count():
  """As is usual on Charades."""
  config = {'task': 'multilabel', 'over_views': 'max'}
  task = task_lib.build('homes', config, INFO)
  logits = jnp.array([[[0.0, 2.0, -1.0], [4.0, 0.0, 0.0]]])
  scores = task.outputs(logits, {'labels': None})['scores']
  expected = 1 / (1 + np.exp(-np.array([[4.0, 2.0, 0.0]])))
  np.testing.assert_allclose(scores, expected, rtol=1e-6)
  assert task.protocol()['over_views'] == 'max'
  with pytest.raises(
    ValueError, match="over_views='sum': it must be one of 'mean', "
  ):
    task_lib.build('homes', {**config, 'over_views': 'sum'}, INFO)


def _metric(task, *rows):
  metric = task.metric(Source())
  first = 0
  for scores, labels in rows:
    index = np.arange(first, first + len(scores))
    metric.update({'scores': scores, 'labels': labels, 'index': index})
    first += len(scores)
  return metric


def test_metric_is_the_mean_over_classes_that_are_shown(task):
  assert np.isnan(_metric(task).result()['mAP'])
  assert _metric(task).report() == 'mAP nan over 0 of 0 classes'
  scores = np.array([[0.9, 0.2, 0.5], [0.8, 0.3, 0.1], [0.1, 0.6, 0.2]])
  labels = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
  metric = _metric(task, (scores[:2], labels[:2]), (scores[2:], labels[2:]))
  # a: right, wrong, right -> (1 + 2/3) / 2; b: wrong, right -> 1/2; no c.
  a, b, c = metric.per_class()
  assert (a['class'], a['truth'], a['ap']) == ('a', 2, pytest.approx(5 / 6))
  assert (b['class'], b['truth'], b['ap']) == ('b', 1, pytest.approx(1 / 2))
  assert (c['class'], c['truth']) == ('c', 0) and np.isnan(c['ap'])
  assert list(metric.result()) == list(metric.names)
  assert metric.result()['mAP'] == pytest.approx((5 / 6 + 1 / 2) / 2)
  assert metric.report().splitlines() == [
    'mAP 66.67 over 2 of 3 classes',
    '',
    '   AP  clips  class',
    '83.33      2  a',
    '50.00      1  b',
    '',
    'left out, as no clip shows them: c',
  ]


def test_predictions_name_what_is_shown_and_what_is_seen(task):
  scores = np.array([[0.9, 0.25, 0.5], [0.0, 0.5, 0.75]], np.float32)
  labels = np.array([[1, 0, 1], [0, 0, 0]], np.float32)
  found = _metric(task, (scores, labels)).predictions()
  table = {name: list(cells) for name, cells in found.columns.items()}
  assert table['id'] == ['home 0', 'home 1']
  assert table['truth'] == ['a; c', '']
  assert (table['top1'], table['top3']) == (['a', 'c'], ['b', 'a'])
  assert table['score2'] == [0.5, 0.5]
  assert found.arrays['classes'].tolist() == ['a', 'b', 'c']
  np.testing.assert_array_equal(found.arrays['scores'], scores)
  np.testing.assert_array_equal(found.arrays['labels'], labels > 0)


def _average_precision(scores, truth):
  """Goes through the thresholds one by one, with exact fractions."""
  total, recall_before = fractions.Fraction(0), fractions.Fraction(0)
  for threshold in sorted(set(scores), reverse=True):
    taken = [bool(t) for s, t in zip(scores, truth) if s >= threshold]
    recall = fractions.Fraction(sum(taken), int(sum(truth)))
    precision = fractions.Fraction(sum(taken), len(taken))
    total += (recall - recall_before) * precision
    recall_before = recall
  return float(total)


@pytest.mark.parametrize('seed', range(8))
def test_metric_agrees_with_the_definition(task, seed):
  rng = np.random.default_rng(seed)
  # Half of the draws have many equal scores.
  scores = rng.uniform(size=(40, 3)).round(1 + 4 * (seed % 2)).astype('f4')
  labels = (rng.uniform(size=(40, 3)) < (0.5, 0.1, 0.02 * seed)).astype('f4')
  metric = _metric(task, *zip(np.split(scores, 4), np.split(labels, 4)))
  expected = [
    _average_precision(s.tolist(), t.tolist()) if t.any() else float('nan')
    for s, t in zip(scores.T, labels.T)
  ]
  found = [row['ap'] for row in metric.per_class()]
  np.testing.assert_allclose(found, expected, rtol=1e-12)
  assert metric.result()['mAP'] == pytest.approx(np.nanmean(expected))


def _manifest(world, folder):
  """Writes a csv of one video under four names; returns its path."""
  video = next(pathlib.Path(world['kinetics400']).rglob('*.mp4'))
  rows = ['path,label,split']
  labels = ['sit|read', '', 'run', 'run|sit']
  for k, (label, split) in enumerate(zip(labels * 2, ['train', 'val'] * 4)):
    shutil.copy(video, folder / f'{k}.mp4')
    rows.append(f'{k}.mp4,{label},{split}')
  path = folder / 'homes.csv'
  path.write_text('\n'.join(rows))
  return str(path)


def test_a_csv_with_several_labels_trains(world, tmp_path):
  path = _manifest(world, tmp_path)
  source = {'source': 'manifest', 'path': path, 'kind': 'multilabel'}
  opened = sources.open_source({**source, 'split': 'val'})
  assert dict(opened.info.classes) == {0: 'read', 1: 'run', 2: 'sit'}
  assert [opened[i].labels for i in range(4)] == [(), (1, 2)] * 2
  spec = clips.ClipSpec.of({'frames': 2, 'resolution': 16}, 'multilabel')
  clip = clips.load(opened, 1, spec, np.zeros(2, np.uint32))
  assert clip['labels'].tolist() == [0, 1, 1]

  config = defaults.get_config()
  config.dtype = 'float32'
  config.backbone = {
    'name': 'vit',
    'kind': 'mae',
    'width': 8,
    'heads': 2,
    'mlp': 16,
    'depth': 1,
    'patch': 16,
  }
  config.batch_size = config.eval_batch_size = 4
  config.steps, config.log_every, config.input.workers = 2, 1, 2
  config.optimizer.warmup_epochs = 0.0
  config.checkpoint.best = 'homes/mAP'
  config.tasks = {
    'homes': {
      'task': 'multilabel',
      'train': {**source, 'split': 'train'},
      'eval': {**source, 'split': 'val'},
      'clip': {'frames': 1, 'resolution': 32, 'sampling': 'segments'},
      'eval_clip': {'views': (2, 1)},
    }
  }
  results = loop.run(config.lock(), str(tmp_path / 'run'))
  assert 0 <= results['tasks']['homes']['metrics']['mAP'] <= 1
  written = json.loads((tmp_path / 'run' / 'results.json').read_text())
  classes = written['tasks']['homes']['classes']
  assert [(row['class'], row['truth']) for row in classes] == [
    ('read', 0), ('run', 2), ('sit', 2),
  ]  # fmt: skip
  assert classes[0]['ap'] is None
  mean = np.mean([row['ap'] for row in classes[1:]])
  assert mean == pytest.approx(results['tasks']['homes']['metrics']['mAP'])


def test_bars_alone_separate_labels():
  kind = kinds.load('multilabel')
  assert kind.names(' sit | read a book||') == ['sit', 'read a book']
  assert kind.names('') == []
  with pytest.warns(mistakes.Note, match="';' and is taken as one: .*'|'"):
    assert kind.names('sit;read') == ['sit;read']
