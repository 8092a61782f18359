"""Folders of transformers give what their own postprocessing gives."""

import json
import shutil

import numpy as np
import pytest
import torchvision_build

from vidpetl.inference.people.detectors import loading

pytestmark = pytest.mark.torch


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Returns a tiny random RT-DETR, as save_pretrained leaves it."""
  torch = pytest.importorskip('torch')
  torchvision_build.load()
  transformers = pytest.importorskip('transformers')
  torch.manual_seed(0)
  backbone = transformers.RTDetrResNetConfig(
    embedding_size=8,
    hidden_sizes=[8, 8, 16, 16],
    depths=[1, 1, 1, 1],
    layer_type='basic',
    out_features=['stage2', 'stage3', 'stage4'],
  )
  config = transformers.RTDetrConfig(
    backbone_config=backbone,
    id2label={0: 'dog', 1: 'Person'},
    encoder_hidden_dim=16,
    encoder_in_channels=[8, 16, 16],
    encoder_ffn_dim=16,
    encoder_attention_heads=2,
    d_model=16,
    num_queries=20,
    decoder_in_channels=[16, 16, 16],
    decoder_ffn_dim=16,
    decoder_layers=1,
    decoder_attention_heads=2,
  )
  model = transformers.RTDetrForObjectDetection(config)
  # Otherwise all scores are those of its bias, 0.01.
  for name, value in model.named_parameters():
    if 'class_embed' in name or 'score_head' in name:
      torch.nn.init.normal_(value, std=0.3)
  path = tmp_path_factory.mktemp('folder')
  model.save_pretrained(path)
  transformers.RTDetrImageProcessor(
    size={'height': 64, 'width': 64}
  ).save_pretrained(path)
  return path


FRAME = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)


def theirs(folder, label):
  """Returns boxes and scores by transformers alone, in pixels."""
  import torch  # noqa: PLC0415
  import transformers  # noqa: PLC0415

  model = transformers.AutoModelForObjectDetection.from_pretrained(folder)
  processor = transformers.AutoImageProcessor.from_pretrained(folder)
  with torch.no_grad():
    outputs = model.eval()(**processor(images=FRAME, return_tensors='pt'))
  (found,) = processor.post_process_object_detection(
    outputs, threshold=0.05, target_sizes=[FRAME.shape[:2]]
  )
  chosen = found['labels'] == label
  return found['boxes'][chosen].numpy(), found['scores'][chosen].numpy()


def test_boxes_are_those_of_transformers(folder):
  count = 0
  for told, label in (({}, 1), ({'person': 0}, 0)):
    boxes, scores = loading.load(str(folder), **told)(FRAME)
    expected, expected_scores = theirs(folder, label)
    expected = np.clip(expected / (160, 90, 160, 90), 0, 1)
    order = np.argsort(-expected_scores, kind='stable')
    np.testing.assert_allclose(scores, expected_scores[order], atol=1e-5)
    np.testing.assert_allclose(boxes, expected[order], atol=1e-5)
    count += len(order)
  assert count > 1


def test_the_class_called_person_is_taken(folder):
  named, numbered = (
    loading.load(str(folder), **told)(FRAME) for told in ({}, {'person': 1})
  )
  assert all(map(np.array_equal, named, numbered))


def test_a_folder_without_its_files_is_an_error(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'has no config\.json'):
    loading.load(str(tmp_path))


def test_a_class_that_is_not_there_is_an_error(folder):
  with pytest.raises(ValueError, match=r'person=7 is none of 0\.\.1'):
    loading.load(str(folder), person=7)


def test_only_safetensors_are_read_and_no_python_is_run(folder, tmp_path):
  pickled, coded = tmp_path / 'pickled', tmp_path / 'coded'
  for path in (pickled, coded):
    shutil.copytree(folder, path)
  (pickled / 'model.safetensors').rename(pickled / 'pytorch_model.bin')
  with pytest.raises(OSError, match='safetensors'):
    loading.load(str(pickled))
  config = json.loads((coded / 'config.json').read_text())
  config['auto_map'] = {'AutoModelForObjectDetection': 'mine.Model'}
  config['model_type'] = 'mine'
  (coded / 'config.json').write_text(json.dumps(config))
  (coded / 'mine.py').write_text(f'open({str(tmp_path / "run")!r}, "w")\n')
  with pytest.raises(ValueError, match='no detector of transformers'):
    loading.load(str(coded))
  assert not (tmp_path / 'run').exists()
