"""Frame-mAP of whole sets: dense scores, AVA's groups, files and the door."""

import dataclasses
import json

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


def test_door_prints_and_writes(tmp_path, capsys):
  (tmp_path / 'gt.csv').write_text(
    'v,0902,0.1,0.1,0.5,0.5,1,0\nv,902,0.1,0.1,0.5,0.5,2,0\n'
    'w,0902,0.1,0.1,0.5,0.5,1,1\n'
  )
  (tmp_path / 'mine.csv').write_text(
    'v,902,0.1,0.1,0.5,0.5,1,0.9\nw,902,0.1,0.1,0.5,0.5,1,0.9\n'
  )
  (tmp_path / 'map.pbtxt').write_text(
    'item {\n  name: "stand"\n  id: 1\n}\nitem {\n  name: "sit"\n  id: 2\n}\n'
  )
  (tmp_path / 'excluded.csv').write_text('w,0902\n')
  arguments = [
    f'--ground_truth={tmp_path}/gt.csv',
    f'--detections={tmp_path}/mine.csv',
    f'--labelmap={tmp_path}/map.pbtxt',
    f'--excluded={tmp_path}/excluded.csv',
  ]
  frame_map.main([*arguments, f'--json={tmp_path}/result.json'])
  printed = capsys.readouterr().out
  assert 'overall  50.00' in printed
  assert 'left out: 1 detections (excluded image)' in printed
  assert 'head' not in printed
  result = json.loads((tmp_path / 'result.json').read_text())
  assert result['mean_ap'] == 0.5
  assert [c['name'] for c in result['classes']] == ['stand', 'sit']
  (tmp_path / 'mine.csv').write_text('v,902,0.1,0.1\n')
  with pytest.raises(SystemExit):
    frame_map.main(arguments)
  assert 'mine.csv:1: 4 columns' in capsys.readouterr().err
