"""Frame-mAP of whole sets: dense scores, AVA's groups."""

import dataclasses

import numpy as np
import pytest

from vidpetl.metrics import ava_labels, columns, frame_map, frame_map_benchmark

PROTOCOLS = list(columns.PROTOCOLS.values())


@pytest.mark.parametrize('protocol', PROTOCOLS, ids=lambda p: p.name)
def test_dense_scores_are_the_same_as_rows(protocol):
  gt, dense = frame_map_benchmark.synthetic(keyframes=40)
  class_ids = np.array([1, 2, 3, 5, 8, 13, 21, 34, 55, 80])
  person, class_index = np.divmod(np.arange(120 * 10), 10)
  rows = columns.Detections(
    dense.images,
    dense.image[person],
    dense.boxes[person],
    class_ids[class_index],
    dense.scores[person, class_ids[class_index] - 1],
  )
  protocol = dataclasses.replace(protocol, cap=protocol.cap and 12)
  a = frame_map.evaluate(gt, dense, class_ids.tolist(), protocol)
  b = frame_map.evaluate(gt, rows, class_ids.tolist(), protocol)
  assert a.mean_ap == b.mean_ap
  assert 0.1 < a.mean_ap < 0.9


def test_head_mid_and_tail_of_ava_and_of_nothing_else():
  gt, dense = frame_map_benchmark.synthetic(keyframes=200)
  ids = [i for group in ava_labels.GROUPS.values() for i in group]
  result = frame_map.evaluate(gt, dense, ids)
  assert set(result.groups) == {'head', 'mid', 'tail'}
  combined = sum(
    result.groups[name] * size
    for name, size in [('head', 8), ('mid', 23), ('tail', 29)]
  )
  assert combined / 60 == pytest.approx(result.mean_ap)
  assert frame_map.evaluate(gt, dense, ids[1:]).groups == {}
