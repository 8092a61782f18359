import types

import numpy as np
import pytest

from vidpetl.training import evaluation


class Source:
  info = types.SimpleNamespace(name='clips', split='val')

  def __len__(self):
    return 3

  def __getitem__(self, i):
    return types.SimpleNamespace(id=f'clip{i}')


class Metric:
  def __init__(self):
    self.seen = []

  def update(self, rows):
    self.seen += rows['index'].tolist()


def batch(index, valid):
  return {'index': np.array(index), 'valid': np.array(valid)}


def run(batches):
  metric = Metric()
  missing = evaluation.evaluate(metric, Source(), batches, lambda rows: rows)
  return metric.seen, missing


def test_padding_and_undecodable_examples_do_not_count():
  seen, missing = run(
    [batch([0, 1], [True, False]), batch([2, -1], [True, False])]
  )
  assert (seen, missing) == ([0, 2], 1)


@pytest.mark.parametrize('index', [[0, 1, 1], [0, 1, -1]])
def test_every_example_exactly_once(index):
  with pytest.raises(RuntimeError, match=r'clip[12] \((2|0) times\)'):
    run([batch(index, [True, True, True])])
