import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data import sources
from vidpetl.data.annotations import text

_TRUTH = (
  'one,0.5,0.1,0.1,0.5,0.9,1,0\none,0.5,0.1,0.1,0.5,0.9,3,0\n'
  'one,1.25,0.1,0.1,0.5,0.9,3\ntwo,3\n'
)


@pytest.fixture(scope='module')
def videos(write_video, tmp_path_factory):
  folder = tmp_path_factory.mktemp('videos')
  (folder / 'deep').mkdir()
  write_video(folder / 'one.mp4', frames=30)
  write_video(folder / 'deep' / 'two.avi', 'mpeg4', frames=60)
  return str(folder)


@pytest.fixture
def own(videos, tmp_path):
  def open_source(content=_TRUTH, **options):
    files = {'annotations': content, **options}
    for name in ('annotations', 'labelmap', 'detections', 'excluded'):
      if name in files:
        path = tmp_path / f'{name}.csv'
        path.write_text(files[name])
        files[name] = str(path)
    return sources.open_source({'source': 'ava_csv', 'videos': videos, **files})

  return open_source


def test_own_times_and_lengths(own):
  source = own(split='val')
  frames = [source[i] for i in range(len(source))]
  assert [(f.id, f.time) for f in frames] == [
    ('one,0.5', 0.5),
    ('one,1.25', 1.25),
    ('two,3', 3.0),
  ]
  assert np.flatnonzero(frames[0].actions).tolist() == [0, 2]
  assert frames[2].annotated and not len(frames[2].boxes)
  assert source.video(2).endswith('two.avi')
  assert source.info.num_classes == 3
  assert dict(source.info.classes) == {0: '1', 1: '2', 2: '3'}


def test_without_detections_the_truth_stands_in_and_it_says_so(own):
  source = own()
  np.testing.assert_array_equal(source[0].detections, source[0].boxes)
  np.testing.assert_array_equal(source[0].detected_actions, source[0].actions)
  assert source[0].scores.tolist() == [1.0]
  assert source.info.name == 'ava_csv (ground-truth boxes)'


def test_detections_inherit_and_add_keyframes_for_evaluation(own):
  found = 'one,0.50,0.1,0.1,0.5,0.88,,0.9\none,1.75,0.1,0.1,0.5,0.9,,0.8\n'
  assert len(own(detections=found, split='train')) == 3
  source = own(detections=found, split='val')
  assert source.info.name == 'ava_csv' and len(source) == 4
  assert source[0].detected_actions[0].tolist() == [True, False, True]
  assert not source[2].annotated and len(source[2].detections) == 1


def test_excluded(own):
  assert len(own(excluded='one,0.5\n', split='train')) == 2
  assert own(excluded='one,0.5\n', split='val')[0].excluded
  with pytest.raises(ValueError, match='all 3 keyframes of ava_csv/train are'):
    own(excluded='one,0.5\none,1.25\ntwo,3\n', split='train')


def test_label_map(own):
  source = own(labelmap='1,wave\n3,jump\n7,fall\n')
  assert source.info.num_classes == 7
  assert dict(source.info.classes) == {0: 'wave', 2: 'jump', 6: 'fall'}
  with pytest.raises(text.AnnotationError, match=r"csv:2: action id '3'"):
    own(labelmap='1,wave\n')
  with pytest.raises(ValueError, match=r'num_classes=2, but .* id 3'):
    own(labelmap='1,wave\n3,jump\n', num_classes=2)


def test_num_classes_without_a_label_map(own):
  source = own(num_classes=20)
  assert source.info.num_classes == 20 and source[0].actions.shape[1] == 20
  with pytest.raises(text.AnnotationError, match=r"id '3'; .* 1\.\.2"):
    own(num_classes=2)


def test_pixels_are_refused_with_a_hint(own):
  with pytest.raises(text.AnnotationError, match=r'csv:1: box .*not pixels'):
    own('one,0.5,10,10,50,40,1,0\n')


def test_boxes_are_cut_by_the_sources_own_rule(own):
  found = 'one,0.5,0.1,0.1,0.5,1.08,,0.9\n'
  with pytest.raises(text.AnnotationError, match=r'by 0.08.*boxes=.clip'):
    own(detections=found)
  with pytest.warns(mistakes.Note, match='1 box left the frame'):
    source = own(detections=found, boxes='clip')
  assert source[0].detections.max() == 1


def test_no_keyframes_and_no_videos(own, tmp_path):
  with pytest.raises(text.AnnotationError, match='no rows'):
    own('')
  with pytest.raises(FileNotFoundError, match=r'none of the 1 .* three\.\*'):
    own('three,0.5,0.1,0.1,0.5,0.9,1\n')
  with pytest.raises(ValueError, match='set video_start'):
    own('one,900.5,0.1,0.1,0.5,0.9,1\n')
