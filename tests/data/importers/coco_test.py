import json

import annotated
import pytest

from vidpetl.data.annotations import text

_IMAGE = {'id': 1, 'file_name': 'dance_000003.jpg', 'width': 64, 'height': 48}
_BOX = {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [1, 2, 3, 4]}


def _write(folder, *boxes, images=(_IMAGE,), categories=None, **more):
  path = folder / 'instances.json'
  document = {
    'images': list(images),
    'annotations': [_BOX | box for box in boxes],
    'categories': categories or [{'id': 1, 'name': 'sit'}],
  }
  path.write_text(json.dumps(document | more))
  return path


@pytest.mark.parametrize(
  'bbox', [[1, 2, 3, 4], ['1', '2', '3', '4'], '[1, 2, 3, 4]', '1 2 3 4']
)
def test_a_box_is_corner_and_size_also_as_text(bbox, tmp_path):
  found = annotated.reading('coco', _write(tmp_path, {'bbox': bbox}))
  assert found.shapes[0].corners == (1, 2, 4, 6)


def test_without_a_box_the_segmentation_has_one(tmp_path):
  box = {'bbox': [], 'segmentation': [[1, 2, 4, 2], [4, 6, 2, 6]]}
  (shape,) = annotated.reading('coco', _write(tmp_path, box)).shapes
  assert shape.corners == (1, 2, 4, 6)


@pytest.mark.parametrize('base', [0, 1, 7])
def test_categories_count_from_anywhere(base, tmp_path):
  categories = [{'id': base + i, 'name': n} for i, n in enumerate('ab')]
  path = _write(tmp_path, {'category_id': base + 1}, categories=categories)
  found = annotated.reading('coco', path)
  assert found.shapes[0].label == 'b'
  assert list(found.declared['label']) == ['a', 'b']


def test_crowds_and_loose_ends_are_left_out_and_listed(tmp_path):
  boxes = [{}, {'iscrowd': 1}, {'category_id': 9}, {'image_id': 9}]
  found = annotated.reading('coco', _write(tmp_path, *boxes))
  assert len(found.shapes) == 1
  assert [(one.where.split(': ')[-1], one.why) for one in found.left_out] == [
    ('annotations[1]', 'iscrowd: a group'),
    ('annotations[2]', 'there is no such category'),
    ('annotations[3]', 'there is no such image'),
  ]


def test_frames_of_videos_are_those_of_frame_id(tmp_path):
  image = _IMAGE | {'video_id': 5, 'frame_id': 8}
  videos = [{'id': 5, 'name': 'sets/waltz.mp4', 'fps': 30}]
  path = _write(tmp_path, {'track_id': 4}, images=[image], videos=videos)
  found = annotated.reading('coco', path)
  (shape,) = found.shapes
  assert (shape.at.film, shape.at.frame, shape.track) == ('waltz', 8, '4')
  assert found.films['waltz'].fps == 30


@pytest.mark.parametrize(
  'changes, said',
  [
    ({'bbox': [1, 2, 3]}, r'annotations\[0\]: bbox'),
    ({'bbox': [1, 2, 3, None]}, r'annotations\[0\]: bbox is None'),
    ({'bbox': None}, r'annotations\[0\]: no bbox'),
    ({'image_id': 'x'}, r"annotations\[0\]: image_id is 'x'"),
    ({'category_id': None}, r'annotations\[0\]: no category_id'),
  ],
)
def test_what_is_malformed_is_named(changes, said, tmp_path):
  with pytest.raises(text.AnnotationError, match=said):
    annotated.reading('coco', _write(tmp_path, changes))


@pytest.mark.parametrize(
  'more, said',
  [
    ({'images': [_IMAGE, _IMAGE]}, r'images\[1\]: id 1 again'),
    ({'images': [{'id': 1}]}, r'images\[0\]: no file_name'),
    ({'categories': [{'id': 1}]}, r'categories\[0\]: no name'),
    ({'annotations': {}}, 'annotations is a dict'),
    (
      {
        'images': [_IMAGE | {'video_id': 3}],
        'videos': [{'id': 1, 'name': 'a'}],
      },
      r'images\[0\]: video_id 3',
    ),
  ],
)
def test_a_malformed_document_is_named(more, said, tmp_path):
  with pytest.raises(text.AnnotationError, match=said):
    annotated.reading('coco', _write(tmp_path, {}, **more))
