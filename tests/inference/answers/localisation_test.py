"""What people of films do, as an evaluation of the run says it."""

import collections
import csv
import json
import types

import experiments
import numpy as np
import pytest

import vidpetl
from vidpetl import frame_map, mistakes, predict
from vidpetl.data.kinds import localisation as kind
from vidpetl.inference import question
from vidpetl.inference.answers import localisation
from vidpetl.inference.people import choice, tracked
from vidpetl.training import loop


@pytest.fixture(scope='module')
def run(world, tmp_path_factory):
  """A run, evaluated with the boxes of AVA's person detector."""
  folder = tmp_path_factory.mktemp('runs') / 'ava'
  config = experiments.load_config('cofinetune_ava', 'demo')
  loop.run(experiments.shrink(config, world, ('ava',)), str(folder))
  return folder


@pytest.fixture(scope='module')
def ava(world):
  """Where the tiny world's AVA has its files."""
  folder = world['ava']
  return types.SimpleNamespace(
    boxes=str(next((folder / 'person_boxes').glob('*val*'))),
    truth=str(folder / 'annotations' / 'ava_val_v2.2.csv'),
    excluded=str(next((folder / 'annotations').glob('*val_excluded*'))),
    labels=str(next((folder / 'annotations').glob('*.pbtxt'))),
    films=folder / 'videos',
  )


def detections(path):
  """Returns (video, second, box) -> its scores by class."""
  found = collections.defaultdict(dict)
  with path.open(newline='') as file:
    for video, second, *box, name, score in csv.reader(file):
      found[video, second, *box][int(name)] = float(score)
  return dict(found)


def test_scores_are_those_of_the_evaluation(run, ava, tmp_path):
  evaluated = detections(run / 'predictions' / 'ava.2.csv')
  videos = {video for video, *_ in evaluated}
  films = [str(f) for f in sorted(ava.films.iterdir()) if f.stem in videos]
  people = choice.Choice(films, boxes=ava.boxes, boxes_start=900)
  model = vidpetl.load(run)
  predict.answer(model, films, 'ava', {'people': people}, str(tmp_path), None)
  found = detections(tmp_path / 'detections.csv')
  assert found.keys() == evaluated.keys()
  for key, scores in evaluated.items():
    assert found[key] == pytest.approx(scores, rel=1e-5, abs=1e-7)
  result, _ = frame_map.evaluate(
    ava.truth, str(tmp_path / 'detections.csv'), ava.labels, ava.excluded
  )
  expected = json.loads((run / 'results.json').read_text())
  assert result.mean_ap == pytest.approx(
    expected['tasks']['ava']['metrics']['mAP'], abs=1e-6
  )


def test_people_are_drawn_and_listed_with_their_actions(run, ava, tmp_path):
  film = str(next(f for f in sorted(ava.films.iterdir())))
  boxes = tmp_path / 'boxes.csv'
  boxes.write_text(
    'video,seconds,x1,y1,x2,y2,track\n'
    f'{film},0.5,0.1,0.1,0.4,0.9,7\n{film},1,0.2,0.1,0.5,0.9,7\n'
    f'{film},1,0.6,0.1,0.9,0.9,8\n'
  )
  answer = vidpetl.load(run)(film, people=str(boxes))
  assert [p.seconds for p in answer.seen.people] == [1.0]
  people = answer.tables()['people']
  assert people['person'] == [7, 8]
  assert people['seconds'] == ['1.000'] * 2
  best = answer.top()
  assert people['top1'] == [best[7][0][1][0][0], best[8][0][1][0][0]]
  said = {each['person']: each for each in answer.to_json()['people']}
  assert [p['seconds'] for p in said[7]['track']] == [0.5, 1.0]
  assert len(said[8]['actions'][0]['top']) == 5
  frame = np.zeros((120, 160, 3), np.uint8)
  between = answer.painter()(frame.copy(), 0.75)
  # Half of the way from 0.1 to 0.2 of the width.
  (columns,) = np.nonzero(between[60].any(-1))
  assert abs(columns.min() - 0.15 * 160) <= 3
  assert len(json.dumps(answer.to_json()))


def ask(people, duration=4.0, max_boxes=2, boxes='detected', min_score=0.8):
  """Asks about people of a film, given as (seconds, boxes, scores)."""

  class Given(choice.Choice):
    def find(self, opened, name, times, least, looked):
      return types.SimpleNamespace(
        tracks=[],
        people=[
          tracked.People(
            t,
            np.float32([[0, 0, 0.1 + 0.1 * i, 1] for i in range(people)]),
            np.linspace(0.7, 0.5, people),
            np.arange(people),
          )
          for t in times
        ],
      )

  clip = types.SimpleNamespace(
    kind=kind.Boxes(max_boxes=max_boxes, boxes=boxes, min_score=min_score)
  )
  asked = question.Question(
    'folder/film.mp4',
    types.SimpleNamespace(duration=duration),
    types.SimpleNamespace(eval_clip=clip),
    types.SimpleNamespace(num_classes=3),
    None,
    question.Options(people=Given(detector='hog')),
  )
  return localisation.ask(asked), clip.kind


@pytest.mark.parametrize(
  'duration, expected',
  [(3.5, [1, 2, 3]), (3.0, [1, 2]), (1.0, [0.5]), (0.4, [0.2])],
)
def test_keyframes_are_the_whole_seconds(duration, expected):
  pytest.importorskip('cv2')
  asked, _ = ask(1, duration)
  assert [each.time for each in asked] == pytest.approx(expected)


@pytest.mark.parametrize('boxes', ['detected', 'ground_truth', 'both'])
def test_the_best_boxes_are_asked_whatever_the_run_was_tested_with(boxes):
  pytest.importorskip('cv2')
  with pytest.warns(
    mistakes.Note, match='9 people of keyframes .* more than 2'
  ):
    asked, kind = ask(5, boxes=boxes)
  shown, _ = kind.select(asked[0])
  np.testing.assert_allclose(shown[:, 2], [0.1, 0.2], rtol=1e-6)
  assert asked.more.left_out == 9


def test_a_film_without_people_has_an_answer(run, ava, tmp_path):
  first, second = (str(f) for f in sorted(ava.films.iterdir())[:2])
  boxes = tmp_path / 'boxes.csv'
  boxes.write_text(f'{first},1,0.2,0.1,0.5,0.9\n')
  with pytest.warns(mistakes.Note, match='has no boxes of'):
    people = choice.Choice([first, second], boxes=str(boxes))
  answer = vidpetl.load(run)(second, people=people)
  assert not answer.seen.people
  assert list(answer.tables()['people']['film']) == []
  assert 'nobody' in str(answer)


def test_features_need_no_people(run, ava):
  film, model = next(ava.films.iterdir()), vidpetl.load(run)
  found = model.features(film)
  assert found.begins.tolist() == found.ends.tolist()
  assert found.begins.tolist() == list(range(1, len(found.grid) + 1))
  with pytest.raises(ValueError, match='people is of no use to features'):
    model.features(film, people='hog')


def test_films_are_called_as_shortly_as_tells_them_apart(tmp_path):
  (tmp_path / 'boxes.csv').write_text('a/x,1,0.2,0.1,0.5,0.9\n')
  films = ['r/a/x.mp4', 'r/b/x.mp4', 'r/b/y.mp4']
  with pytest.warns(mistakes.Note, match='no boxes of'):
    found = choice.Choice(films, boxes=str(tmp_path / 'boxes.csv'))
  assert [found.called(f) for f in films] == ['a/x', 'b/x', 'y']
  assert found.called('elsewhere/z.mp4') == 'z'
  with pytest.raises(ValueError, match='give one of the two'):
    choice.Choice(films, boxes='x.csv', detector='hog')


def test_options_are_those_of_the_kind(run, ava):
  film = next(ava.films.iterdir())
  with pytest.raises(ValueError, match=r'window is of no use .* localisation'):
    vidpetl.load(run)(film, window=1.0)
