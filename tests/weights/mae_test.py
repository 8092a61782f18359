"""MAE's files against timm's ViT, from which MAE's own is derived."""

import functools

import converted
import numpy as np
import pytest
import torchvision_build

from vidpetl.weights import importing

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


def model(**options):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  return converted.randomise(
    timm.models.vision_transformer.VisionTransformer(
      img_size=32,
      patch_size=8,
      embed_dim=384,
      depth=2,
      num_heads=6,
      num_classes=5,
      norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6),
      **options,
    )
  )


@pytest.mark.parametrize('pool', ['token', 'avg'])
def test_features(tmp_path, pool):
  """Pretraining calls its last norm `norm`, fine-tuning `fc_norm`."""
  theirs = model(global_pool=pool)
  path = tmp_path / 'mae.pth'
  torch.save({'model': theirs.state_dict(), 'epoch': 3}, path)
  video = converted.video(2, 3, 32, 32, 3)
  ours, report = converted.encode('mae', path, video, tmp_path)
  assert not report.wrong
  frames = torch.from_numpy(video.reshape(6, 32, 32, 3).transpose(0, 3, 1, 2))
  tokens = theirs.forward_features(frames)
  if pool == 'avg':
    pooled = theirs.fc_norm(tokens[:, 1:].mean(1)).reshape(2, 3, 384).mean(1)
    assert converted.relative_error(ours.summary, pooled) < 1e-4
  else:
    patches = tokens[:, 1:].reshape(2, 3, 4, 4, 384)
    assert converted.relative_error(ours.grid, patches) < 1e-4
    cls = tokens[:, 0].reshape(2, 3, 384).mean(1)
    assert converted.relative_error(ours.summary, cls) < 1e-4


def test_what_pretraining_reads_is_said_or_told(tmp_path):
  path = tmp_path / 'mae.pth'
  state = model().state_dict()
  torch.save({n: x for n, x in state.items() if 'head' not in n}, path)
  summary = lambda **told: importing.load(
    'mae', str(path), settings={'heads': 1, **told}
  )
  assert any('no array shows summary' in note for note in summary().notes)
  told = summary(summary='cls')
  assert told.layout.backbone['summary'] == 'cls'
  assert not any('summary' in note for note in told.notes)


def test_round_trip_is_exact(tmp_path):
  theirs = model().state_dict()
  path = tmp_path / 'mae.pth'
  torch.save(theirs, path)
  back = converted.round_trip('mae', path, tmp_path, head='k')
  assert back.keys() == theirs.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, theirs[name].numpy())


def test_the_decoder_of_pretraining_is_left_out(tmp_path):
  state = model().state_dict()
  state |= {'mask_token': torch.ones(1, 1, 64)}
  state |= {'decoder_blocks.0.norm1.weight': torch.ones(64)}
  path = tmp_path / 'mae.pth'
  torch.save({'model': state}, path)
  _, report = converted.encode(
    'mae', path, converted.video(1, 1, 32, 32, 3), tmp_path
  )
  left = {row.theirs for row in report.rows if row.status == 'left out'}
  assert left > {'mask_token', 'decoder_blocks.0.norm1.weight', 'head.bias'}
