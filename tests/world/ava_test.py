"""AVA's files: their format, and the frequencies and faults they promise."""

import collections
import csv

import numpy as np
import pytest

from vidpetl.world import ava_labels, behaviours, detector, scene
from vidpetl.world.datasets import ava

HEAD = {11, 12, 14, 17, 79, 80}
TAIL = {5, 7, 20, 22, 36, 45, 46, 47, 58, 69}
POSES = set(range(1, 15))


def rows(path):
  with path.open(newline='', encoding='utf-8') as file:
    return list(csv.reader(file))


@pytest.mark.parametrize('split', ['train', 'val'])
def test_ground_truth_has_eight_columns_and_no_header(tiny, split):
  found = rows(tiny['ava'] / 'annotations' / f'ava_{split}_v2.2.csv')
  videos = {film.id for film in ava.films(3, 'tiny') if film.split == split}
  assert {row[0] for row in found} == videos
  for _, second, *box, action, person in found:
    assert len(second) == 4 and 902 <= int(second) <= 905
    x1, y1, x2, y2 = map(float, box)
    assert 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1
    assert int(action) in ava_labels.NAMES
    assert int(person) >= 0


@pytest.mark.parametrize('split', ['train', 'val'])
def test_everyone_has_exactly_one_pose(tiny, split):
  people = collections.defaultdict(set)
  for row in rows(tiny['ava'] / 'annotations' / f'ava_{split}_v2.2.csv'):
    people[tuple(row[:6])].add(int(row[6]))
  assert all(len(actions & POSES) == 1 for actions in people.values())
  assert max(map(len, people.values())) > 1


def test_detections_have_labels_in_training_only(tiny):
  for split in ('train', 'val'):
    path = tiny['ava'] / 'person_boxes' / f'ava_{split}_predicted_boxes.csv'
    found = rows(path)
    assert all(len(row) == 8 for row in found)
    assert all(0 < float(row[7]) <= 1 for row in found)
    labels = {row[6] for row in found}
    if split == 'val':
      assert labels == {''}
    else:
      assert {int(label) for label in labels} <= {-1, *ava_labels.NAMES}


def test_detected_boxes_inherit_from_boxes_they_cover(tiny):
  folder = tiny['ava']
  truth = collections.defaultdict(lambda: collections.defaultdict(set))
  for row in rows(folder / 'annotations' / 'ava_train_v2.2.csv'):
    truth[row[0], row[1]][tuple(map(float, row[2:6]))].add(int(row[6]))
  labels = collections.defaultdict(set)
  for row in rows(folder / 'person_boxes' / 'ava_train_predicted_boxes.csv'):
    box = tuple(map(float, row[2:6]))
    labels[row[0], row[1], box].add(int(row[6]))
  inherited = 0
  for (video, second, box), actions in labels.items():
    best, overlap = {-1}, 0.9
    for true_box, true_actions in truth[video, second].items():
      iou = detector.iou(np.array([box]), np.array([true_box]))[0, 0]
      if iou >= overlap:
        best, overlap = true_actions, iou
    assert actions == best
    inherited += best != {-1}
  assert inherited > 5


def test_label_map_names_the_sixty_evaluated_actions(tiny):
  path = (
    tiny['ava']
    / 'annotations'
    / 'ava_action_list_v2.2_for_activitynet_2019.pbtxt'
  )
  text = path.read_text()
  assert text.count('item {') == 60
  assert '  name: "fall down"\n  id: 5\n}' in text


def test_excluded_timestamps_are_keyframes(tiny):
  for split in ('train', 'val'):
    name = f'ava_{split}_excluded_timestamps_v2.2.csv'
    found = rows(tiny['ava'] / 'annotations' / name)
    assert found
    for _, second in found:
      assert int(second) in ava.keyframes(ava.SECONDS['tiny'])


def boxes_by_action(split):
  """Boxes of each action, and of all, as the demo's scripts promise them."""
  counts, people = collections.Counter(), 0
  cuts = ava.CUTS['demo']
  for film in ava.films(0, 'demo'):
    if film.split == split:
      for script in ava.film_lib.scripts(film, cuts):
        for second in ava.keyframes(film.seconds):
          action = next(a for a in script if second - 900 < a.end)
          people += 1
          names = behaviours.shown(action)
          counts.update(ava.ACTIONS[name] for name in names)
  return counts, people


def test_training_has_a_long_tail():
  counts, people = boxes_by_action('train')
  share = {action: n / people for action, n in counts.items()}
  assert set(share) == set(ava.ACTIONS.values())
  assert max(share[a] for a in HEAD) > 0.25
  assert min(share[a] for a in HEAD) > 0.1
  assert all(0.003 < share[a] < 0.02 for a in TAIL)
  middle = set(share) - HEAD - TAIL
  assert all(0.02 < share[a] < 0.08 for a in middle)


def test_validation_can_measure_every_action():
  counts, _ = boxes_by_action('val')
  assert set(counts) == set(ava.ACTIONS.values())
  assert min(counts.values()) >= 8


def test_the_detector_has_the_faults_it_states():
  rng = scene.generator('detector')
  truth = np.array([[0.1, 0.2, 0.3, 0.9], [0.5, 0.3, 0.75, 0.85]])
  overlaps, hits, scores, false = [], [], [], []
  for _ in range(2000):
    boxes, confidence = detector.detect(rng, truth)
    overlap = detector.iou(boxes, truth).reshape(-1, 2).max(1)
    found = overlap > 0.6
    hits.append(found.sum())
    overlaps += overlap[found].tolist()
    scores += confidence[found].tolist()
    false += confidence[~found].tolist()
  assert np.sum(hits) / 4000 == pytest.approx(1 - detector.MISS_RATE, abs=0.02)
  assert np.mean(np.array(overlaps) > 0.9) > 0.8
  assert np.mean(np.array(scores) >= 0.8) > 0.9
  assert len(false) / 2000 == pytest.approx(detector.FALSE_RATE, abs=0.05)
  assert 0.01 < np.mean(np.array(false) >= 0.8) < 0.15
