"""What a map shows the reasons of, in answers of every kind."""

import types

import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.studies import speaking


def test_people_who_are_not_there_say_nothing():
  speaker = speaking.of(types.SimpleNamespace(name='k'), 'localisation')
  logits = jnp.array([[[0.0, 1.0], [9.0, 9.0]], [[2.0, 0.0], [0.0, 3.0]]])
  inputs = {'box_valid': jnp.array([[True, False], [True, True]])}
  assert speaker.value(logits, inputs).tolist() == [1, 3]
  told = speaker.told(logits, inputs)
  assert told['label'].tolist() == [1, 1]
  expected = 1 / (1 + np.exp([-1.0, -3.0]))
  np.testing.assert_allclose(told['score'], expected, rtol=1e-6)
  assert speaker.words({}, 1, {1: 'sit'}) == ('', 'sit')


def test_of_labels_the_surest_one_speaks():
  speaker = speaking.of(types.SimpleNamespace(name='k'), 'multilabel')
  logits = jnp.array([[0.0, 2.0, -1.0]])
  assert speaker.value(logits, {}).tolist() == [2]
  told = speaker.told(logits, {})
  assert told['label'].tolist() == [1]
  np.testing.assert_allclose(told['score'], 1 / (1 + np.exp(-2.0)), rtol=1e-6)


@pytest.mark.parametrize('kind', ['unlabelled', 'quality'])
def test_what_says_no_number_of_its_own_is_refused(kind):
  with pytest.raises(ValueError, match=r'says no class|beside exemplars'):
    speaking.of(types.SimpleNamespace(name='k'), kind)


def test_maps_of_segments_lie_where_the_segments_are():
  task = types.SimpleNamespace(starts=(0, 2), length=4)
  maps = np.zeros((2, 2, 1, 1), np.float32)
  maps[0], maps[1, 0] = 0.25, 1.0  # The second's first half.
  found = speaking.maps_in_frames(task, maps, 8, 2)
  assert found.shape == (8, 2, 2)
  assert found[:, 0, 0].tolist() == [0.25, 0.25, 1, 1, 0, 0, 0, 0]
