"""Hugging Face's CLIP, from files that transformers writes and the hub has."""

import converted
import damaged
import numpy as np
import pytest
import safetensors.numpy
import torchvision_build

transformers = pytest.importorskip('transformers')
torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

SIZES = {
  'hidden_size': 384,
  'num_attention_heads': 6,
  'num_hidden_layers': 2,
  'intermediate_size': 256,
}


@pytest.fixture(autouse=True)
def torchvision():
  torchvision_build.load()


def vision(**options):
  config = transformers.CLIPVisionConfig(
    image_size=32, patch_size=8, **SIZES, **options
  )
  return converted.randomise(transformers.CLIPVisionModel(config))


def compare(ours, theirs, video):
  b, t = video.shape[:2]
  frames = video.reshape(b * t, 32, 32, 3).transpose(0, 3, 1, 2).copy()
  with torch.no_grad():
    out = theirs(torch.from_numpy(frames))
    patches = theirs.post_layernorm(out.last_hidden_state[:, 1:])
  pooled = out.pooler_output.reshape(b, t, 384).mean(1)
  assert converted.relative_error(ours.summary, pooled) < 1e-4
  patches = patches.reshape(b, t, 4, 4, 384)
  assert converted.relative_error(ours.grid, patches) < 1e-4


def test_features_of_what_transformers_writes(tmp_path):
  theirs = vision()
  theirs.save_pretrained(tmp_path)
  video = converted.video(2, 2, 32, 32, 3)
  path = tmp_path / 'model.safetensors'
  compare(converted.encode('clip_hf', path, video, tmp_path)[0], theirs, video)


def test_features_of_the_hubs_names_and_of_gelu(tmp_path):
  theirs = vision(hidden_act='gelu')
  state = {f'vision_model.{k}': v for k, v in as_arrays(theirs).items()}
  state |= {
    'vision_model.embeddings.position_ids': np.arange(17)[None],
    'text_model.embeddings.position_ids': np.arange(7)[None],
    'text_model.final_layer_norm.weight': np.ones(64, np.float32),
    'text_projection.weight': np.ones((64, 64), np.float32),
    'visual_projection.weight': np.ones((64, 384), np.float32),
    'logit_scale': np.float32(4.6),
  }
  path = tmp_path / 'model.safetensors'
  safetensors.numpy.save_file(
    {k: np.asarray(v) for k, v in state.items()}, path
  )
  video = converted.video(1, 2, 32, 32, 3)
  ours, report = converted.encode(
    'clip_hf', path, video, tmp_path, fields={'activation': 'gelu'}
  )
  compare(ours, theirs, video)
  assert sum(row.status == 'left out' for row in report.rows) == 6


def as_arrays(model):
  return {name: value.numpy() for name, value in model.state_dict().items()}


def test_round_trip_is_exact_and_transformers_takes_it(tmp_path):
  theirs = vision()
  theirs.half().save_pretrained(tmp_path / 'theirs')
  path = tmp_path / 'theirs' / 'model.safetensors'
  back = converted.round_trip('clip_hf', path, tmp_path)
  assert back.keys() == theirs.state_dict().keys()
  for name, value in as_arrays(theirs).items():
    assert back[name].dtype == value.dtype
    np.testing.assert_array_equal(back[name], value)
  theirs.load_state_dict({k: torch.from_numpy(v) for k, v in back.items()})


def test_damaged_files_are_refused(tmp_path):
  path = tmp_path / 'model.safetensors'
  damaged.check(
    'clip_hf',
    as_arrays(vision()),
    lambda state: safetensors.numpy.save_file(state, path),
    path,
    block='encoder.layers.0.',
    norm='post_layernorm.weight',
    other='timm',
  )
