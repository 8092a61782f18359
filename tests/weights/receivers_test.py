"""The receivers' own classes take exports strictly, and give our logits."""

import copy
import functools

import handed
import numpy as np
import pytest
import safetensors.torch
import torchvision_build

from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

import clip_test  # noqa: E402
import networks  # noqa: E402
import video_swin  # noqa: E402
import videomae_test  # noqa: E402

SWIN = {'width': 8, 'heads': (1, 2, 2, 2), 'depths': (2, 1, 1, 1)}
WINDOW = (2, 3, 3)
VIT = {
  'name': 'vit',
  'width': 16,
  'depth': 2,
  'heads': 4,
  'mlp': 64,
  'patch': 8,
}
CLASSES = handed.CLASSES


def to_torch(video):
  return torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())


def compare(ours, theirs, video, given=to_torch):
  with torch.no_grad():
    expected = theirs(given(video))
  expected = expected.numpy().reshape(len(video), -1)
  assert np.abs(expected).max() > 0.1
  # Sums of thousands of products; what a lost bias does is 0.2 of them.
  np.testing.assert_allclose(
    ours(video), expected, atol=2e-5 * np.abs(expected).max()
  )


def timm_vit(**options):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  return timm.models.vision_transformer.VisionTransformer(
    img_size=24,
    patch_size=8,
    embed_dim=16,
    depth=2,
    num_heads=4,
    num_classes=CLASSES,
    **options,
  )


@pytest.mark.parametrize('family', ['timm', 'mae'])
@pytest.mark.parametrize('summary, pool', [('cls', 'token'), ('mean', 'avg')])
def test_timms_vit(family, summary, pool, tmp_path):
  backbone = {**VIT, 'kind': 'mae', 'summary': summary}
  path, ours, _, report = handed.export(
    family, backbone, (1, 3, 3), (1, 24, 24), tmp_path, out='o.safetensors'
  )
  theirs = handed.strictly(timm_vit(global_pool=pool), path)
  compare(
    ours,
    theirs,
    handed.clips(2, 1, 24, 24),
    lambda video: to_torch(video)[:, :, 0],
  )
  assert any('load_state_dict(arrays)' in note for note in report.notes)


def test_heads_that_are_not_the_widths_are_said(tmp_path):
  backbone = {**VIT, 'kind': 'mae', 'width': 192, 'heads': 6}
  *_, report = handed.export(
    'timm', backbone, (1, 3, 3), (1, 24, 24), tmp_path, out='o.safetensors'
  )
  assert any('heads=3 unless' in note for note in report.notes)


def test_what_the_receiver_has_to_be_told_is_said(tmp_path):
  """A ViT of AugReg has another activation than timm's class starts with."""
  backbone = {**VIT, 'kind': 'augreg'}
  path, ours, _, report = handed.export(
    'timm', backbone, (1, 3, 3), (1, 24, 24), tmp_path, out='o.safetensors'
  )
  said = [note for note in report.notes if "'gelu_tanh'" in note]
  assert len(said) == 1 and "activation='gelu' unless" in said[0]
  gelu = functools.partial(torch.nn.GELU, approximate='tanh')
  theirs = handed.strictly(timm_vit(act_layer=gelu), path)
  compare(
    ours,
    theirs,
    handed.clips(2, 1, 24, 24),
    lambda video: to_torch(video)[:, :, 0],
  )


@pytest.mark.parametrize('family', ['swin', 'swin_torchvision'])
def test_video_swin(family, tmp_path):
  backbone = {'name': 'swin', **SWIN, 'window': WINDOW}
  path, ours, _, _ = handed.export(
    family, backbone, (4, 24, 24), (8, 96, 96), tmp_path, out='o.safetensors'
  )
  if family == 'swin':
    theirs = video_swin.Recognizer3D(CLASSES, window=WINDOW, **SWIN)
  else:
    theirs = torchvision_build.load().models.video.SwinTransformer3d(
      patch_size=[2, 4, 4],
      embed_dim=SWIN['width'],
      depths=list(SWIN['depths']),
      num_heads=list(SWIN['heads']),
      window_size=list(WINDOW),
      num_classes=CLASSES,
    )
  compare(ours, handed.strictly(theirs, path), handed.clips(1, 8, 96, 96))


def test_video_swin_without_a_head(tmp_path):
  backbone = {'name': 'swin', **SWIN, 'window': WINDOW}
  path, *_ = handed.export(
    'swin',
    backbone,
    (4, 24, 24),
    (8, 96, 96),
    tmp_path,
    head='',
    out='o.safetensors',
  )
  handed.strictly(video_swin.SwinTransformer3D(window=WINDOW, **SWIN), path)


def test_swin_for_images_by_timms_own_reader(tmp_path):
  backbone = {'name': 'swin', **SWIN, 'window': (1, 2, 2), 'patch': (1, 4, 4)}
  path, ours, _, _ = handed.export(
    'swin2d', backbone, (1, 16, 16), (1, 64, 64), tmp_path, out='o.safetensors'
  )
  torchvision_build.load()
  import timm  # noqa: PLC0415

  swin = timm.models.swin_transformer
  theirs = swin.SwinTransformer(
    img_size=64,
    window_size=2,
    num_classes=CLASSES,
    embed_dim=SWIN['width'],
    depths=SWIN['depths'],
    num_heads=SWIN['heads'],
  )
  arrays = safetensors.torch.load_file(path)
  theirs.load_state_dict(swin.checkpoint_filter_fn(arrays, theirs), strict=True)
  compare(
    ours,
    theirs.eval(),
    handed.clips(1, 1, 64, 64),
    lambda video: to_torch(video)[:, :, 0],
  )


def torchvision(name):
  resnet = torchvision_build.load().models.video.resnet
  convs = {
    'r3d_18': ([resnet.Conv3DSimple] * 4, resnet.BasicStem),
    'r2plus1d_18': ([resnet.Conv2Plus1D] * 4, resnet.R2Plus1dStem),
  }
  conv, stem = convs[name]
  return resnet.VideoResNet(
    resnet.BasicBlock, conv, (1, 1, 1, 1), stem, CLASSES
  )


class Pooled(torch.nn.Module):
  """A net of `networks`, whose features its classifier reads the mean of."""

  def __init__(self, net, head, below=''):
    super().__init__()
    self.net, self.head, self.below = net, head, below

  def forward(self, video):
    features = self.net(video).mean((2, 3, 4))
    weight, bias = self.head.weight, self.head.bias
    return features @ weight.reshape(len(bias), -1).T + bias


CONVNETS = {
  'r3d_18': ({'name': 'resnet3d', 'variant': 'r3d_18'}, torchvision),
  'r2plus1d_18': ({'name': 'resnet3d', 'variant': 'r2plus1d_18'}, torchvision),
  'hara': (
    {'name': 'resnet3d', 'variant': 'hara', 'width': 8},
    lambda _: networks.Hara(8, (1, 1, 1, 1), CLASSES),
  ),
  'i3d_piergiaj': (
    {'name': 'i3d', 'variant': 'piergiaj', 'width': 8},
    lambda _: networks.I3D('piergiaj', 8, CLASSES),
  ),
}
HEADS = {
  'hara': 'fc',
  'i3d_piergiaj': 'logits.conv3d',
}


@pytest.mark.parametrize('family', CONVNETS)
def test_convolutional_networks(family, tmp_path):
  backbone, make = CONVNETS[family]
  if backbone['name'] == 'resnet3d':
    backbone = {**backbone, 'depths': (1, 1, 1, 1)}
  path, ours, _, _ = handed.export(
    family, backbone, (1, 1, 1), (16, 32, 32), tmp_path, out='o.safetensors'
  )
  theirs = handed.strictly(make(family), path)
  if family in HEADS:
    theirs = Pooled(theirs, theirs.get_submodule(HEADS[family]))
  compare(ours, theirs, handed.clips(1, 16, 32, 32))


def test_a_padding_that_is_another_networks_is_said(tmp_path):
  backbone = {'name': 'i3d', 'variant': 'pecop', 'width': 8}
  *_, report = handed.export(
    'i3d_hassony2',
    backbone,
    (1, 1, 1),
    (16, 32, 32),
    tmp_path,
    out='o.safetensors',
  )
  said = ' '.join(note for note in report.notes if 'was trained with' in note)
  assert 'padding=' in said and 'epsilon=' in said


def test_videomae(tmp_path):
  width, heads = videomae_test.D, videomae_test.HEADS
  sizes = {'width': width, 'heads': heads, 'mlp': 2 * width}
  backbone = {**VIT, 'kind': 'videomae', **sizes}
  path, ours, _, _ = handed.export(
    'videomae', backbone, (2, 3, 3), (4, 24, 24), tmp_path, out='o.safetensors'
  )
  net = handed.strictly(videomae_test.Encoder(tuned=True), path)
  compare(
    ours,
    lambda video: net.head(net.fc_norm(net(video).mean(1))),
    handed.clips(2, 4, 24, 24),
  )


def test_clips_tower_in_a_whole_model(tmp_path):
  """Names that are not the model's are an error, and text stays as it was."""
  width = clip_test.D
  sizes = {'width': width, 'heads': width // 64, 'mlp': 4 * width}
  backbone = {**VIT, 'kind': 'clip', **sizes}
  path, ours, arrays, report = handed.export(
    'clip',
    backbone,
    (1, 4, 4),
    (1, 32, 32),
    tmp_path,
    head='',
    out='o.safetensors',
  )
  theirs = clip_test.model()
  before = copy.deepcopy(theirs.state_dict())
  new = safetensors.torch.load_file(path)
  theirs.load_state_dict({**theirs.state_dict(), **new}, strict=True)
  assert any('{**model.state_dict(), **arrays}' in n for n in report.notes)
  after = theirs.state_dict()
  torch.testing.assert_close(
    after['token_embedding.weight'], before['token_embedding.weight']
  )
  kernel, bias = (
    arrays[f'heads_k/output_projection/{n}'] for n in ('kernel', 'bias')
  )
  compare(
    ours,
    lambda x: (
      theirs.visual.tokens(x[:, :, 0])[:, 0] @ torch.from_numpy(kernel)
      + torch.from_numpy(bias)
    ),
    handed.clips(2, 1, 32, 32),
  )


RSPNET = {
  'rspnet_c3d': ({'name': 'c3d', 'width': 8}, networks.C3D),
  'rspnet_r3d': (
    {'name': 'resnet3d', 'variant': 'hara', 'width': 8},
    networks.Hara,
  ),
  'rspnet_r2plus1d': (
    {'name': 'resnet3d', 'variant': 'r2plus1d_vcop', 'width': 8},
    networks.R2Plus1D,
  ),
}


@pytest.mark.parametrize('family', RSPNET)
def test_rspnets_classifier(family, tmp_path):
  """All but the net's own classifier, which nothing reads."""
  backbone, net = RSPNET[family]
  path, ours, _, _ = handed.export(
    family, backbone, (1, 1, 1), (16, 32, 32), tmp_path, out='o.safetensors'
  )
  theirs = torch.nn.Module()
  theirs.encoder = net(width=8, classes=1)
  theirs.fc = torch.nn.Linear(64, CLASSES)
  new = safetensors.torch.load_file(path)
  unread = theirs.state_dict().keys() - new.keys()
  assert all(
    n.startswith(('encoder.fc', 'encoder.linear')) or 'tracked' in n
    for n in unread
  )
  theirs.load_state_dict({**theirs.state_dict(), **new}, strict=True)
  theirs.eval()
  compare(ours, Pooled(theirs.encoder, theirs.fc), handed.clips(1, 16, 32, 32))


def test_another_kind_of_model_is_refused(tmp_path):
  backbone = {**VIT, 'kind': 'videomae'}
  with pytest.raises(WeightsError, match='none of the family timm'):
    handed.export(
      'timm', backbone, (2, 3, 3), (4, 24, 24), tmp_path, out='o.safetensors'
    )
