"""Hugging Face's VideoMAE, from files that transformers writes."""

import converted
import damaged
import numpy as np
import pytest
import safetensors.numpy
import torchvision_build

from vidpetl import convert
from vidpetl.parameters import storage

transformers = pytest.importorskip('transformers')
torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def torchvision():
  torchvision_build.load()


def model(kind='VideoMAEForVideoClassification', **options):
  config = transformers.VideoMAEConfig(
    image_size=32,
    patch_size=8,
    num_frames=4,
    hidden_size=384,
    num_attention_heads=6,
    num_hidden_layers=2,
    intermediate_size=256,
    decoder_hidden_size=64,
    decoder_num_attention_heads=1,
    decoder_num_hidden_layers=1,
    decoder_intermediate_size=128,
    num_labels=5,
    **options,
  )
  return converted.randomise(getattr(transformers, kind)(config))


def save(theirs, folder):
  theirs.save_pretrained(folder)
  return folder / 'model.safetensors'


def to_torch(video):
  return torch.from_numpy(video.transpose(0, 1, 4, 2, 3).copy())


def test_features_of_a_fine_tuned_model(tmp_path):
  theirs = model()
  video = converted.video(2, 4, 32, 32, 3)
  ours, report = converted.encode(
    'videomae_hf', save(theirs, tmp_path), video, tmp_path
  )
  with torch.no_grad():
    tokens = theirs.videomae(to_torch(video)).last_hidden_state
    pooled = theirs.fc_norm(tokens.mean(1))
    patches = theirs.fc_norm(tokens).reshape(2, 2, 4, 4, 384)
  assert converted.relative_error(ours.summary, pooled) < 1e-4
  assert converted.relative_error(ours.grid, patches) < 1e-4
  assert {r.theirs for r in report.rows if r.status == 'left out'} == {
    'classifier.weight',
    'classifier.bias',
  }


def test_a_classifier_without_mean_pooling_reads_the_first_token(tmp_path):
  theirs = model(use_mean_pooling=False)
  video = converted.video(2, 4, 32, 32, 3)
  path = save(theirs, tmp_path)
  ours, _ = converted.encode('videomae_hf', path, video, tmp_path, head='k')
  with torch.no_grad():
    first = theirs.videomae(to_torch(video)).last_hidden_state[:, 0]
  assert converted.relative_error(ours.summary, first) < 1e-4


def test_features_of_pretraining(tmp_path):
  theirs = model('VideoMAEForPreTraining', use_mean_pooling=False)
  video = converted.video(1, 4, 32, 32, 3)
  ours, report = converted.encode(
    'videomae_hf', save(theirs, tmp_path), video, tmp_path
  )
  with torch.no_grad():
    tokens = theirs.videomae(to_torch(video)).last_hidden_state
  patches = tokens.reshape(1, 2, 4, 4, 384)
  assert converted.relative_error(ours.grid, patches) < 1e-4
  left = {r.theirs for r in report.rows if r.status == 'left out'}
  assert {'mask_token', 'encoder_to_decoder.weight'} < left


def test_both_spellings_of_biases_are_the_same(tmp_path):
  theirs = model()
  written = safetensors.numpy.load_file(save(theirs, tmp_path))
  state = {name: value.numpy() for name, value in theirs.state_dict().items()}
  bias = 'videomae.encoder.layer.0.attention.attention.'
  assert f'{bias}q_bias' in written and f'{bias}query.bias' in state
  found = []
  for arrays in (written, state):
    path = tmp_path / 'spelled.safetensors'
    safetensors.numpy.save_file(arrays, path)
    found.append(converted.round_trip('videomae_hf', path, tmp_path, head='k'))
  first, second = found
  assert first.keys() == second.keys()
  for name, array in first.items():
    np.testing.assert_array_equal(array, second[name])
    theirs_name = name if name in written else f'videomae.{name}'
    np.testing.assert_array_equal(array, written[theirs_name])
  assert len(first) == len(written)


def test_a_model_without_any_last_norm(tmp_path):
  """As a VideoMAEModel alone is written; the norm stays fresh."""
  path = save(model('VideoMAEModel'), tmp_path)
  damaged.refuse('videomae_hf', path, r'missing +fc_norm.weight')
  out = str(tmp_path / 'out.safetensors')
  report = convert.import_file(
    'videomae_hf', str(path), out, allow=[r'^fc_norm\.']
  )
  new = {row.ours for row in report.rows if row.status == 'new'}
  assert new == {'norm/scale', 'norm/bias'}
  assert not any('/norm/' in name for name in storage.load_arrays(out))


def test_damaged_files_are_refused(tmp_path):
  path = save(model(), tmp_path)
  state = safetensors.numpy.load_file(path)
  damaged.check(
    'videomae_hf',
    {name.removeprefix('videomae.'): array for name, array in state.items()},
    lambda state: safetensors.numpy.save_file(state, path),
    path,
    block='encoder.layer.0.',
    norm='fc_norm.weight',
    other='timm',
  )
