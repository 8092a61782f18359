"""What must agree before a run begins."""

import types

import ml_collections
import numpy as np
import pytest

from vidpetl.data import examples, kinds
from vidpetl.data.annotations.strings import Strings
from vidpetl.tasks import task as task_lib
from vidpetl.training import consistency


def _config(**fields):
  task = {'task': 'classification', 'train': {'source': 'folder'}}
  config = {'tasks': {'own': task}, 'mixture': {'mode': 'weighted'}}
  config['mixture']['weights'] = {}
  return ml_collections.ConfigDict({**config, **fields})


def _source(count, split='train'):
  info = examples.Info('clips', split, 'classification', 3, {})
  ids = Strings(map(str, range(count)))
  labels = [[0]] * count
  kind = kinds.load('classification')
  return kind.labelled(info, ids, labels, ids.__getitem__)


def test_a_task_without_training_data_is_named():
  config = _config(tasks={'own': {'task': 'classification'}})
  with pytest.raises(ValueError, match=r'config\.tasks\.own\.train=None'):
    consistency.check_tasks(config)


@pytest.mark.parametrize(
  'mode, weights, match',
  [
    ('weighted', {'other': 1.0}, r"are for \['other'\], and the tasks are"),
    ('alternating', {'own': 1.0}, 'takes the tasks in turn'),
  ],
)
def test_weights_belong_to_tasks(mode, weights, match):
  config = _config(mixture={'mode': mode, 'weights': weights})
  with pytest.raises(ValueError, match=match):
    consistency.check_tasks(config)


@pytest.mark.parametrize('field, split', [('train', 'train'), ('eval', 'val')])
def test_an_empty_split_is_named(field, split):
  opened = {
    name: {'own': _source(0 if name == field else 2, split)}
    for name in ('train', 'eval')
  }
  match = rf'config\.tasks\.own\.{field} \(clips/{split}\): it has no examples'
  with pytest.raises(ValueError, match=match):
    consistency.check_data(_config(), opened['train'], opened['eval'])


def test_the_best_is_chosen_by_a_metric_that_there_is():
  source = _source(2)
  task = task_lib.build('own', {'task': 'classification'}, source.info)
  tasks, opened = {'own': task}, {'own': source}
  consistency.check_best('', tasks, opened)
  consistency.check_best('own/top3', tasks, opened)
  with pytest.raises(ValueError, match='there are: own/top1, own/top3'):
    consistency.check_best('own/top5', tasks, opened)
  metric = types.SimpleNamespace(names={'spearman': 1, 'l2': -1})
  tasks = {'own': types.SimpleNamespace(metric=lambda source: metric)}
  with pytest.raises(ValueError, match=r'own/l2.* is an error.*own/spearman'):
    consistency.check_best('own/l2', tasks, opened)


def test_runs_are_compared_by_a_metric_that_there_is():
  source = _source(2)
  task = task_lib.build('own', {'task': 'classification'}, source.info)
  tasks, opened = {'own': task}, {'own': source}
  consistency.check_compared(['own/top1', 'own/top3'], tasks, opened)
  for metric in ('own/top5', 'top1', 'other/top1'):
    match = f"--metric='{metric}'; there are: own/top1, own/top3"
    with pytest.raises(ValueError, match=match):
      consistency.check_compared(['own/top1', metric], tasks, opened)


def test_a_family_of_weights_that_there_is_not_is_named():
  consistency.check_init(_config(init={'family': ''}))
  consistency.check_init(_config(init={'family': 'mae'}))
  with pytest.raises(ValueError, match=r"init\.family='mea'; there are: .*mae"):
    consistency.check_init(_config(init={'family': 'mea'}))


def test_what_a_classification_measures_is_known_before():
  source = _source(2)
  task = task_lib.build('own', {'task': 'classification'}, source.info)
  metric = task.metric(source)
  assert list(metric.result()) == list(metric.names)
  scores = np.eye(3, dtype=np.float32)[:2]
  rows = {'scores': scores, 'logits': scores, 'label': np.zeros(2, int)}
  metric.update(rows | {'index': np.arange(2)})
  assert list(metric.result()) == list(metric.names)


def test_a_batch_larger_than_a_set_is_said():
  (told,) = consistency.scarce(8, {'few': 3, 'enough': 8})
  assert told.startswith('few: a batch of 8 shows its 3 training examples')
