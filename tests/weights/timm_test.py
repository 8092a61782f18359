"""timm's own ViT, from the files that timm reads."""

import converted
import damaged
import numpy as np
import pytest
import torchvision_build

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


def model(**options):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  return converted.randomise(
    timm.models.vision_transformer.VisionTransformer(
      **{
        'img_size': 32,
        'patch_size': 8,
        'embed_dim': 384,
        'depth': 2,
        'num_heads': 6,
        'num_classes': 5,
        **options,
      }
    )
  )


def write(state, path):
  import safetensors.torch  # noqa: PLC0415

  if path.suffix == '.bin':
    torch.save(state, path)
  else:
    safetensors.torch.save_file(state, path, {'format': 'pt'})
  return path


@pytest.mark.parametrize(
  'pool, name', [('token', 'model.safetensors'), ('avg', 'model.bin')]
)
def test_features(tmp_path, pool, name):
  theirs = model(global_pool=pool)
  path = write(theirs.state_dict(), tmp_path / name)
  video = converted.video(2, 3, 32, 32, 3)
  ours, _ = converted.encode('timm', path, video, tmp_path)
  frames = torch.from_numpy(video.reshape(6, 32, 32, 3).transpose(0, 3, 1, 2))
  tokens = theirs.forward_features(frames)
  pooled = theirs.forward_head(tokens, pre_logits=True).reshape(2, 3, 384)
  assert converted.relative_error(ours.summary, pooled.mean(1)) < 1e-4
  patches = theirs.fc_norm(tokens)[:, 1:].reshape(2, 3, 4, 4, 384)
  assert converted.relative_error(ours.grid, patches) < 1e-4


def test_round_trip_is_exact(tmp_path):
  theirs = model().state_dict()
  path = write(theirs, tmp_path / 'model.safetensors')
  back = converted.round_trip('timm', path, tmp_path, head='k')
  assert back.keys() == theirs.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, theirs[name].numpy())


def test_damaged_files_are_refused(tmp_path):
  path = tmp_path / 'model.safetensors'
  damaged.check(
    'timm',
    model().state_dict(),
    lambda state: write(state, path),
    path,
    block='blocks.0.',
    norm='norm.weight',
    other='clip',
  )


@pytest.mark.parametrize(
  'options, match',
  [
    ({'class_token': False, 'global_pool': 'avg'}, 'missing +cls_token'),
    ({'reg_tokens': 4}, 'unexpected +reg_token'),
    ({'pre_norm': True}, 'unexpected +norm_pre'),
    ({'init_values': 0.1}, 'unexpected +blocks.0.ls1.gamma'),
    ({'qk_norm': True}, 'unexpected +blocks.0.attn.q_norm'),
    ({'qkv_bias': False}, 'missing +blocks.0.attn.qkv.bias'),
    ({'no_embed_class': True}, 'does not say what grid of tokens .* 16'),
  ],
)
def test_other_structures_are_refused(tmp_path, options, match):
  theirs = model(depth=1, **options)
  path = write(theirs.state_dict(), tmp_path / 'model.safetensors')
  damaged.refuse('timm', path, match)
