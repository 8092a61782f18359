"""VideoMAE's files, against its network as published, written out here."""

import argparse
import functools
import itertools
import json

import converted
import damaged
import numpy as np
import pytest
import safetensors.numpy

from vidpetl import convert

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

D, HEADS, TUBELET = 384, 6, (2, 8, 8)
NORM = functools.partial(torch.nn.LayerNorm, eps=1e-6)


class Attention(torch.nn.Module):
  def __init__(self, width, heads):
    super().__init__()
    self.heads = heads
    self.qkv = torch.nn.Linear(width, 3 * width, bias=False)
    self.q_bias = torch.nn.Parameter(torch.zeros(width))
    self.v_bias = torch.nn.Parameter(torch.zeros(width))
    self.proj = torch.nn.Linear(width, width)

  def forward(self, x):
    q, k, v = self.qkv(x).chunk(3, -1)
    split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
    y = torch.nn.functional.scaled_dot_product_attention(
      split(q + self.q_bias), split(k), split(v + self.v_bias)
    )
    return self.proj(y.transpose(1, 2).flatten(2))


class Mlp(torch.nn.Module):
  def __init__(self, width, hidden):
    super().__init__()
    self.fc1 = torch.nn.Linear(width, hidden)
    self.fc2 = torch.nn.Linear(hidden, width)

  def forward(self, x):
    return self.fc2(torch.nn.functional.gelu(self.fc1(x)))


class Block(torch.nn.Module):
  def __init__(self, width, heads, hidden):
    super().__init__()
    self.norm1, self.norm2 = NORM(width), NORM(width)
    self.attn, self.mlp = Attention(width, heads), Mlp(width, hidden)

  def forward(self, x):
    x = x + self.attn(self.norm1(x))
    return x + self.mlp(self.norm2(x))


class Encoder(torch.nn.Module):
  """Of pretraining, with `norm`, or a classifier, with `fc_norm`."""

  def __init__(
    self, tuned, width=D, heads=HEADS, depth=2, tubelet=TUBELET, ratio=2.0
  ):
    super().__init__()
    nn = torch.nn
    self.patch_embed = nn.Module()
    self.patch_embed.proj = nn.Conv3d(3, width, tubelet, tubelet)
    self.blocks = nn.ModuleList(
      Block(width, heads, int(width * ratio)) for _ in range(depth)
    )
    if tuned:
      self.fc_norm, self.head = NORM(width), nn.Linear(width, 5)
    else:
      self.norm = NORM(width)

  def forward(self, video):
    x = self.patch_embed.proj(video).flatten(2).transpose(1, 2)
    x = x + torch.from_numpy(sinusoids(*x.shape[1:]))
    for block in self.blocks:
      x = block(x)
    return x


def sinusoids(length, width):
  table = np.zeros((1, length, width), np.float32)
  for i, j in itertools.product(range(length), range(width // 2)):
    angle = i / 10000 ** (2 * j / width)
    table[0, i, 2 * j : 2 * j + 2] = np.sin(angle), np.cos(angle)
  return table


def model(tuned):
  return converted.randomise(Encoder(tuned))


def tokens_of(theirs, video):
  with torch.no_grad():
    return theirs(torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy()))


def test_features_of_a_fine_tuned_model(tmp_path):
  theirs = model(tuned=True)
  path = tmp_path / 'checkpoint.pth'
  # What DeepSpeed saves beside it.
  more = {'csr_tensor_module_names': {'a'}, 'lr_scheduler': None, 'epoch': 9}
  more['args'] = argparse.Namespace(lr=0.1)
  torch.save({'module': theirs.state_dict(), **more}, path)
  video = converted.video(2, 4, 32, 24, 3)
  ours, _ = converted.encode('videomae', path, video, tmp_path)
  tokens = tokens_of(theirs, video)
  with torch.no_grad():
    pooled, patches = theirs.fc_norm(tokens.mean(1)), theirs.fc_norm(tokens)
  assert converted.relative_error(ours.summary, pooled) < 1e-4
  patches = patches.reshape(2, 2, 4, 3, D)
  assert converted.relative_error(ours.grid, patches) < 1e-4


# VideoMAE V2's giant (Wang et al. 2023), and the like of it.
GIANT = {'width': 1408, 'depth': 40, 'tubelet': (2, 14, 14)}
SMALL_GIANT = {'width': 88, 'depth': 1, 'tubelet': (2, 7, 7)}


@pytest.mark.parametrize(
  'sizes, clips',
  [
    (SMALL_GIANT, [(4, 14, 14), (2, 21, 28)]),
    pytest.param(GIANT, [(4, 224, 224)], marks=pytest.mark.published),
  ],
)
def test_features_of_videomae_v2_at_hugging_face(sizes, clips, tmp_path):
  """Its class keeps the authors' net as `model`, and a config says heads."""
  sizes = {'heads': 16, 'ratio': 48 / 11, **sizes}
  if sizes['width'] == SMALL_GIANT['width']:
    sizes['heads'] = 4
  theirs = converted.randomise(Encoder(True, **sizes))
  state = {
    f'model.{name}': value.numpy()
    for name, value in theirs.state_dict().items()
    if not name.startswith('head.')
  }
  safetensors.numpy.save_file(state, tmp_path / 'model.safetensors')
  said = {'embed_dim': sizes['width'], 'num_heads': sizes['heads']}
  config = {'model_type': 'VideoMAEv2_Base', 'model_config': said}
  (tmp_path / 'config.json').write_text(json.dumps(config))
  out = tmp_path / 'ours.safetensors'
  convert.import_file('videomae', str(tmp_path), str(out))
  for clip in clips:
    video = converted.video(1, *clip, 3)
    ours = converted.encode_with(str(out), video)
    tokens = tokens_of(theirs, video)
    with torch.no_grad():
      pooled, tokens = theirs.fc_norm(tokens.mean(1)), theirs.fc_norm(tokens)
    assert converted.relative_error(ours.summary, pooled) < 1e-5
    grid = ours.grid.reshape(tokens.shape)
    assert converted.relative_error(grid, tokens) < 1e-5


def pretraining(encoder):
  """What a file of pretraining holds."""
  decoder = converted.randomise(Encoder(False, width=64, heads=1, depth=1))
  parts = {'encoder': encoder, 'decoder': decoder}
  state = {
    f'{part}.{name}': value
    for part, net in parts.items()
    for name, value in net.state_dict().items()
  }
  state['encoder_to_decoder.weight'] = torch.ones(64, D)
  return {**state, 'mask_token': torch.ones(1, 1, 64)}


def test_features_of_pretraining(tmp_path):
  theirs = model(tuned=False)
  path = tmp_path / 'checkpoint.pth'
  torch.save({'model': pretraining(theirs), 'epoch': 1599}, path)
  video = converted.video(1, 6, 16, 16, 3)
  ours, report = converted.encode('videomae', path, video, tmp_path)
  with torch.no_grad():
    patches = theirs.norm(tokens_of(theirs, video)).reshape(1, 3, 2, 2, D)
  assert converted.relative_error(ours.grid, patches) < 1e-4
  left = {row.theirs for row in report.rows if row.status == 'left out'}
  alone = {'mask_token', 'encoder_to_decoder.weight'}
  assert alone < left
  assert all(name.startswith('decoder.') for name in left - alone)


def test_round_trip_is_exact(tmp_path):
  theirs = model(tuned=True).state_dict()
  path = tmp_path / 'checkpoint.pth'
  torch.save(theirs, path)
  back = converted.round_trip('videomae', path, tmp_path, head='k')
  assert back.keys() == theirs.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, theirs[name].numpy())


def test_damaged_files_are_refused(tmp_path):
  path = tmp_path / 'checkpoint.pth'
  damaged.check(
    'videomae',
    model(tuned=True).state_dict(),
    lambda state: torch.save({'module': state}, path),
    path,
    block='blocks.0.',
    norm='fc_norm.weight',
    other='clip',
  )


def test_keys_with_a_bias_are_refused(tmp_path):
  """As those of other image and video ViTs are."""
  state = model(tuned=True).state_dict()
  state['blocks.0.attn.qkv.bias'] = torch.ones(3 * D)
  path = tmp_path / 'checkpoint.pth'
  torch.save(state, path)
  damaged.refuse('videomae', path, r'unexpected +blocks.0.attn.qkv.bias')


def test_an_image_vit_that_it_is_not_names_it(tmp_path):
  path = tmp_path / 'checkpoint.pth'
  torch.save({'model': model(tuned=True).state_dict()}, path)
  damaged.refuse('mae', path, r'(?s)missing +cls_token.*looks like videomae\.')
