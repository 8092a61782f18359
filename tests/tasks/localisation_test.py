"""Detections on file, read back by the evaluator; parts of AVA-Kinetics."""

import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data import decode, examples
from vidpetl.data.annotations import keyframes
from vidpetl.metrics import ava_csv, columns, frame_map
from vidpetl.tasks import localisation
from vidpetl.tasks import task as task_lib
from vidpetl.training import predictions

CLASSES = {0: 'stand', 2: 'sit', 3: 'run, fast'}  # of 5 outputs
OPTIONS = {
  'task': 'localisation',
  'protocols': ('2020',),
  'parts': ('ava', 'kinetics'),
  'eval_clip': {'max_boxes': 4, 'min_score': 0.2},
}


class Source:
  """Keyframes of films and of a clip, with people at random."""

  info = examples.Info('people', 'val', 'localisation', 5, CLASSES)
  places = (
    *(('film', f'{t:04d}') for t in range(902, 912)),
    *(('a, "b"', f'{t}.5') for t in range(4)),
  )

  def __init__(self):
    rng = np.random.default_rng(0)
    self._keyframes = []
    for video, timestamp in self.places:
      corners = rng.uniform(0, 0.5, (3, 2)).astype(np.float32)
      boxes = np.concatenate([corners, corners + 0.4], 1)
      moved = boxes + rng.normal(scale=0.05, size=boxes.shape)
      self._keyframes.append(
        keyframes.Keyframe(
          id=f'{video},{timestamp}',
          video_id=video,
          timestamp=timestamp,
          time=1.0,
          boxes=boxes,
          actions=rng.uniform(size=(3, 5)) < 0.5,
          detections=moved.astype(np.float32),
          scores=np.array([0.9, 0.8, 0.1], np.float32),
          detected_actions=np.zeros((3, 5), bool),
        )
      )

  def __len__(self):
    return len(self._keyframes)

  def __getitem__(self, i):
    return self._keyframes[i]


@pytest.fixture(scope='module')
def metric():
  source = Source()
  task = task_lib.build('people', OPTIONS, source.info)
  metric = task.metric(source)
  rng = np.random.default_rng(1)
  scores = rng.uniform(size=(len(source), 4, 5)).astype(np.float32)
  metric.update({'index': np.arange(len(source)), 'scores': scores})
  return metric


def _truth(rows):
  """Returns annotations as a file would have them."""
  keys = [columns.image_key(*place, P2020) for place in Source.places]
  people = list(rows)
  boxes = np.concatenate([p.boxes for p in people])
  actions = np.concatenate([p.actions for p in people])
  image = np.repeat(np.arange(len(people)), 3)
  return columns.GroundTruth.from_actions(keys, image, boxes, actions)


P2020 = columns.PROTOCOLS['2020']


def test_the_file_gives_the_same_map(metric, tmp_path):
  said = metric.predictions()
  path = tmp_path / 'people.1.csv'
  predictions.write_csv(path, said.columns, said.header)
  read = ava_csv.read_detections(path, P2020)
  # Two of three people are detected surely; three classes are evaluated.
  assert len(read.image) == len(Source.places) * 2 * 3
  assert read.images[-1] == 'a, "b",3.500000'
  source = Source()
  truth = _truth([source[i] for i in range(len(source))])
  classes = {i + 1: name for i, name in CLASSES.items()}
  again = frame_map.evaluate(truth, read, classes, P2020)
  assert 0 < again.mean_ap < 1
  assert again.mean_ap == metric.result()['mAP']
  first = path.read_text().splitlines()[0].split(',')
  assert first[:2] == ['film', '902.000000'] and len(first) == 8


def test_parts_of_ava_kinetics_are_measured_alone(metric):
  result = metric.result()
  assert list(result) == list(metric.names)
  assert list(result) == ['mAP', 'mAP_ava', 'mAP_kinetics']
  source = Source()
  films = Source()
  films._keyframes = films._keyframes[:10]
  task = task_lib.build('people', {**OPTIONS, 'parts': ()}, source.info)
  alone = task.metric(films)
  for i in range(10):
    alone.update({'index': [i], 'scores': [metric._scores[i]]})
  assert alone.result() == {'mAP': result['mAP_ava']}
  assert result['mAP_ava'] != result['mAP_kinetics']
  assert 'keyframes of kinetics alone: ' in metric.report()


def test_a_keyframe_that_cannot_be_read_is_not_drawn(metric, monkeypatch):
  first = min(metric._scores)

  def draw(source, i, people):
    if i == first:
      raise decode.DecodeError('film', 'is damaged')
    return i

  monkeypatch.setattr(localisation, 'draw_keyframe', draw)
  with pytest.warns(mistakes.Note, match='not drawn: film: is damaged'):
    drawn = metric.pictures()
  assert drawn and first not in drawn.values()


def test_unknown_parts_are_refused():
  with pytest.raises(ValueError, match=r"people\.parts=.*'k400'"):
    task_lib.build('people', {**OPTIONS, 'parts': ('k400',)}, Source.info)


def test_nothing_decoded_leaves_an_empty_file(tmp_path):
  source = Source()
  found = task_lib.build('people', OPTIONS, source.info).metric(source)
  said = found.predictions()
  predictions.write_csv(tmp_path / 'x.csv', said.columns, said.header)
  assert (tmp_path / 'x.csv').read_text() == ''
