"""Several labels per clip: loss by hand, the metric, and a run from a csv."""

import pathlib
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.data import clips, examples, sources
from vidpetl.recipes import defaults
from vidpetl.tasks import task as task_lib
from vidpetl.training import loop

INFO = examples.Info('homes', 'train', 'multilabel', 3, dict(enumerate('abc')))


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


def test_metric_is_the_mean_over_classes_that_are_shown(task):
  metric = task.metric(type('Source', (), {'info': INFO}))
  assert np.isnan(metric.result()['mAP'])
  scores = np.array([[0.9, 0.2, 0.5], [0.8, 0.3, 0.1], [0.1, 0.6, 0.2]])
  labels = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
  for rows in (slice(0, 2), slice(2, 3)):
    metric.update({'scores': scores[rows], 'labels': labels[rows]})
  # a: right, wrong, right -> (1 + 2/3) / 2; b: wrong, right -> 1/2; no c.
  assert metric.by_class()[0] == pytest.approx(5 / 6)
  assert metric.result()['mAP'] == pytest.approx((5 / 6 + 1 / 2) / 2)
  assert 'nan' in metric.report() and 'mAP 66.67' in metric.report()


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
