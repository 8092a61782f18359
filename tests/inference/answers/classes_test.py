"""What films are told of classes: of windows, and of the whole."""

import types

import numpy as np
import pytest

from vidpetl.data import examples
from vidpetl.inference import question
from vidpetl.inference.answers import classification, multilabel

NAMES = {0: 'sit', 1: 'stand', 2: 'run'}
CLIP = types.SimpleNamespace(frames=8)
SCORES = np.array([[0.1, 0.7, 0.2], [0.8, 0.1, 0.1]], np.float32)


def ask(part, **task):
  asked = question.Question(
    'film.mp4',
    types.SimpleNamespace(duration=5.0, fps=25.0),
    types.SimpleNamespace(name='own', eval_clip=CLIP, **task),
    examples.Info('own', 'train', 'classification', 3, NAMES),
    {'median': 2.0, 'longest': 2.0},
    question.Options(),
  )
  return asked, part.ask(asked)


def test_labels_of_a_film_are_the_highest_of_its_windows():
  asked, windows = ask(multilabel)
  answer = multilabel.answer(asked, windows, {'scores': SCORES}, None)
  assert answer.top(2) == [
    ('sit', pytest.approx(0.8)),
    ('stand', pytest.approx(0.7)),
  ]
  assert answer.ends.tolist() == [2.0, 5.0]
  assert [w['top'][0]['class'] for w in answer.to_json()['windows']] == [
    *('stand', 'sit'),
  ]


@pytest.mark.parametrize('average', ['softmax', 'logits'])
def test_classes_of_a_film_are_the_mean_over_its_windows(average):
  asked, windows = ask(classification, average=average)
  logits = np.log(SCORES)
  given = SCORES if average == 'softmax' else logits
  rows = {'scores': given, 'logits': logits}
  answer = classification.answer(asked, windows, rows, None)
  np.testing.assert_allclose(answer.window_scores, SCORES, rtol=1e-6)
  expected = SCORES.mean(0)
  if average == 'logits':
    expected = np.exp(logits.mean(0)) / np.exp(logits.mean(0)).sum()
  np.testing.assert_allclose(answer.scores, expected, rtol=1e-6)
  assert answer.tables()['videos']['top1'] == [
    NAMES[int(expected.argmax())],
  ]
