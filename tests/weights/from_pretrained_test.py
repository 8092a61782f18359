"""transformers loads the folders written for it, and computes the same."""

import json

import handed
import numpy as np
import pytest
import torchvision_build

from vidpetl import convert
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
torchvision_build.load()
transformers = pytest.importorskip('transformers')
pytestmark = pytest.mark.torch

# Of four heads: 4 channels each, as no published model has.
SIZES = {'width': 16, 'depth': 2, 'heads': 4, 'mlp': 24}
VIDEOMAE = {
  'name': 'vit',
  'kind': 'videomae',
  'patch': 8,
  'tubelet': 2,
  **SIZES,
}
VIVIT = {
  'name': 'vivit',
  'attention': 'spacetime',
  'classifier': 'token',
  'tubelet': (2, 8, 8),
  **SIZES,
}
CLIP = {'name': 'vit', 'kind': 'clip', 'patch': 8, **SIZES}
CLIPS = (4, 24, 24)


def load(model, folder):
  """Returns a model of transformers, and nothing of it is left as drawn."""
  found, info = model.from_pretrained(folder, output_loading_info=True)
  assert not any(info[k] for k in ('missing_keys', 'unexpected_keys'))
  assert not info['mismatched_keys']
  return found.eval()


def to_torch(video):
  return torch.from_numpy(video.transpose(0, 1, 4, 2, 3).copy())


@pytest.mark.parametrize(
  'family, backbone, model',
  [
    ('videomae_hf', VIDEOMAE, 'VideoMAEForVideoClassification'),
    (
      'videomae_hf',
      {**VIDEOMAE, 'summary': 'first', 'activation': 'quick_gelu'},
      'VideoMAEForVideoClassification',
    ),
    ('vivit_hf', VIVIT, 'VivitForVideoClassification'),
  ],
)
def test_logits_of_a_classifier(family, backbone, model, tmp_path):
  folder, ours, _, report = handed.export(
    family, backbone, (2, 3, 3), CLIPS, tmp_path
  )
  theirs = load(getattr(transformers, model), folder)
  assert theirs.config.id2label == handed.LABELS
  assert theirs.config.num_frames == 4 and theirs.config.image_size == 24
  video = handed.clips(2, *CLIPS)
  with torch.no_grad():
    expected = theirs(to_torch(video)).logits.numpy()
  assert np.abs(expected).max() > 0.3
  np.testing.assert_allclose(ours(video), expected, atol=2e-5)
  assert f'transformers: {model}.from_pretrained' in report.notes
  auto = transformers.AutoModelForVideoClassification.from_pretrained(folder)
  assert type(auto).__name__ == model


@pytest.mark.parametrize('activation', ['quick_gelu', 'gelu', 'gelu_tanh'])
def test_logits_of_a_tower(activation, tmp_path):
  """CLIP's head is applied to what the tower gives: no class reads it so."""
  backbone = {**CLIP, 'activation': activation, 'epsilon': 1e-3}
  folder, ours, arrays, report = handed.export(
    'clip_hf', backbone, (1, 3, 3), CLIPS, tmp_path, head=''
  )
  theirs = load(transformers.CLIPVisionModel, folder)
  video = handed.clips(2, *CLIPS)
  with torch.no_grad():
    pooled = theirs(to_torch(video).flatten(0, 1)).pooler_output.numpy()
  kernel, bias = (
    arrays[f'heads_k/output_projection/{n}'] for n in ('kernel', 'bias')
  )
  expected = pooled.reshape(2, 4, -1).mean(1) @ kernel + bias
  assert np.abs(expected).max() > 0.3
  np.testing.assert_allclose(ours(video), expected, atol=2e-5)
  assert any('has no head' in note for note in report.notes)


@pytest.mark.parametrize(
  'family, backbone, model, options',
  [
    ('videomae_hf', VIDEOMAE, 'VideoMAEModel', {}),
    ('vivit_hf', VIVIT, 'VivitModel', {'add_pooling_layer': False}),
  ],
)
def test_features_without_a_head(family, backbone, model, options, tmp_path):
  folder, _, arrays, report = handed.export(
    family, backbone, (2, 3, 3), CLIPS, tmp_path, head=''
  )
  found, info = getattr(transformers, model).from_pretrained(
    folder, output_loading_info=True, **options
  )
  assert not info['missing_keys'] and not info['unexpected_keys']
  assert 'without a head; --head=<task> takes one' in report.notes
  assert json.loads((folder / 'config.json').read_text())['architectures'] == [
    model
  ]
  norm = found.layernorm.weight.detach().numpy()
  name = 'norm' if family == 'videomae_hf' else 'Transformer/encoder_norm'
  np.testing.assert_array_equal(norm, arrays[f'backbone/{name}/scale'])


@pytest.mark.parametrize(
  'family, backbone, processors',
  [
    ('videomae_hf', VIDEOMAE, ('VideoMAEImageProcessor',)),
    ('vivit_hf', VIVIT, ('VivitImageProcessor', 'VivitVideoProcessor')),
    ('clip_hf', CLIP, ('CLIPImageProcessor',)),
  ],
)
def test_pixels_are_prepared_as_here(family, backbone, processors, tmp_path):
  grid = (1 if family == 'clip_hf' else 2, 3, 3)
  head = '' if family == 'clip_hf' else 'k'
  folder, *_ = handed.export(family, backbone, grid, CLIPS, tmp_path, head=head)
  frames = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), np.uint8)
  expected = (frames / 255 - handed.MEAN) / handed.STD
  for name in processors:
    processor = getattr(transformers, name).from_pretrained(folder)
    given = list(frames) if 'Image' in name else [frames]
    found = processor(given, return_tensors='np')['pixel_values']
    found = np.asarray(found).reshape(4, 3, 24, 24).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_file_that_says_nothing_becomes_no_folder(tmp_path):
  arrays, _ = handed.make(VIDEOMAE, CLIPS)
  path = tmp_path / 'ours.safetensors'
  handed.storage.save_arrays(str(path), arrays)
  with pytest.raises(WeightsError, match='nothing says which backbone'):
    convert.export_run('videomae_hf', str(path), str(tmp_path / 'out'), 'k')


def test_a_head_that_no_class_reads_is_refused(tmp_path):
  with pytest.raises(WeightsError, match='clip_hf has no classifier'):
    handed.export('clip_hf', CLIP, (1, 3, 3), CLIPS, tmp_path)
  with pytest.raises(WeightsError, match="no head of a task 'x'"):
    handed.export('videomae_hf', VIDEOMAE, (2, 3, 3), CLIPS, tmp_path, head='x')
