"""Layouts of onnx detectors against boxes written out by their formulas."""

import json

import detector_graphs as graphs
import numpy as np
import pytest

from vidpetl.inference.people.detectors import loading, pixels

pytest.importorskip('onnxruntime')
# A film of 200x100: in a square it is stretched, or lies above or amid grey.
FRAME = np.full((100, 200, 3), (10, 20, 30), np.uint8)


def check(found, boxes, scores):
  np.testing.assert_allclose(found[0], np.reshape(boxes, (-1, 4)), atol=1e-5)
  np.testing.assert_allclose(found[1], scores, atol=1e-5)


def yolox(tmp_path, decoded=False):
  """Person in cell (2, 1) of stride 16, a worse double, a dog, and nobody."""
  rows = np.zeros((1, 64 + 16 + 4, 85), np.float32)
  extent = lambda w, h, s: (np.log(w / s), np.log(h / s))
  rows[0, 64 + 4 * 1 + 2] = [0.5, 0.25, *extent(24, 16, 16), 0.9, 0.8] + 79 * [
    0
  ]
  rows[0, 8 * 2 + 5] = [0, 0.5, *extent(24, 16, 8), 0.9, 0.5] + 79 * [0]
  rows[0, 80] = [0.5, 0.5, *extent(30, 30, 32), 0.9, 0] + 79 * [0.9]
  if decoded:
    rows[0, 68 + 2, :4] = 40, 20, 24, 16
    rows[0, 21, :4] = 40, 20, 24, 16
  inputs = graphs.picture(64, 64)
  return graphs.write(tmp_path / 'x.onnx', inputs, {'output': rows})


def test_yolox_is_decoded_by_its_grid(tmp_path):
  found = loading.load(yolox(tmp_path))(FRAME)
  # In the input: centre (40, 20), 24 by 16; the frame is its upper 64x32.
  box = (28 / 64, 12 / 32, 52 / 64, 28 / 32)
  check(found, box, [0.72])


def test_yolox_that_decodes_itself_is_to_be_named(tmp_path):
  path = yolox(tmp_path, decoded=True)
  found = loading.load(f'{path}:layout=yolox_decoded')(FRAME)
  check(found, (28 / 64, 12 / 32, 52 / 64, 28 / 32), [0.72])


def test_ultralytics_has_pixels_of_a_centred_frame(tmp_path):
  columns = np.zeros((1, 84, 144 + 36 + 9), np.float32)
  columns[0, :5, 3] = 40, 48, 24, 16, 0.7
  columns[0, :5, 9] = 41, 48, 24, 16, 0.6
  columns[0, :6, 20] = 10, 48, 10, 10, 0, 0.9
  path = graphs.write(
    tmp_path / 'x.onnx', graphs.picture(96, 96), {'output0': columns}
  )
  # The frame lies at y from 24 to 72.
  check(loading.load(path)(FRAME), (28 / 96, 16 / 48, 52 / 96, 32 / 48), [0.7])


def sized(tmp_path, **more):
  inputs = {
    **graphs.picture(64, 64),
    'orig_target_sizes': (graphs.INT, [1, 2]),
  }
  outputs = {
    'labels': np.array([[0, 16, 0]]),
    'boxes': np.float32([[[16, 8, 32, 40], [0, 0, 9, 9], [0, 0, 64, 80]]]),
    'scores': np.float32([[0.9, 0.8, 0.3]]),
  }
  return graphs.write(tmp_path / 'x.onnx', inputs, outputs, **more)


def test_d_fine_and_rt_detr_give_labels_boxes_scores(tmp_path):
  boxes = [(0.25, 0.125, 0.5, 0.625), (0, 0, 1, 1)]
  check(loading.load(sized(tmp_path))(FRAME), boxes, [0.9, 0.3])


def test_a_person_may_be_another_class(tmp_path):
  found = loading.load(sized(tmp_path), person=16)(FRAME)
  check(found, (0, 0, 9 / 64, 9 / 64), [0.8])


QUERY = (0.5, 0.5, 0.2, 0.4), (0.3, 0.3, 0.2, 0.2)
BOX = (0.4, 0.3, 0.6, 0.7)


def logits(classes, person, score=0.8):
  made = np.full((1, 2, classes), graphs.logit(0.01), np.float32)
  made[0, 0, person] = graphs.logit(score)
  return made


def test_rf_detr_has_cocos_91(tmp_path):
  outputs = {'dets': np.float32([QUERY]), 'labels': logits(91, 1)}
  inputs = {'input': (graphs.FLOAT, [1, 3, 64, 64])}
  path = graphs.write(tmp_path / 'x.onnx', inputs, outputs)
  check(loading.load(path)(FRAME), BOX, [0.8])


def transformers(tmp_path, classes, made, size=(64, 64), **inputs):
  outputs = {'logits': made, 'pred_boxes': np.float32([QUERY])}
  inputs = {'pixel_values': (graphs.FLOAT, ['batch', 3, *size]), **inputs}
  return graphs.write(tmp_path / 'x.onnx', inputs, outputs)


def test_transformers_export_of_80_classes(tmp_path):
  path = transformers(tmp_path, 80, logits(80, 0))
  check(loading.load(path)(FRAME), BOX, [0.8])


def test_detr_has_a_class_for_nothing(tmp_path):
  made = np.zeros((1, 2, 92), np.float32)
  made[0, 0, 1] = np.log(91.0 * 3)  # its share is 3 of 4
  made[0, 1, 91] = 20.0
  path = transformers(
    tmp_path, 92, made, pixel_mask=(graphs.INT, ['batch', 64, 64])
  )
  check(loading.load(path)(FRAME), BOX, [0.75])


def test_what_lies_beside_a_free_graph_tells_its_size(tmp_path):
  path = transformers(tmp_path, 80, logits(80, 0), ('h', 'w'))
  with pytest.raises(ValueError, match='size=640x640'):
    loading.load(path)
  check(loading.load(f'{path}:size=96x64')(FRAME), BOX, [0.8])
  config = {'size': {'height': 32, 'width': 64}, 'do_normalize': True}
  beside = tmp_path / 'preprocessor_config.json'
  beside.write_text(json.dumps(config))
  with pytest.raises(ValueError, match='no image_mean'):
    loading.load(path)
  beside.write_text(
    json.dumps({**config, 'image_mean': 3 * [0.5]} | {'image_std': 3 * [0.25]})
  )
  check(loading.load(path)(FRAME), BOX, [0.8])


def test_pixels_of_yolox_are_blue_first_above_grey():
  made, placed = pixels.Pixels(fit='corner', bgr=True, unit=False).prepare(
    FRAME, (64, 64)
  )
  assert made.shape == (1, 3, 64, 64) and made.dtype == np.float32
  assert (
    made[0, :, 0, 0].tolist() == made[0, :, 31, 63].tolist() == [30, 20, 10]
  )
  assert (made[0, :, 32:] == 114).all() and placed.frame == (0, 0, 64, 32)


def test_pixels_of_imagenet_are_normalised():
  made, _ = pixels.Pixels(normal=pixels.IMAGENET).prepare(FRAME, (64, 64))
  expected = [
    (10 / 255 - 0.485) / 0.229,
    (20 / 255 - 0.456) / 0.224,
    (30 / 255 - 0.406) / 0.225,
  ]
  np.testing.assert_allclose(made[0, :, 40, 7], expected, rtol=1e-5)


def test_pixels_reach_the_graph(tmp_path):
  helper, tensor = graphs.helper, graphs.FLOAT
  nodes = [
    helper.make_node('ReduceMax', ['input'], ['bright'], axes=[1, 2, 3]),
    helper.make_node('Reshape', ['bright', 'shape'], ['one']),
    helper.make_node('Mul', ['ones', 'one'], ['labels']),
    helper.make_node('Identity', ['boxes'], ['dets']),
  ]
  constants = {
    'shape': np.array([1, 1, 1]),
    'ones': np.ones((1, 1, 1), np.float32),
    'boxes': np.float32([[QUERY[0]]]),
  }
  graph = helper.make_graph(
    nodes,
    'bright',
    [helper.make_tensor_value_info('input', tensor, [1, 3, 64, 64])],
    [
      helper.make_tensor_value_info('dets', tensor, [1, 1, 4]),
      helper.make_tensor_value_info('labels', tensor, [1, 1, 1]),
    ],
    [graphs.numpy_helper.from_array(a, n) for n, a in constants.items()],
  )
  model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
  model.ir_version = 9
  graphs.onnx.save(model, str(tmp_path / 'x.onnx'))
  white = np.full((50, 50, 3), 255, np.uint8)
  logit = (1 - 0.406) / 0.225
  expected = 1 / (1 + np.exp(-logit))
  check(loading.load(str(tmp_path / 'x.onnx'))(white), BOX, [expected])


@pytest.mark.parametrize(
  'outputs, told, message',
  [
    (
      {'a': np.zeros((1, 83, 7), np.float32)},
      '',
      r'fits none .* a \[1, 83, 7\]',
    ),
    ({'a': np.zeros((1, 84, 8), np.float32)}, '', 'has 3 classes.*person=0'),
    ({'a': np.zeros((1, 84, 85), np.float32)}, ':person=80', r'0\.\.79'),
    (
      {'a': np.zeros((1, 84, 85), np.float32)},
      ':layout=yolo',
      'there are: detr',
    ),
    ({'a': np.zeros((1, 84, 85), np.float32)}, ':size=64', 'WIDTHxHEIGHT'),
    ({'a': np.zeros((1, 84, 85), np.float32)}, ':size=32x32', 'are 64x64'),
    (
      {'a': np.zeros((1, 84, 85), np.float32)},
      ':scale=2',
      'has no field scale',
    ),
  ],
)
def test_what_a_graph_does_not_tell_is_an_error(
  tmp_path, outputs, told, message
):
  path = graphs.write(tmp_path / 'x.onnx', graphs.picture(64, 64), outputs)
  with pytest.raises(ValueError, match=message):
    loading.load(path + told)


def test_another_layout_than_the_graphs_is_an_error(tmp_path):
  with pytest.raises(ValueError, match='as sized it would take images, orig_'):
    loading.load(f'{yolox(tmp_path)}:layout=sized')
  detect = loading.load(f'{yolox(tmp_path)}:layout=rf_detr,person=1')
  with pytest.raises(ValueError, match='which is no RF-DETR'):
    detect(FRAME)


def test_what_is_no_graph_is_an_error(tmp_path):
  (tmp_path / 'x.onnx').write_bytes(b'nothing')
  with pytest.raises(ValueError, match='no onnx file that runs'):
    loading.load(str(tmp_path / 'x.onnx'))
  with pytest.raises(FileNotFoundError, match='no such file'):
    loading.load(str(tmp_path / 'y.onnx'))
  with pytest.raises(ValueError, match="There are: 'hog'"):
    loading.load(str(tmp_path / 'y.pt'))
