"""Pretext questions about films."""

import pathlib
import types

import experiments
import numpy as np
import pytest

import vidpetl
from vidpetl.data import examples
from vidpetl.data.kinds import unlabelled as kind
from vidpetl.inference import question
from vidpetl.inference.answers import unlabelled
from vidpetl.tasks import task as task_lib
from vidpetl.training import loop


@pytest.fixture(scope='module')
def run(world, tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs') / 'vspp'
  config = experiments.load_config(
    'pecop_pretrain', 'demo,method=hpt,backbone=c3d,dataset=hmdb51_1'
  )
  loop.run(experiments.shrink(config, world), str(folder))
  return folder


def test_windows_have_the_question_and_the_answer(run, world):
  film = min(pathlib.Path(world['hmdb51']).rglob('*.avi'))
  model = vidpetl.load(run)
  answer = model(film, window=0.5)
  count = len(answer.begins)
  assert count > 1
  table = answer.tables()['windows']
  assert {'truth_speed', 'answer_speed', 'truth_part', 'answer_part'} < {*table}
  right = np.array(table['truth_part']) == np.array(table['answer_part'])
  assert answer.measured['part'] == pytest.approx(right.mean())
  assert len(answer.to_json()['windows']) == count
  # What is drawn is drawn the same again.
  again = model(film, window=0.5).tables()['windows']
  assert again['truth_speed'] == table['truth_speed']
  frame = np.zeros((96, 128, 3), np.uint8)
  assert answer.painter()(frame.copy(), 0.1).any()


def test_relations_are_among_the_windows_of_a_film():
  clip = {'frames': 4, 'resolution': 8, 'sampling': 'pair'}
  info = examples.Info('films', 'train', 'unlabelled', 0, {})
  options = {'task': 'pretext.rspnet', 'clip': clip, 'queue': 4}
  task = task_lib.build('films', options, info)
  asked = question.Question(
    'film.mp4',
    types.SimpleNamespace(duration=4.0, fps=10.0),
    task,
    info,
    None,
    question.Options(window=2.0),
  )
  windows = unlabelled.ask(asked)
  assert windows == [
    kind.Piece('film.mp4', 0.0, 2.0),
    kind.Piece('film.mp4', 2.0, None),
  ]
  rows = {
    'speed_order': np.array([True, False]),
    'query': np.float32([[1, 0], [0, 1]]),
    'positive': np.float32([[1, 0], [2, 0]]),
  }
  answer = unlabelled.answer(asked, windows, rows, None)
  assert answer.columns['nearest'] == ['2.00-4.00 s', '0.00-2.00 s']
  assert answer.columns['speed_order'] == [1, 0]
  assert answer.measured == {'speed_order': 0.5, 'appearance': 0.0}
  assert 'speed_order 50.0 %' in str(answer)
