"""Swin V2's files against timm's and transformers' nets, and inflated."""

import functools

import converted
import jax
import numpy as np
import pytest
import started
import torchvision_build

from vidpetl.backbones import swin_v2
from vidpetl.weights import importing
from vidpetl.weights.errors import UnsaidError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

TINY = {'embed_dim': 16, 'depths': (2, 1, 1, 1), 'heads': (1, 2, 4, 8)}
FULL = {'embed_dim': 96, 'depths': (2, 2, 6, 2), 'heads': (3, 6, 12, 24)}
TOLD = {'window': (1, 4, 4)}


@functools.cache
def transformers_net(side, learned=(0, 0, 0, 0)):
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  config = transformers.Swinv2Config(
    image_size=side, patch_size=4, window_size=4, num_labels=5,
    embed_dim=TINY['embed_dim'], depths=list(TINY['depths']),
    num_heads=list(TINY['heads']), pretrained_window_sizes=list(learned),
  )  # fmt: skip
  net = transformers.Swinv2ForImageClassification(config)
  return drawn(net)


def timms_net(side, window=4, **size):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  size = {**TINY, **size}
  size['num_heads'] = size.pop('heads')
  net = timm.models.swin_transformer_v2.SwinTransformerV2(
    img_size=side, window_size=window, num_classes=5, **size
  )
  return drawn(net)


def drawn(net):
  """Random parameters; what follows from the windows stays."""
  buffers = {name: value.clone() for name, value in net.named_buffers()}
  converted.randomise(net)
  for name, value in net.named_buffers():
    value.copy_(buffers[name])
  with torch.no_grad():
    for name, value in net.named_parameters():
      if name.endswith('logit_scale'):
        # One is clamped. In float32, PyTorch is 2e-5 off where all are large.
        value.fill_(5.0 if '.0.blocks.0.' in name else 2.0)
  return net


def official(net):
  """timm's arrays as Swin's authors save them."""
  renamed = {}
  for name, array in net.state_dict().items():
    part, number, *rest = name.split('.')
    if rest and rest[0] == 'downsample':
      number = str(int(number) - 1)
    if part == 'head':
      number, rest = rest[0], []
    renamed['.'.join([part, number, *rest])] = array
  at = 'layers.0.blocks.0.attn'
  renamed[f'{at}.relative_coords_table'] = torch.zeros(1, 7, 7, 2)
  renamed[f'{at}.relative_position_index'] = torch.zeros(16, 16).long()
  return renamed


def images(video):
  return torch.from_numpy(
    video.reshape(-1, *video.shape[2:]).transpose(0, 3, 1, 2).copy()
  )


@pytest.mark.parametrize(
  'side, learned', [(32, (0, 0, 0, 0)), (64, (0, 0, 0, 0)), (64, (6, 6, 6, 3))]
)
def test_features_of_transformers(tmp_path, side, learned):
  """Windows may be smaller than the grid, and those of another grid."""
  net = transformers_net(side, learned)
  path = tmp_path / 'model.pt'
  torch.save(net.state_dict(), path)
  video = converted.video(1, 2, side, side, 3)
  told = {**TOLD, **({'learned': learned} if any(learned) else {})}
  ours, report = converted.encode(
    'swin_v2_hf', path, video, tmp_path, settings=told, head='k'
  )
  assert not report.wrong
  with torch.no_grad():
    out = net.swinv2(images(video))
  theirs = out.last_hidden_state.numpy().reshape(ours.grid.shape)
  assert converted.relative_error(ours.grid, theirs) < 1e-5
  pooled = out.pooler_output.numpy().mean(0, keepdims=True)
  assert converted.relative_error(ours.summary, pooled) < 1e-5


@pytest.mark.parametrize(
  'size, side, window',
  [
    ({}, 64, 4),
    pytest.param(FULL, 256, 8, marks=pytest.mark.published),
  ],
)
def test_features_of_timm_and_the_authors(tmp_path, size, side, window):
  net = timms_net(side, window, **size)
  video = converted.video(1, 1, side, side, 3)
  with torch.no_grad():
    theirs = net.forward_features(images(video)).numpy()[None]
  for name, state in (('timm', net.state_dict()), ('own', official(net))):
    path = tmp_path / f'{name}.pth'
    torch.save({'model': state}, path)
    # The authors' files have coordinates, whose sizes are the window's.
    told = {'window': (1, window, window)} if name == 'timm' or size else {}
    ours, _ = converted.encode('swin_v2', path, video, tmp_path, settings=told)
    assert converted.relative_error(ours.grid, theirs) < 1e-5


def test_windows_that_no_array_shows_are_asked_for(tmp_path):
  path = tmp_path / 'timm.pth'
  torch.save(timms_net(32).state_dict(), path)
  with pytest.raises(UnsaidError, match=r'--set window=1,8,8 \(window8\) or'):
    importing.load('swin_v2', str(path))


@pytest.mark.parametrize('family', ['swin_v2', 'swin_v2_hf'])
def test_round_trip_is_exact(tmp_path, family):
  net = timms_net(32) if family == 'swin_v2' else transformers_net(32)
  state = official(net) if family == 'swin_v2' else net.state_dict()
  path = tmp_path / 'net.pth'
  torch.save(state, path)
  back = converted.round_trip(family, path, tmp_path, head='k', settings=TOLD)
  kept = {name for name in state if 'relative_' not in name}
  assert back.keys() == kept
  for name in kept:
    np.testing.assert_array_equal(back[name], state[name].numpy(), name)


def test_a_still_clip_is_its_image(make_config, tmp_path):
  """Filters are repeated, and distances in time weigh nothing at first."""
  net = timms_net(32)
  path = tmp_path / 'net.pth'
  torch.save({'model': official(net)}, path)
  backbone = {
    'name': 'swin_v2',
    'width': TINY['embed_dim'],
    'depths': TINY['depths'],
    'heads': TINY['heads'],
    'window': (4, 4, 4),
    'patch': (2, 4, 4),
  }
  config = make_config('kinetics400')
  model, params, report = started.start(config, 'swin_v2', path, 32, backbone)
  assert not report.wrong
  new = {row.ours.split('/')[-1] for row in report.rows if row.status == 'new'}
  assert 'time' in new
  # What starts at zero, and is not drawn here.
  params = jax.tree.map(
    lambda x: np.zeros(x.shape) if isinstance(x, jax.ShapeDtypeStruct) else x,
    params,
  )
  image = converted.video(1, 1, 32, 32, 3)
  still = np.repeat(image, 8, 1)
  ours = jax.jit(lambda p: model.apply({'params': p}, still, False).grid)(
    params
  )
  with torch.no_grad():
    theirs = net.forward_features(images(image)).numpy()[None]
  assert converted.relative_error(ours, np.repeat(theirs, 4, 1)) < 1e-4


@pytest.mark.parametrize(
  'variant, count',
  # 28.35, 49.73 and 87.92 millions with a classifier of 1000.
  [('T', 27_578_154), ('S', 48_959_418), ('B', 86_893_816)],
)
def test_counts_are_those_published(variant, count):
  model = swin_v2.build(variant=variant)
  image = jax.ShapeDtypeStruct((1, 1, 256, 256, 3), np.float32)
  shapes = jax.eval_shape(
    lambda x: model.init(jax.random.key(0), x, False), image
  )
  assert sum(x.size for x in jax.tree.leaves(shapes['params'])) == count


def test_distances_are_logarithms_and_scaled_by_the_learned_windows():
  x = swin_v2.distances((1, 8, 8), 0).reshape(15, 15, 3)
  assert x[0, 0].tolist() == pytest.approx([0, *[-np.log2(9) / 3] * 2])
  assert (x[7, 7] == 0).all()
  wide = swin_v2.distances((1, 16, 16), 8).reshape(31, 31, 3)
  np.testing.assert_allclose(wide[8:23, 8:23], x, rtol=1e-6)
