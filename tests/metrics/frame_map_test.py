"""Frame-mAP against its description, restated as loops over images."""

import dataclasses
import math

import numpy as np
import pytest

from vidpetl.metrics import columns, frame_map

CLASSES = (1, 2, 4)
PROTOCOLS = list(columns.PROTOCOLS.values())


def _slow_iou(a, b):
  width = min(a[2], b[2]) - max(a[0], b[0])
  height = min(a[3], b[3]) - max(a[1], b[1])
  if width <= 0 or height <= 0:
    return 0.0
  both = width * height
  area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
  return both / (area[0] + area[1] - both)


def _slow_match(truth, found):
  """Greedy matching of one image and class; found is in claiming order."""
  claimed, labels = set(), []
  for score, box in found:
    overlaps = [_slow_iou(box, other) for other in truth]
    best = max(range(len(truth)), key=overlaps.__getitem__, default=None)
    right = best is not None and overlaps[best] >= 0.5 and best not in claimed
    if right:
      claimed.add(best)
    labels.append((score, right))
  return labels


def _slow_ap(labels, positives):
  if positives == 0:
    return math.nan
  points = [(0.0, 0.0)]
  for threshold in sorted({score for score, _ in labels}, reverse=True):
    taken = [right for score, right in labels if score >= threshold]
    points.append((sum(taken) / positives, sum(taken) / len(taken)))
  area = 0.0
  for i in range(1, len(points)):
    height = max(precision for _, precision in points[i:])
    area += (points[i][0] - points[i - 1][0]) * height
  return area


def _slow_evaluate(gt_rows, gt_images, det_rows, classes, protocol, excluded):
  """Rows are (image key, box, class[, score]) in the order of a file."""
  gt_rows = [
    row for row in gt_rows if row[2] in classes and row[0] not in excluded
  ]
  by_image = {}
  for row in det_rows:
    if row[2] in classes:
      by_image.setdefault(row[0], []).append(row)
  labels = {class_id: [] for class_id in classes}
  for key, rows in by_image.items():
    if key in excluded:
      continue
    if protocol.unmatched_images == 'ignore' and key not in gt_images:
      continue
    if protocol.by_score or protocol.cap:
      x1, y1, x2, y2 = range(4)
      rows = sorted(
        rows,
        key=lambda r: (r[3], r[2], r[1][y1], r[1][x1], r[1][y2], r[1][x2]),
        reverse=True,
      )
    rows = rows[: protocol.cap]
    rows = [r for r in rows if r[1][0] < r[1][2] and r[1][1] < r[1][3]]
    for class_id in classes:
      truth = sorted(
        box for image, box, c in gt_rows if image == key and c == class_id
      )
      found = [(r[3], r[1]) for r in rows if r[2] == class_id]
      labels[class_id] += _slow_match(truth, found)
  return {
    class_id: _slow_ap(
      labels[class_id], sum(row[2] == class_id for row in gt_rows)
    )
    for class_id in classes
  }


def _random_case(seed):
  """A small world full of accidents: few coordinates, few scores, repeats."""
  rng = np.random.default_rng(seed)
  images = [f'v,{900 + i:04d}' for i in range(4)]

  def box():
    x, y = rng.integers(0, 4, 2) / 8
    w, h = rng.integers(1, 5, 2) / 8
    return (x, y, x + w, y + h)

  people = {key: [box() for _ in range(rng.integers(0, 4))] for key in images}
  gt_rows = [
    (key, person, int(rng.integers(1, 5)))
    for key in images[:3]
    for person in people[key]
    for _ in range(rng.integers(1, 3))
  ]
  det_rows = []
  for _ in range(rng.integers(0, 40)):
    key = images[rng.integers(4)]
    seen = people[key]
    place = (
      seen[rng.integers(len(seen))] if seen and rng.random() < 0.7 else box()
    )
    if rng.random() < 0.1:
      place = (place[0], place[1], place[0], place[3])
    score = float(rng.integers(1, 6)) / 5 if seed % 2 else float(rng.random())
    det_rows.append((key, place, int(rng.integers(1, 5)), score))
  gt_images = {row[0] for row in gt_rows} | ({images[2]} if seed % 3 else set())
  excluded = {images[0]} if seed % 4 == 0 else set()
  return gt_rows, gt_images, det_rows, excluded


def _columns(gt_rows, gt_images, det_rows):
  keys = sorted(gt_images)
  gt = columns.GroundTruth(
    keys,
    np.array([keys.index(row[0]) for row in gt_rows], int),
    np.array([row[1] for row in gt_rows], float).reshape(-1, 4),
    np.array([row[2] for row in gt_rows], int),
  )
  keys = sorted({row[0] for row in det_rows}, reverse=True)
  dets = columns.Detections(
    keys,
    np.array([keys.index(row[0]) for row in det_rows], int),
    np.array([row[1] for row in det_rows], float).reshape(-1, 4),
    np.array([row[2] for row in det_rows], int),
    np.array([row[3] for row in det_rows], float),
  )
  return gt, dets


@pytest.mark.parametrize('protocol', PROTOCOLS, ids=lambda p: p.name)
def test_equals_the_loops_of_its_description(protocol):
  if protocol.cap:  # Small enough to bite.
    protocol = dataclasses.replace(protocol, cap=4)
  positive = 0
  for seed in range(300):
    gt_rows, gt_images, det_rows, excluded = _random_case(seed)
    if not protocol.exclusions:
      excluded = set()
    want = _slow_evaluate(
      gt_rows, gt_images, det_rows, CLASSES, protocol, excluded
    )
    gt, dets = _columns(gt_rows, gt_images, det_rows)
    got = frame_map.evaluate(gt, dets, CLASSES, protocol, excluded)
    np.testing.assert_allclose(
      list(got.ap_by_class.values()),
      list(want.values()),
      atol=1e-12,
      err_msg=f'seed {seed}',
    )
    with_truth = [ap for ap in want.values() if not math.isnan(ap)]
    if with_truth:
      np.testing.assert_allclose(got.mean_ap, np.mean(with_truth))
      positive += got.mean_ap > 0.05
    else:
      assert math.isnan(got.mean_ap)
  assert positive > 150


def _one_image(gt_boxes, det_boxes, scores, **images):
  gt_image = np.zeros(len(gt_boxes), int)
  det_image = np.zeros(len(det_boxes), int)
  return (
    columns.GroundTruth(
      images.get('gt', ['v,0902']),
      gt_image,
      np.array(gt_boxes, float).reshape(-1, 4),
      np.ones(len(gt_boxes), int),
    ),
    columns.Detections(
      images.get('dets', ['v,0902']),
      det_image,
      np.array(det_boxes, float).reshape(-1, 4),
      np.ones(len(det_boxes), int),
      np.array(scores, float),
    ),
  )


LEFT, RIGHT = (0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.9, 0.9)
NOWHERE = (0.3, 0.0, 0.4, 0.1)


def test_worked_example():
  # By falling score: right, wrong, right, wrong. Precision 1, 1/2, 2/3, 2/4 at
  # recall 1/2, 1/2, 1, 1: 1/2 * 1 + 1/2 * 2/3 = 5/6.
  gt, dets = _one_image(
    [LEFT, RIGHT], [NOWHERE, RIGHT, LEFT, NOWHERE], [0.8, 0.7, 0.9, 0.1]
  )
  result = frame_map.evaluate(gt, dets, [1])
  assert result.ap_by_class == {1: pytest.approx(5 / 6)}
  assert result.num_gt == {1: 2}
  assert result.num_detections == {1: 4}


def test_overlap_of_exactly_one_half_is_enough():
  half = (0.0, 0.0, 0.5, 1.0)
  gt, dets = _one_image([(0.0, 0.0, 1.0, 1.0)], [half], [1.0])
  assert frame_map.evaluate(gt, dets, [1]).mean_ap == 1.0
  gt, dets = _one_image([(0.0, 0.0, 1.0, 1.01)], [half], [1.0])
  assert frame_map.evaluate(gt, dets, [1]).mean_ap == 0.0


def test_a_duplicate_is_wrong_even_if_another_truth_is_free():
  # Both detections overlap `near` most; `far` also has IoU >= 0.5 with them.
  near, far = (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 0.8)
  gt, dets = _one_image([far, near], [near, near], [0.9, 0.8])
  assert frame_map.evaluate(gt, dets, [1]).mean_ap == pytest.approx(0.5)


def test_slowfast_claims_in_order_of_listing():
  gt, dets = _one_image([LEFT], [LEFT, LEFT], [0.1, 0.9])
  by_name = {
    name: frame_map.evaluate(gt, dets, [1], protocol).mean_ap
    for name, protocol in columns.PROTOCOLS.items()
  }
  assert by_name == {'2020': 1.0, '2019': 1.0, 'slowfast': 0.5}


def test_detections_on_unlisted_images():
  gt, _ = _one_image([LEFT], [], [])
  stray = columns.Detections(
    ['w,0902', 'v,0902'],
    np.array([1, 0]),
    np.array([LEFT, LEFT]),
    np.array([1, 1]),
    np.array([0.5, 0.9]),
  )
  by_name = {
    name: frame_map.evaluate(gt, stray, [1], protocol).mean_ap
    for name, protocol in columns.PROTOCOLS.items()
  }
  assert by_name == {'2020': 1.0, '2019': 0.5, 'slowfast': 0.5}
  # Listed without any action, it counts in 2020 too.
  listed = dataclasses.replace(gt, images=['v,0902', 'w,0902'])
  result = frame_map.evaluate(listed, stray, [1], columns.PROTOCOLS['2020'])
  assert result.mean_ap == 0.5


def test_cap_keeps_the_best_fifty_of_an_image_over_all_classes():
  gt, _ = _one_image([LEFT], [], [])
  dets = columns.DenseDetections(
    ['v,0902'],
    np.zeros(1, int),
    np.array([LEFT]),
    np.linspace(0.1, 0.9, 60)[None],
  )
  by_name = {
    name: frame_map.evaluate(gt, dets, range(1, 61), protocol)
    for name, protocol in columns.PROTOCOLS.items()
  }
  assert by_name['2019'].left_out['cap'] == 10
  assert by_name['2019'].ap_by_class[1] == 0.0
  assert by_name['slowfast'].left_out['cap'] == 0
  assert by_name['slowfast'].ap_by_class[1] == 1.0


def test_a_box_without_area_takes_a_place_below_the_cap():
  protocol = dataclasses.replace(columns.PROTOCOLS['2019'], cap=1)
  line = (0.1, 0.1, 0.1, 0.5)
  gt, dets = _one_image([LEFT], [line, LEFT], [0.9, 0.8])
  result = frame_map.evaluate(gt, dets, [1], protocol)
  assert result.mean_ap == 0.0
  assert result.left_out['cap'] == result.left_out['degenerate box'] == 1


def test_ground_truth_without_area_counts_but_cannot_be_found():
  line = (0.1, 0.1, 0.1, 0.5)
  gt, dets = _one_image([LEFT, line], [LEFT, line], [0.9, 0.8])
  assert frame_map.evaluate(gt, dets, [1]).mean_ap == 0.5


def test_inverted_ground_truth_is_an_error():
  gt, dets = _one_image([(0.5, 0.1, 0.2, 0.3)], [LEFT], [0.9])
  with pytest.raises(ValueError, match=r'0\.5, 0\.1, 0\.2, 0\.3.*v,0902'):
    frame_map.evaluate(gt, dets, [1])


def test_classes_without_truth_do_not_count_and_without_detections_are_zero():
  gt, dets = _one_image([LEFT], [], [])
  result = frame_map.evaluate(gt, dets, [1, 2])
  assert result.ap_by_class[1] == 0.0
  assert math.isnan(result.ap_by_class[2])
  assert result.mean_ap == 0.0


def test_equal_scores_enter_together():
  gt, dets = _one_image([LEFT], [NOWHERE, LEFT], [0.5, 0.5])
  assert frame_map.evaluate(gt, dets, [1]).mean_ap == 0.5
  gt, dets = _one_image([LEFT], [LEFT, NOWHERE], [0.5, 0.5])
  assert frame_map.evaluate(gt, dets, [1]).mean_ap == 0.5


def _assert_same(a, b):
  np.testing.assert_equal(dataclasses.asdict(a), dataclasses.asdict(b))


@pytest.mark.parametrize('name', ['2019', '2020'])
def test_order_of_rows_does_not_matter(name):
  protocol = dataclasses.replace(columns.PROTOCOLS[name], cap=3)
  rng = np.random.default_rng(0)
  for seed in range(1, 80, 2):  # Odd seeds have tied scores.
    gt_rows, gt_images, det_rows, _ = _random_case(seed)
    results = []
    for _ in range(3):
      gt, dets = _columns(
        [gt_rows[i] for i in rng.permutation(len(gt_rows))],
        gt_images,
        [det_rows[i] for i in rng.permutation(len(det_rows))],
      )
      results.append(frame_map.evaluate(gt, dets, CLASSES, protocol))
    _assert_same(results[1], results[0])
    _assert_same(results[2], results[0])


@pytest.mark.parametrize('protocol', PROTOCOLS, ids=lambda p: p.name)
def test_a_worse_scored_mistake_never_helps(protocol):
  for seed in range(60):
    gt_rows, gt_images, det_rows, _ = _random_case(seed)
    if not gt_rows:
      continue
    before = frame_map.evaluate(
      *_columns(gt_rows, gt_images, det_rows), CLASSES, protocol
    )
    mistake = (gt_rows[0][0], (0.0, 0.97, 0.02, 1.0), gt_rows[0][2], 0.0)
    after = frame_map.evaluate(
      *_columns(gt_rows, gt_images, [*det_rows, mistake]), CLASSES, protocol
    )
    for class_id in CLASSES:
      assert not after.ap_by_class[class_id] > before.ap_by_class[class_id]


def test_only_the_order_of_scores_matters():
  for seed in range(0, 40):
    gt_rows, gt_images, det_rows, _ = _random_case(seed)
    stretched = [(*row[:3], 10.0 * row[3] ** 3 - 5.0) for row in det_rows]
    a, b = (
      frame_map.evaluate(*_columns(gt_rows, gt_images, rows), CLASSES)
      for rows in (det_rows, stretched)
    )
    _assert_same(a, b)


def test_2020_refuses_excluded_timestamps():
  gt, dets = _one_image([LEFT], [LEFT], [0.9])
  with pytest.raises(ValueError, match='2020 excludes no timestamps'):
    frame_map.evaluate(gt, dets, [1], columns.PROTOCOLS['2020'], ['v,0902'])


def test_a_score_that_is_not_a_number_is_an_error():
  gt, dets = _one_image([LEFT], [LEFT], [float('nan')])
  with pytest.raises(ValueError, match='class 1 on image "v,0902"'):
    frame_map.evaluate(gt, dets, [1])
