"""Charades' official files, drawn small."""

import numpy as np
import pytest

from vidpetl.data import clips, datasets, sources
from vidpetl.data.annotations import text
from vidpetl.data.datasets import charades

_CLASSES = 'c000 Holding some clothes\nc001 Putting clothes somewhere\n'
_CLASSES += 'c002 Someone is going from standing to sitting\n'
_HEADER = (
  'id,subject,scene,quality,relevance,verified,script,objects,descriptions,'
  'actions,length\n'
)


def _row(name, actions):
  script = '"A person says ""hi"", sits;\nand reads."'
  return f'{name},HR43,Kitchen,6,7,Yes,{script},bag;sofa,x,{actions},32.70\n'


_FILES = {
  'Charades_v1_classes.txt': _CLASSES,
  'Charades_v1_train.csv': _HEADER
  + _row('46GP8', 'c002 11.90 21.20;c000 0.00 12.60;c002 25.00 40.00')
  + _row('N11GT', '')
  + _row('0IH69', 'c001 0.00 5.10'),
  'Charades_v1_test.csv': _HEADER + _row('YSKX3', 'c001 0.50 4.10'),
}


def _write(root, files):
  for name, content in files.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _open(root, split='train', **options):
  fields = {'source': 'raw', 'dataset': 'charades', 'raw': str(root)}
  return sources.open_source({**fields, 'split': split, **options})


@pytest.mark.parametrize('lists', ['', 'Charades/', 'annotations/'])
@pytest.mark.parametrize(
  'videos', ['Charades_v1_480', 'Charades_v1', 'somewhere/else']
)
def test_a_video_has_all_labels_of_its_actions_once(tmp_path, lists, videos):
  _write(tmp_path, {lists + name: text for name, text in _FILES.items()})
  names = ('46GP8', 'N11GT', 'YSKX3')
  _write(tmp_path, {f'{videos}/{name}.mp4': '' for name in names})
  train, test = _open(tmp_path), _open(tmp_path, 'val')
  assert train.info.kind == 'multilabel' and train.info.num_classes == 3
  assert train.info.classes[0] == 'Holding some clothes'
  assert [(e.id, e.labels, e.start, e.end) for e in (train[0], train[1])] == [
    ('46GP8', (0, 2), 0.0, None),
    ('N11GT', (), 0.0, None),
  ]
  assert [d.id for d in train.info.dropped] == ['0IH69'] and len(train) == 2
  assert train.video(0) == str(tmp_path / videos / '46GP8.mp4')
  assert (test[0].id, test[0].labels) == ('YSKX3', (1,))


@pytest.mark.parametrize('fps, second', [(None, 24.0), (12, 12.0)])
def test_frames_count_24_a_second(tmp_path, write_frames, fps, second):
  _write(tmp_path, _FILES)
  folder = tmp_path / 'Charades_v1_rgb' / '46GP8'
  write_frames(folder, '46GP8-{:06d}.jpg', 48)
  source = _open(tmp_path, **({'fps': fps} if fps else {}))
  assert source.video(0) == str(folder) and source.info.fps == second
  spec = clips.ClipSpec.of(
    {'frames': 2, 'stride': 24.0, 'resolution': 16}, 'multilabel'
  )
  clip = clips.load(source, 0, spec, np.zeros(2, np.uint32))
  assert clip['labels'].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
  'actions, message',
  [
    ('c003 0 1', ":4: the action 'c003 0 1'; expected .* c000 to c002"),
    ('c001 0', ":4: the action 'c001 0'"),
    ('x001 0 1', ':4: the action'),
    ('c001 0 later', ":4: end of c001 is 'later'"),
  ],
)
def test_an_action_that_is_none_is_named(tmp_path, actions, message):
  rows = _row('a', 'c000 0 1') + _row('b', actions)
  _write(tmp_path, {'a.csv': _HEADER + rows.replace(';\nand', '; and', 1)})
  with pytest.raises(text.AnnotationError, match=message):
    charades.read(str(tmp_path / 'a.csv'), 3)


@pytest.mark.parametrize(
  'content, message',
  [
    (_CLASSES.replace('c002', 'c004'), '3 classes with gaps'),
    (_CLASSES.replace('c001', 'c000'), ':2: '),
    ('c000\n', ":1: 'c000'"),
    ('Holding clothes\n', ":1: 'Holding clothes'"),
    ('', '0 classes'),
  ],
)
def test_classes_that_are_none_are_refused(tmp_path, content, message):
  _write(tmp_path, {'a.txt': content})
  with pytest.raises(text.AnnotationError, match=message):
    charades.read_classes(str(tmp_path / 'a.txt'))


def test_what_is_known():
  known = datasets.find('charades')
  assert (known.kind, known.num_classes, known.fps) == ('multilabel', 157, 24)
  assert known.mirrored
