"""InternVideo2's files, against its tower as published, written out here."""

import functools

import converted
import damaged
import numpy as np
import pytest
import resized as resized_lib

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.parameters import storage
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch
nn = torch.nn

RMS = functools.partial(nn.RMSNorm, eps=1e-6)
NORM = functools.partial(nn.LayerNorm, eps=1e-5)
SMALL = {'width': 48, 'heads': 12, 'depth': 2, 'mlp': 96, 'patch': 7}
# As the published size has, so that one answer will do.
HEADS = {'heads': 12}
BASE = {'width': 768, 'heads': 12, 'depth': 12, 'mlp': 3072, 'patch': 14}


class Scale(nn.Module):
  def __init__(self, width):
    super().__init__()
    self.gamma = nn.Parameter(torch.full((width,), 0.3))

  def forward(self, x):
    return self.gamma * x


class Attention(nn.Module):
  def __init__(self, width, heads):
    super().__init__()
    self.heads = heads
    self.qkv = nn.Linear(width, 3 * width, bias=False)
    self.q_norm, self.k_norm = RMS(width), RMS(width)
    self.proj = nn.Linear(width, width)

  def forward(self, x):
    q, k, v = self.qkv(x).chunk(3, -1)
    return self.proj(attend(self.q_norm(q), self.k_norm(k), v, self.heads))


def attend(q, k, v, heads):
  split = lambda y: y.unflatten(-1, (heads, -1)).transpose(1, 2)
  y = nn.functional.scaled_dot_product_attention(*map(split, (q, k, v)))
  return y.transpose(1, 2).flatten(2)


class Block(nn.Module):
  def __init__(self, width, heads, mlp):
    super().__init__()
    self.norm1, self.norm2 = RMS(width), RMS(width)
    self.attn = Attention(width, heads)
    self.ls1, self.ls2 = Scale(width), Scale(width)
    self.mlp = nn.Module()
    self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, mlp), nn.Linear(mlp, width)

  def forward(self, x):
    x = x + self.ls1(self.attn(self.norm1(x)))
    y = self.mlp.fc1(self.norm2(x))
    y = self.mlp.fc2(nn.functional.gelu(y, approximate='tanh'))
    return x + self.ls2(y)


class Cross(nn.Module):
  def __init__(self, width, out):
    super().__init__()
    for name in 'qkv':
      self.add_module(name, nn.Linear(width, width, bias=False))
      bias = nn.Parameter(torch.zeros(width))
      self.register_parameter(f'{name}_bias', bias)
    self.proj = nn.Linear(width, out)

  def forward(self, q, k, v):
    q = self.q(q) + self.q_bias
    k, v = self.k(k) + self.k_bias, self.v(v) + self.v_bias
    return self.proj(attend(q, k, v, 16))


class Projector(nn.Module):
  def __init__(self, width, out):
    super().__init__()
    for name in 'qkv':
      self.add_module(f'norm1_{name}', NORM(width))
    self.cross_attn = Cross(width, out)

  def forward(self, x):
    q = self.norm1_q(x.mean(1, keepdim=True))
    return self.cross_attn(q, self.norm1_k(x), self.norm1_v(x))[:, 0]


class Tower(nn.Module):
  def __init__(self, grid, width, heads, depth, mlp, patch, classes=5, out=24):
    super().__init__()
    self.grid = grid
    self.patch_embed = nn.Module()
    box = (1, patch, patch)
    self.patch_embed.proj = nn.Conv3d(3, width, box, box)
    self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
    count = 1 + int(np.prod(grid))
    self.pos_embed = nn.Parameter(torch.zeros(1, count, width))
    self.blocks = nn.ModuleList(Block(width, heads, mlp) for _ in range(depth))
    self.clip_projector = Projector(width, out)
    self.fc_norm = nn.LayerNorm(out)
    if classes:
      self.head = nn.Linear(out, classes)

  def forward(self, video):
    """Returns tokens, the class token first, and the clip's vector."""
    video = torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())
    x = self.patch_embed.proj(video)
    positions = resized(self.pos_embed, self.grid, x.shape[2:])
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + positions
    for block in self.blocks:
      x = block(x)
    return x, self.fc_norm(self.clip_projector(x))


def resized(table, old, new):
  """Time linearly and then space bicubically, as PyTorch has them."""
  lead, x = table[:, :1], table[:, 1:].unflatten(1, old)
  if old[0] != new[0]:
    x = x.permute(0, 2, 3, 4, 1).flatten(0, 2)
    x = nn.functional.interpolate(x, new[0], mode='linear')
    x = x.reshape(1, *old[1:], -1, new[0]).permute(0, 4, 1, 2, 3)
  x = x[0].permute(0, 3, 1, 2)
  if old[1:] != tuple(new[1:]):
    x = nn.functional.interpolate(x, tuple(new[1:]), mode='bicubic')
  return torch.cat(
    [lead, x.permute(0, 2, 3, 1).reshape(1, -1, lead.shape[2])], 1
  )


GRID = (2, 3, 3)


def make(sizes=SMALL, grid=GRID, **options):
  torch.manual_seed(0)
  tower = converted.randomise(Tower(grid, **sizes, **options))
  with torch.no_grad():
    tower.pos_embed.normal_()
  return tower


def agrees(ours, theirs, video):
  with torch.no_grad():
    tokens, summary = theirs(video)
  assert converted.relative_error(ours.summary, summary) < 1e-5
  grid = tokens[:, 1:].reshape(ours.grid.shape)
  assert converted.relative_error(ours.grid, grid) < 1e-5


@pytest.mark.parametrize(
  'sizes, clip',
  [
    (SMALL, (2, 21, 21)),
    pytest.param(BASE, (2, 42, 42), marks=pytest.mark.published),
  ],
)
def test_features_of_a_fine_tuned_model(sizes, clip, tmp_path):
  theirs = make(sizes)
  path = tmp_path / 'ft.pth'
  torch.save({'module': theirs.state_dict(), 'epoch': 3}, path)
  video = converted.video(2, *clip, 3)
  ours, report = converted.encode(
    'internvideo2', path, video, tmp_path, grid=GRID, settings=HEADS
  )
  agrees(ours, theirs, video)
  left = {r.theirs for r in report.rows if r.status == 'left out'}
  assert left == {'head.weight', 'head.bias'}


def test_features_of_a_clip_of_another_shape(tmp_path):
  """The run's own way: `fit` resizes the table, by the family's rule."""
  theirs = make()
  path, out = tmp_path / 'ft.pth', str(tmp_path / 'ours.safetensors')
  torch.save(theirs.state_dict(), path)
  convert.import_file('internvideo2', str(path), out, grid=GRID, settings=HEADS)
  video = converted.video(1, 5, 28, 35, 3)
  agrees(resized_lib.encode(out, video), theirs, video)


def test_the_tower_of_stage_2_without_its_text(tmp_path):
  theirs = make(classes=0)
  state = {
    f'vision_encoder.{name}': value
    for name, value in theirs.state_dict().items()
    if not name.startswith('fc_norm')
  }
  beside = [
    'vision_encoder.clip_pos_embed',
    'vision_encoder.img_pos_embed',
    'vision_encoder.clip_decoder.0.head.weight',
    'vision_encoder.final_clip_decoder.norm.weight',
    'text_encoder.bert.embeddings.word_embeddings.weight',
    'vision_proj.weight',
    'temp',
  ]
  state |= {name: torch.ones(3) for name in beside}
  path = tmp_path / 'stage2.pt'
  torch.save({'module': state}, path)
  video = converted.video(1, 2, 21, 21, 3)
  ours, report = converted.encode(
    'internvideo2', path, video, tmp_path, grid=GRID, settings=HEADS
  )
  theirs.fc_norm = nn.Identity()
  agrees(ours, theirs, video)
  left = {r.theirs for r in report.rows if r.status == 'left out'}
  assert left == {name.removeprefix('vision_encoder.') for name in beside}


def test_it_goes_out_and_comes_back_exactly(tmp_path):
  theirs = make()
  path = tmp_path / 'ft.pth'
  torch.save(theirs.state_dict(), path)
  back = converted.round_trip(
    'internvideo2', path, tmp_path, head='k', grid=GRID, settings=HEADS
  )
  assert back.keys() == theirs.state_dict().keys()
  video = converted.video(1, 2, 21, 21, 3)
  with torch.no_grad():
    before = theirs(video)[1]
    theirs.load_state_dict({n: torch.from_numpy(x) for n, x in back.items()})
    after = theirs(video)[1]
  assert converted.relative_error(after.numpy(), before) < 1e-5


def test_what_no_array_shows_is_asked_for_or_told(tmp_path):
  path, out = tmp_path / 'ft.pth', str(tmp_path / 'ours.safetensors')
  torch.save(make().state_dict(), path)
  told = {**HEADS, 'activation': 'gelu'}
  with pytest.raises(WeightsError, match='--grid=t,h,w'):
    convert.import_file('internvideo2', str(path), out, settings=told)
  convert.import_file(
    'internvideo2', str(path), out, settings=told, grid=GRID, head='k'
  )
  said = published.read_metadata(out)
  assert said['positions'] == 'bicubic'
  fields = said['backbone']
  assert (fields['heads'], fields['pool_heads']) == (12, 16)
  assert fields['activation'] == 'gelu'
  arrays = storage.load_arrays(out)
  assert 'heads_k/output_projection/kernel' in arrays


def test_other_towers_are_refused_by_name(tmp_path):
  path = tmp_path / 'ft.pth'
  state = make().state_dict()
  for name, match in (
    ('extra_mlp.1.fc1.weight', 'a probe of attention'),
    ('pos_embed_spatial', 'two tables'),
  ):
    torch.save({**state, name: torch.ones(4)}, path)
    damaged.refuse('internvideo2', path, match)
