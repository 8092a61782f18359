"""Sources of which nothing can be learned, or on which nothing measured."""

import numpy as np
import pytest

from vidpetl.data import examples, kinds
from vidpetl.data.annotations import keyframes
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds import localisation


def _labelled(kind, labels):
  info = examples.Info('own', 'train', kind, 2, {0: 'a', 1: 'b'})
  ids = Strings(str(i) for i in range(len(labels)))
  return kinds.load(kind).labelled(info, ids, labels, ids.__getitem__)


@pytest.mark.parametrize(
  'kind, labels, why',
  [
    ('classification', [], 'it has no examples'),
    ('classification', [[0]], ''),
    ('multilabel', [[], []], 'none of its 2 examples shows a class'),
    ('multilabel', [[], [1]], ''),
    ('unlabelled', [[]], ''),
  ],
)
def test_clips_without_classes_are_told(kind, labels, why):
  assert kinds.load(kind).lacking(_labelled(kind, labels)) == why


def _people(truth=1, detected=1, score=0.9, excluded=False):
  """A keyframe with so many annotated and detected people."""

  def boxes(count, score):
    actions = np.full((count, 1), 128, np.uint8)
    scores = np.full(count, score, np.float32)
    return keyframes.Ragged(
      np.array([0, count]), np.zeros((count, 4)), actions, scores
    )

  text, moment = Strings(['1']), np.array([1.0])
  table = keyframes.Keyframes(
    text,
    text,
    moment,
    moment,
    np.array([excluded]),
    np.array([True]),
    boxes(truth, 1.0),
    boxes(detected, score),
    2,
  )
  info = examples.Info('own', 'val', 'localisation', 2, {})
  return localisation.Localisation(info, table, text.__getitem__)


@pytest.mark.parametrize(
  'fields, shown, why',
  [
    ({}, 'detected', ''),
    ({'detected': 0}, 'detected', 'none of its keyframes has a detected'),
    ({'detected': 0}, 'ground_truth', ''),
    ({'score': 0.5}, 'detected', 'scores min_score=0.8 of the clip, the best'),
    ({'truth': 0}, 'detected', 'none of its 1 examples shows a class'),
    ({'excluded': True}, 'detected', 'all of its 1 keyframes are excluded'),
  ],
)
def test_keyframes_without_people_are_told(fields, shown, why):
  lacking = localisation.Boxes(boxes=shown).lacking(_people(**fields))
  assert why in lacking and bool(why) == bool(lacking)
