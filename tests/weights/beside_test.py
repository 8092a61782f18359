"""A config.json beside a file says what its arrays do not show."""

import json

import handed
import numpy as np
import pytest
import safetensors.numpy

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights import beside, family, importing
from vidpetl.weights.errors import WeightsError

SIZES = {'width': 16, 'depth': 1, 'heads': 4, 'mlp': 64}
VIT = {'name': 'vit', 'patch': 8, **SIZES}
HUGGING_FACE = {
  'hidden_size': 16,
  'num_hidden_layers': 1,
  'num_attention_heads': 4,
  'intermediate_size': 64,
  'image_size': 24,
}


def write(folder, family, backbone, config=None, name='config.json', head='k'):
  """Writes a file as the family has it, and what lies beside it."""
  frames = 4 if backbone.get('kind') == 'videomae' else 1
  arrays, _ = handed.make(backbone, (frames, 24, 24))
  ours = handed.save(folder / 'ours.safetensors', arrays, backbone, (1, 3, 3))
  path = folder / 'there' / 'model.safetensors'
  path.parent.mkdir()
  convert.export_run(family, ours, str(path), head)
  if config is not None:
    (path.parent / name).write_text(json.dumps(config))
  return path


def load(family, path, **options):
  return importing.load(family, str(path), **options)


CLIP = {**VIT, 'kind': 'clip'}
CLIP_CONFIG = {
  'model_type': 'clip_vision_model',
  'patch_size': 8,
  'hidden_act': 'gelu',
  'layer_norm_eps': 1e-3,
  **HUGGING_FACE,
}
OPEN_CLIP = {
  'model_cfg': {
    'vision_cfg': {
      'image_size': 24,
      'layers': 1,
      'width': 16,
      'head_width': 4,
      'patch_size': 8,
    }
  },
  'preprocess_cfg': {'mean': [0.1, 0.2, 0.3], 'std': [0.4, 0.5, 0.6]},
}


@pytest.mark.parametrize(
  'config', [CLIP_CONFIG, {'model_type': 'clip', 'vision_config': CLIP_CONFIG}]
)
def test_transformers_config(tmp_path, config):
  path = write(tmp_path, 'clip_hf', CLIP, config, head='')
  with pytest.raises(WeightsError, match='no array shows heads'):
    (path.parent / 'config.json').rename(path.parent / 'c.json')
    load('clip_hf', path)
  (path.parent / 'c.json').rename(path.parent / 'config.json')
  for place in (path, path.parent):  # A file, or the folder that it is in.
    found = load('clip_hf', place)
    told = {'heads': 4, 'activation': 'gelu', 'epsilon': 1e-3}
    assert told.items() <= found.layout.backbone.items()
    assert 'heads=4' in ' '.join(found.report.notes)
    assert not any('activation' in note for note in found.notes)
  array = found.arrays[
    'backbone/SpatialTransformer/encoderblock_0/'
    'MultiHeadDotProductAttention_0/query/kernel'
  ]
  assert array.shape == (16, 4, 4)


def test_a_default_of_transformers_counts_where_a_config_leaves_it_out(
  tmp_path,
):
  config = {k: v for k, v in CLIP_CONFIG.items() if k != 'hidden_act'}
  config['num_attention_heads'] = 2
  path = write(tmp_path, 'clip_hf', CLIP, config, head='')
  backbone = load('clip_hf', path).layout.backbone
  assert (backbone['activation'], backbone['heads']) == ('quick_gelu', 2)


@pytest.mark.parametrize(
  'quick, activation', [(True, 'quick_gelu'), (None, 'gelu')]
)
def test_open_clips_config(tmp_path, quick, activation):
  config = json.loads(json.dumps(OPEN_CLIP))
  if quick is not None:
    config['model_cfg']['quick_gelu'] = quick
  path = write(tmp_path, 'clip', CLIP, config, 'open_clip_config.json', head='')
  found = load('clip', path)
  assert found.layout.backbone['activation'] == activation
  assert found.layout.backbone['heads'] == 4
  assert found.pixels == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])


def test_timms_config(tmp_path):
  config = {
    'architecture': 'vit_tiny_patch16_224',
    'num_classes': 5,
    'num_features': 16,
    'global_pool': 'token',
    'label_names': list('vwxyz'),
    'model_args': {'num_heads': 4, 'patch_size': 8},
    'pretrained_cfg': {'mean': [0.1, 0.2, 0.3], 'std': [0.4, 0.5, 0.6]},
  }
  backbone = {**VIT, 'kind': 'mae', 'summary': 'cls'}
  path = write(tmp_path, 'timm', backbone, config)
  found = load('timm', path, head='k')
  assert found.layout.backbone['heads'] == 4
  assert found.pixels == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
  assert found.labels == dict(enumerate('vwxyz'))
  assert load('timm', path).labels == {}  # Of a head that was left out.


@pytest.mark.torch
def test_a_folder_as_timm_writes_it(tmp_path):
  pytest.importorskip('torch')
  import torchvision_build  # noqa: PLC0415

  torchvision_build.load()
  timm = pytest.importorskip('timm')
  model = timm.create_model('test_vit', num_classes=5)
  timm.models.save_for_hf(model, tmp_path, model_args={'num_heads': 2})
  found = load('timm', tmp_path, head='k', allow=['.*'])
  assert found.layout.backbone['heads'] == 2
  assert found.pixels[0] == [0.5, 0.5, 0.5]


def test_videomae_v2s_config(tmp_path):
  model = {'embed_dim': 16, 'depth': 1, 'num_heads': 4, 'tubelet_size': 2}
  config = {'model_type': 'VideoMAEv2_Base', 'model_config': model}
  path = write(tmp_path, 'videomae', {**VIT, 'kind': 'videomae'}, config)
  assert load('videomae', path).layout.backbone['heads'] == 4


def test_labels_and_pixels_travel_into_the_converted_file(tmp_path):
  """From what --into writes, back again, without a word from the user."""
  backbone = {**VIT, 'kind': 'videomae', 'activation': 'gelu_tanh'}
  folder, _, arrays, _ = handed.export(
    'videomae_hf', backbone, (2, 3, 3), (4, 24, 24), tmp_path
  )
  out = tmp_path / 'again.safetensors'
  convert.import_file('videomae_hf', str(folder), str(out), head='k')
  said = published.read_metadata(str(out))
  assert said['labels']['k'] == {str(i): n for i, n in handed.LABELS.items()}
  np.testing.assert_allclose(said['mean'], handed.MEAN, atol=1e-6)
  np.testing.assert_allclose(said['std'], handed.STD, atol=1e-6)
  assert said['grid'] == [2, 3, 3]
  again = safetensors.numpy.load_file(out)
  assert again.keys() == arrays.keys()
  for name, array in arrays.items():
    np.testing.assert_array_equal(again[name], array, err_msg=name)


def test_names_that_nobody_gave_are_no_labels(tmp_path):
  names = {str(i): f'LABEL_{i}' for i in range(5)}
  config = {**CLIP_CONFIG, 'model_type': 'videomae', 'id2label': names}
  path = write(tmp_path, 'videomae_hf', {**VIT, 'kind': 'videomae'}, config)
  assert load('videomae_hf', path, head='k').labels == {}


@pytest.mark.parametrize(
  'change, said',
  [
    (
      {'num_hidden_layers': 3},
      r'config.json has depth=3, and the arrays of .*safetensors are of a '
      r'model with depth=1',
    ),
    (
      {'image_size': 32},
      r'config.json is not of .*: its grid .* has 4 x 4 tokens .* 10 positions',
    ),
    ({'hidden_act': 'relu'}, r"config.json: hidden_act is 'relu'; here there"),
    ({'num_attention_heads': 5}, r'5 heads do not divide 16'),
    ({'image_size': None}, r'config.json is no config of such a model'),
  ],
)
def test_contradictions_name_both(tmp_path, change, said):
  path = write(tmp_path, 'clip_hf', CLIP, {**CLIP_CONFIG, **change}, head='')
  with pytest.raises(WeightsError, match=said):
    load('clip_hf', path)


def test_what_a_user_says_precedes_the_config(tmp_path):
  path = write(tmp_path, 'clip_hf', CLIP, CLIP_CONFIG, head='')
  found = load('clip_hf', path, settings={'activation': 'gelu_tanh'})
  assert found.layout.backbone['activation'] == 'gelu_tanh'


def test_a_config_of_something_else_is_not_read_and_this_is_said(tmp_path):
  path = write(tmp_path, 'clip_hf', CLIP, {'model_type': 'bert'}, head='')
  found = load('clip_hf', path, settings={'heads': 4, 'activation': 'gelu'})
  assert any('not read' in note for note in found.report.notes)
  (path.parent / 'config.json').write_text('{')
  with pytest.raises(WeightsError, match=r'config.json: not json'):
    load('clip_hf', path)


def test_another_activation_than_the_backbones_own_is_refused(tmp_path):
  backbone = {
    'name': 'vivit',
    'attention': 'spacetime',
    'classifier': 'token',
    'tubelet': (2, 8, 8),
    **SIZES,
  }
  folder, *_ = handed.export(
    'vivit_hf', backbone, (2, 3, 3), (4, 24, 24), tmp_path
  )
  assert load('vivit_hf', folder).layout.backbone['heads'] == 4
  path = folder / 'config.json'
  config = {**json.loads(path.read_text()), 'hidden_act': 'gelu'}
  path.write_text(json.dumps(config))
  with pytest.raises(WeightsError, match="activation='gelu', and the backbone"):
    load('vivit_hf', folder)


def test_a_tower_of_timms_in_open_clip_has_two_configs(tmp_path):
  chosen = family.load('eva_timm')
  (tmp_path / 'open_clip_config.json').write_text(
    json.dumps(
      {
        'model_cfg': {'vision_cfg': {'timm_model_name': 'eva02'}},
        'preprocess_cfg': {'mean': [0.1] * 3, 'std': [0.2] * 3},
      }
    )
  )
  path = str(tmp_path / 'open_clip_model.safetensors')
  found = beside.read(path, chosen)
  assert found.settings == {'mean': [0.1] * 3, 'std': [0.2] * 3}
  # Another sort of config does not hide the one that is meant.
  (tmp_path / 'open_clip_config.json').write_text(
    json.dumps({'model_cfg': {'vision_cfg': {'width': 8}}})
  )
  (tmp_path / 'config.json').write_text(
    json.dumps({'architecture': 'eva02', 'global_pool': 'token'})
  )
  assert beside.read(path, chosen).settings == {'summary': 'cls'}
