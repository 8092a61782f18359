"""Pace prediction: one cross-entropy over the speeds."""

import types

import jax
import numpy as np
import pytest

from vidpetl.tasks.pretext import pace

LOGITS = {'speed': np.array([[2, 0, 1, 0], [0, 0, 0, 1.0], [0, 3, 0, 0]])}
BATCH = {'speed': np.array([2, 3, 1]), 'valid': np.array([True, True, False])}


def test_loss(make_task):
  total, terms, scalars = make_task(pace, 'pace').loss(LOGITS, BATCH)
  e = np.e
  expected = np.log(e**2 + e + 2) - 1 + np.log(3 + e) - 1
  assert total == pytest.approx(expected, rel=1e-6)
  assert terms == 2 and scalars == {'accuracy': 1}


def test_metric_and_head(make_task, encoded):
  task = make_task(pace, 'pace')
  metric = task.metric([types.SimpleNamespace(id=f'film{i}') for i in range(3)])
  assert np.isnan(metric.result()['accuracy'])
  index = {'index': np.arange(3)}
  metric.update(task.outputs(LOGITS, BATCH) | index)
  assert list(metric.result()) == list(metric.names)
  assert metric.result() == {'accuracy': pytest.approx(2 / 3)}
  said = metric.predictions().columns
  assert list(said) == ['id', 'truth_speed', 'answer_speed']
  assert said['id'] == ['film0', 'film1', 'film2']
  np.testing.assert_array_equal(said['truth_speed'], BATCH['speed'])
  np.testing.assert_array_equal(
    said['answer_speed'], LOGITS['speed'].argmax(-1)
  )
  logits, _ = task.head().init_with_output(jax.random.key(0), encoded)
  assert logits['speed'].shape == (6, 4)


def test_pace_needs_clips_of_a_pace(make_task):
  with pytest.raises(ValueError, match=r"task='pretext.pace' needs 'pace'"):
    make_task(pace, 'vspp')
  with pytest.raises(ValueError, match=r'eval_clip\.rates is 3'):
    make_task(pace, 'pace', eval_clip={'rates': 3})
