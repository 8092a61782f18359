import numpy as np
import pytest

from vidpetl.data.annotations import boxes, keyframes

_C = 10


def _boxes(rows):
  """Rows (video, timestamp, box or None, actions or None, score)."""
  keys, stamps, owner, kept = {}, [], [], []
  for row in rows:
    key = boxes.key(row[0], float(row[1]))
    if key not in keys:
      keys[key] = len(keys)
      stamps.append(row[1])
    if row[2] is not None:
      owner.append(keys[key])
      kept.append(row)
  pairs = [(i, a) for i, row in enumerate(kept) for a in row[3] or ()]
  at, acts = np.array(pairs, np.int64).reshape(-1, 2).T
  return boxes.Boxes(
    keys=list(keys),
    timestamps=stamps,
    keyframe=np.array(owner, np.int64),
    box=np.array([row[2] for row in kept], np.float32).reshape(-1, 4),
    actions=boxes.pack(at, acts, len(kept), _C),
    labelled=np.array([row[3] is not None for row in kept], bool),
    score=np.array([row[4] for row in kept], np.float32),
  )


_LEFT, _RIGHT = (0.0, 0.0, 0.4, 1.0), (0.5, 0.0, 0.9, 1.0)
_TRUTH = _boxes(
  [
    ('b', '0902', _LEFT, [1], 1),
    ('a', '0903', _RIGHT, [2, 9], 1),
    ('a', '0903', _LEFT, [3], 1),
    ('a', '0902', None, None, 1),
  ]
)
_FOUND = _boxes(
  [
    ('a', '903', (0.5, 0.0, 0.9, 0.95), None, 0.9),  # IoU 0.95
    ('a', '903', (0.0, 0.0, 0.4, 0.89), None, 0.8),  # IoU 0.89
    ('a', '904', _LEFT, None, 0.7),
    ('b', '902', _LEFT, [], 0.6),  # on the truth, but labelled as nothing
  ]
)


def _join(detected, all_detected, excluded=()):
  return keyframes.join(
    _TRUTH,
    detected,
    set(excluded),
    num_classes=_C,
    match_iou=0.9,
    all_detected=all_detected,
  )


def _acts(flags):
  return [list(np.flatnonzero(row)) for row in flags]


def test_training_takes_annotated_keyframes_by_video_and_time():
  table = _join(_FOUND, all_detected=False)
  ids = [table.keyframe(i).id for i in range(len(table))]
  assert ids == ['a,0902', 'a,0903', 'b,0902']
  empty, full, _ = map(table.keyframe, range(3))
  assert empty.boxes.shape == (0, 4) and empty.actions.shape == (0, _C)
  assert empty.annotated
  assert _acts(full.actions) == [[2, 9], [3]]
  np.testing.assert_array_equal(full.boxes, np.float32([_RIGHT, _LEFT]))


def test_evaluation_takes_keyframes_with_detections_too():
  table = _join(_FOUND, True, [boxes.key('a', 904.0)])
  found = [table.keyframe(i) for i in range(len(table))]
  assert [k.id for k in found] == ['a,0902', 'a,0903', 'a,904', 'b,0902']
  assert [k.excluded for k in found] == [False, False, True, False]
  assert [k.annotated for k in found] == [True, True, False, True]
  assert [len(k.detections) for k in found] == [0, 2, 1, 1]


def test_unlabelled_detections_inherit_from_a_box_they_overlap():
  table = _join(_FOUND, all_detected=True)
  by_id = {table.keyframe(i).id: table.keyframe(i) for i in range(len(table))}
  assert _acts(by_id['a,0903'].detected_actions) == [[2, 9], []]
  assert _acts(by_id['a,904'].detected_actions) == [[]]
  assert _acts(by_id['b,0902'].detected_actions) == [[]]


def test_an_overlap_of_exactly_the_threshold_counts():
  nine = _boxes([('b', '902', (0.0, 0.0, 0.4, 0.9), None, 1.0)])
  table = _join(nine, all_detected=False)
  assert _acts(table.keyframe(2).detected_actions) == [[1]]


def test_the_best_overlap_is_inherited():
  truth = _boxes(
    [
      ('a', '1', (0, 0, 1, 0.96), [4], 1),
      ('a', '1', (0, 0, 1, 0.98), [5], 1),
      ('a', '1', (0, 0, 1, 0.97), [6], 1),
    ]
  )
  offsets = np.array([0, 3])
  match = boxes.inherit(
    np.array([[0, 0, 1, 1.0]]), np.array([0, 1]), truth.box, offsets, 0.9
  )
  assert match.tolist() == [1]


def test_without_detections_ground_truth_takes_their_place():
  frame = _join(None, all_detected=True).keyframe(1)
  np.testing.assert_array_equal(frame.detections, frame.boxes)
  assert _acts(frame.detected_actions) == [[2, 9], [3]]
  assert frame.scores.tolist() == [1, 1]


def test_take_and_arrays_keep_what_belongs_together():
  table = _join(_FOUND, all_detected=True)
  chosen = keyframes.Keyframes.of_arrays(table.take([3, 1]).arrays())
  for new, old in enumerate([3, 1]):
    a, b = chosen.keyframe(new), table.keyframe(old)
    for name, value in vars(a).items():
      np.testing.assert_array_equal(value, getattr(b, name), name)


def test_new_detections_replace_the_old_and_strangers_are_told():
  table = _join(_FOUND, all_detected=False)
  new = _boxes([('b', '0902', _LEFT, None, 0.3), ('z', '1', _LEFT, None, 0.2)])
  replaced, unknown = table.with_detections(new, 0.9)
  counts = [len(replaced.keyframe(i).scores) for i in range(3)]
  assert counts == [0, 0, 1]
  assert _acts(replaced.keyframe(2).detected_actions) == [[1]]
  assert unknown == [('z', 1_000_000)]


@pytest.mark.parametrize('parts', [1, 2, 4])
def test_concatenated_files_are_as_one(parts):
  rows = [
    ('a', '1', _LEFT, [1], 1),
    ('b', '1', _LEFT, [2], 1),
    ('a', '1', _RIGHT, [3], 1),
    ('c', '1', None, None, 1),
  ]
  size = len(rows) // parts
  pieces = [_boxes(rows[i * size : (i + 1) * size]) for i in range(parts)]
  joined, whole = boxes.concatenate(pieces), _boxes(rows)
  assert joined.keys == whole.keys
  np.testing.assert_array_equal(joined.keyframe, whole.keyframe)
  np.testing.assert_array_equal(joined.actions, whole.actions)
