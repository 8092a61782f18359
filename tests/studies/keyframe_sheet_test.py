"""Worst and best keyframes, from detections on file and annotations."""

import base64
import io
import re

import numpy as np
import pytest
from etils import epath
from PIL import Image

from vidpetl import figures
from vidpetl.data import examples, sources
from vidpetl.data.annotations import keyframes
from vidpetl.experiment import complete
from vidpetl.metrics import ava_csv, columns
from vidpetl.studies import keyframe_sheet, recorded
from vidpetl.studies.report import page, people
from vidpetl.training import predictions

CLASSES = {0: 'stand', 2: 'sit'}  # of 3 outputs
P2019 = columns.PROTOCOLS['2019']
LEFT, RIGHT = (0.0, 0.0, 0.4, 1.0), (0.5, 0.0, 0.9, 1.0)


def _keyframe(second, people, excluded=False):
  """Returns a keyframe of people: box and indices of actions."""
  actions = np.zeros((len(people), 3), bool)
  for row, (_, does) in enumerate(people):
    actions[row, list(does)] = True
  boxes = np.array([box for box, _ in people], np.float32).reshape(-1, 4)
  nobody = np.zeros((0, 4), np.float32)
  return keyframes.Keyframe(
    f'film,{second}',
    *('film', second, 0.0, boxes, actions),
    *(nobody, np.zeros(0), np.zeros((0, 3), bool)),
    excluded=excluded,
  )


class Source(list):
  info = examples.Info('people', 'val', 'localisation', 3, CLASSES)


def _found(*people):
  boxes, scores = zip(*people)
  return keyframe_sheet.Found(np.array(boxes), np.array(scores))


def test_the_loss_is_that_of_the_box_that_was_found_for_a_person():
  # Action 1 is not evaluated.
  source = Source([_keyframe('0902', [(LEFT, (0, 1)), (RIGHT, (2,))])])
  near = (0.05, 0.0, 0.4, 1.0)
  found = {'film,0902': _found((near, (0.8, 0.1)), (LEFT, (0.6, 0.3)))}
  (ranked,) = keyframe_sheet.rank(source, found, P2019)
  left = -np.log(0.6) - np.log(0.7)  # of the larger overlap
  right = -np.log(0.01) - np.log(0.99)  # nobody was found there
  assert ranked.loss == pytest.approx((left + right) / 2)
  assert (ranked.missed, ranked.count) == (1, 2)
  (_, besides, _), (_, right_actions, scores) = ranked.people
  assert not besides.any() and right_actions.tolist() == [True, True, False]
  assert scores.tolist() == [0.6, 0.0, 0.3]


def test_an_overlap_below_a_half_finds_nobody():
  wide = np.array([[0.0, 0.0, 0.81, 1.0], [0.0, 0.0, 0.79, 1.0]])
  truth = np.array([LEFT])
  assert keyframe_sheet.match(truth, wide[:1]) == {}
  assert keyframe_sheet.match(truth, wide[1:]) == {0: 0}
  assert keyframe_sheet.match(truth, wide[:0]) == {}


def test_a_box_is_found_for_one_person_alone():
  pairs = keyframe_sheet.match(np.array([LEFT, LEFT]), np.array([LEFT]))
  assert pairs == {0: 0}


def test_the_worst_is_first_and_what_is_not_evaluated_is_left_out():
  sits = [(LEFT, (2,))]
  source = Source(
    [
      _keyframe('0902', sits),
      _keyframe('0903', sits),
      _keyframe('0904', sits, excluded=True),
      _keyframe('0905', []),
    ]
  )
  found = {
    'film,0902': _found((LEFT, (0.1, 0.9))),
    'film,0903': _found((LEFT, (0.9, 0.1))),
  }
  ranked = keyframe_sheet.rank(source, found, P2019)
  assert [each.row for each in ranked] == [1, 0]


@pytest.fixture
def run(make_config, tmp_path):
  """A run whose predictions are the annotations, but for one film's."""
  config = complete.complete(make_config('ava'))
  (tmp_path / 'metrics.jsonl').write_text('{"step": 3, "ava/mAP": 0.5}\n')
  (tmp_path / 'config.json').write_text(config.to_json_best_effort())
  source = sources.open_source(config.tasks.ava.eval)
  scored = [source[i] for i in range(len(source))]
  counts = [len(keyframe.boxes) for keyframe in scored]
  scores = np.concatenate([k.actions for k in scored]) * 0.9
  scores[: counts[0]] = 0.9 - scores[: counts[0]]
  ids = [f'{k.video_id},{int(k.timestamp):04d}' for k in scored]
  found = columns.DenseDetections(
    ids,
    np.repeat(np.arange(len(ids)), counts),
    np.concatenate([k.boxes for k in scored]),
    scores,
  )
  folder = tmp_path / predictions.FOLDER
  folder.mkdir()
  classes = np.array(sorted(source.info.classes)) + 1
  ava_csv.write_detections(folder / 'ava.3.csv', found, classes)
  return recorded.Recorded(epath.Path(tmp_path), 'run'), source


def test_a_run_of_people_has_a_sheet_of_keyframes(run):
  recorded_run, source = run
  classes = sorted(source.info.classes)
  found = keyframe_sheet.read(recorded_run, 'ava', P2019, classes)
  ranked = keyframe_sheet.rank(source, found, P2019)
  assert ranked[0].row == 0 and ranked[0].loss > 10 > 8 > ranked[-1].loss
  assert all(each.missed == 0 for each in ranked)
  ((name, sheet),) = figures.of_one(recorded_run, ['clips'], 'ava', count=1)
  assert name == 'ava_clips'
  # A keyframe, 640 pixels wide, of the worst above one of the best.
  assert 640 < sheet.width < 700 and sheet.height > 700
  assert (np.asarray(sheet).astype(int).sum(-1) < 700).mean() > 0.2


def test_a_report_stops_films_at_the_worst_and_best_keyframes(run):
  text = ''.join(people.keyframes(run[0], 'ava', 1))
  assert text.count('loss ') == 2 * 2  # in words, and for who sees none
  addresses = re.findall('src="data:image/webp;base64,([^"]+)', text)
  films = [Image.open(io.BytesIO(base64.b64decode(a))) for a in addresses]
  assert [film.n_frames for film in films] == [11, 11]
  shown = []
  for number in range(11):
    films[0].seek(number)
    shown.append((np.asarray(films[0]).copy(), films[0].info['duration']))
  assert [ms for _, ms in shown] == [125] * 5 + [1500] + [125] * 5
  # Only the keyframe has boxes, of another colour than what is filmed.
  frames = np.array([pixels for pixels, _ in shown]).astype(int)
  orange = (abs(frames[..., :3] - (255, 140, 60)).sum(-1) < 60).sum((1, 2))
  assert orange.argmax() == 5 and orange[5] > 2 * np.delete(orange, 5).max()


def test_a_report_without_the_films_has_what_was_drawn(run, monkeypatch):
  recorded_run, _ = run
  pictures = recorded_run.workdir / 'pictures'
  pictures.mkdir()
  Image.new('RGB', (64, 48)).save(pictures / 'ava_film_0902.png')

  def fail(_):
    raise OSError('the films are gone')

  monkeypatch.setattr(sources, 'open_source', fail)
  text = page.of_run(recorded_run)
  part = text.partition('Keyframes with boxes')[2]
  assert 'the films are gone' in part and 'alt="film_0902"' in part


def test_predictions_of_other_classes_are_refused(run):
  recorded_run, source = run
  classes = sorted(source.info.classes)[:-1]
  with pytest.raises(ValueError, match=r'ava\.3\.csv has other classes than'):
    keyframe_sheet.read(recorded_run, 'ava', P2019, classes)


def test_a_sheet_without_people_is_an_error(run, monkeypatch):
  recorded_run, source = run
  table = source.table.take([])
  empty = type(source)(source.info, table, source.video)
  monkeypatch.setattr(sources, 'open_source', lambda _: empty)
  with pytest.raises(ValueError, match='nobody is annotated'):
    keyframe_sheet.draw(recorded_run, 'ava', 1)
