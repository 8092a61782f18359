"""Scores of films, as an evaluation of the run gives them."""

import csv
import json
import pathlib
import shutil

import experiments
import numpy as np
import pytest

import vidpetl
from vidpetl import predict
from vidpetl.parameters import variables
from vidpetl.training import loop


@pytest.fixture(scope='module')
def table(world, tmp_path_factory):
  """A csv of performances that are whole films, and the films."""
  films = sorted(pathlib.Path(world['hmdb51']).rglob('*.avi'))[:8]
  path = tmp_path_factory.mktemp('own') / 'dives.csv'
  with path.open('w', newline='') as file:
    rows = csv.writer(file)
    rows.writerow(('video', 'score', 'difficulty', 'split', 'id'))
    for i, film in enumerate(films):
      split = 'val' if i > 5 else 'train'
      rows.writerow((film, 20 + 9 * i, 2 + i % 2, split, f'dive{i}'))
  return path, {f'dive{i}': film for i, film in enumerate(films)}


@pytest.fixture(scope='module')
def runs(world, table, tmp_path_factory):
  """Returns a function of a head that gives a run, and its predictions."""
  folder, made = tmp_path_factory.mktemp('runs'), {}

  def train(head):
    config = experiments.load_config(
      'pecop_aqa', f'demo,head={head},backbone=c3d'
    )
    config = experiments.shrink(config, world).unlock()
    task = config.tasks.mtl_aqa
    for split, name in (('train', 'train'), ('eval', 'val')):
      task[split] = {
        'source': 'performances',
        'path': str(table[0]),
        'split': name,
      }
    if head == 'usdl':
      # Bins of a net that learned nothing are all the same.
      task.decode = 'expectation'
    if head not in made:
      loop.run(config.lock(), str(folder / head))
      made[head] = folder / head
    return made[head]

  return train


def rows(path):
  with path.open(newline='') as file:
    return list(csv.DictReader(file))


def test_a_score_is_that_of_the_evaluation(runs, table):
  run = runs('usdl')
  model = vidpetl.load(run)
  for row in rows(run / 'predictions' / 'mtl_aqa.2.csv'):
    answer = model(table[1][row['id']])
    assert answer.score == pytest.approx(float(row['predicted']), rel=1e-5)
    assert answer.votes is None
    assert len(answer.contributions) == 2


def test_features_need_nothing_that_is_said_of_a_performance(runs, table):
  model = vidpetl.load(runs('core'))
  found = model.features(table[1]['dive7'])
  assert len(found.begins) == len(found.summary) == 1
  with pytest.raises(ValueError, match='which takes no options'):
    model.features(table[1]['dive7'], difficulty=2.0)


def test_a_score_by_exemplars_is_that_of_the_evaluation(runs, table):
  run = runs('core')
  model = vidpetl.load(run)
  votes = rows(run / 'predictions' / 'mtl_aqa.2.votes.csv')
  for row in rows(run / 'predictions' / 'mtl_aqa.2.csv'):
    number = int(row['id'].removeprefix('dive'))
    answer = model(table[1][row['id']], difficulty=2.0 + number % 2)
    assert answer.score == pytest.approx(float(row['predicted']), rel=1e-5)
    expected = {
      v['exemplar']: float(v['vote']) for v in votes if v['id'] == row['id']
    }
    found = dict(zip(answer.votes.exemplars.tolist(), answer.votes.votes))
    assert len(found) == 3
    assert found == pytest.approx(expected, rel=1e-5)


def test_segments_are_left_out_one_by_one(runs, table):
  """Of two segments, each is what the score is made of without the other."""
  model = vidpetl.load(runs('usdl'))
  film = table[1]['dive0']
  answer = model(film)
  task = model.experiment.tasks['mtl_aqa']
  features = model.features(film)
  (summary,) = features.summary
  head = lambda rows: float(
    task.decoded(
      model.experiment.model.apply(
        _tree(model),
        rows[None],
        'mtl_aqa',
        lambda head, rows: head(rows),
        method='head',
      )
    )[0, 0]
  )
  assert answer.score == pytest.approx(head(summary), rel=1e-5)
  without = [head(summary[[1]]), head(summary[[0]])]
  np.testing.assert_allclose(
    answer.contributions, answer.score - np.array(without), atol=1e-4
  )
  assert np.abs(answer.contributions).max() > 0
  assert answer.begins[0] < answer.begins[1] < answer.ends[0] < answer.ends[1]


def _tree(model):
  return variables.unflatten(dict(model.params))


def test_the_files_have_what_a_score_is_made_of(runs, table, tmp_path):
  model = vidpetl.load(runs('core'))
  films = [str(table[1]['dive6'])]
  predict.answer(
    model, films, 'mtl_aqa', {'difficulty': 2.0}, str(tmp_path), None
  )
  (video,) = rows(tmp_path / 'videos.csv')
  votes = rows(tmp_path / 'votes.csv')
  assert float(video['score']) == pytest.approx(
    np.mean([float(vote['vote']) for vote in votes]), rel=1e-5
  )
  assert [float(v['exemplar_score']) for v in votes]
  assert {float(v['exemplar_score']) for v in votes} == {20.0, 38.0, 56.0}
  assert [s['segment'] for s in rows(tmp_path / 'segments.csv')] == ['1', '2']
  (said,) = json.loads((tmp_path / 'answers.json').read_text())
  assert said['difficulty'] == 2.0
  assert len(said['votes']) == 3
  frame = np.zeros((96, 128, 3), np.uint8)
  painted = model(films[0], difficulty=2.0).painter()(frame.copy(), 0.1)
  assert (painted != frame).any()


def test_what_a_score_needs_is_said(runs, table, tmp_path):
  film = table[1]['dive6']
  model = vidpetl.load(runs('core'))
  with pytest.raises(ValueError, match='give --difficulty='):
    model(film)
  with pytest.raises(ValueError, match=r'they have 2\.0, 3\.0'):
    model(film, difficulty=2.5)
  with pytest.raises(ValueError, match='window is of no use'):
    model(film, difficulty=2.0, window=1.0)
  moved = tmp_path / 'moved'
  shutil.copytree(runs('core'), moved)
  (moved / 'exemplars.mtl_aqa.npz').unlink()
  with pytest.raises(ValueError, match=r'--config\.mode=eval'):
    vidpetl.load(moved)(film, difficulty=2.0)


def test_exemplars_are_of_the_models_own_step(runs, table, tmp_path):
  moved = tmp_path / 'moved'
  shutil.copytree(runs('core'), moved)
  path = moved / 'exemplars.mtl_aqa.npz'
  with np.load(path) as arrays:
    np.savez(path, **{**arrays, 'step': np.array(1)})
  with pytest.raises(ValueError, match=r'is of step 1, and the model .* 2'):
    vidpetl.load(moved)(table[1]['dive6'], difficulty=2.0)
