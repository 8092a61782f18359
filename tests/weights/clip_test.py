"""CLIP's files, against a tower that is written out here as published.

OpenAI's are TorchScript archives in half precision; open_clip's hold a
state_dict. Reading an archive needs no PyTorch, and runs nothing of it.
"""

import collections
import os
import pickle
import sys
import zipfile

import converted
import damaged
import ml_dtypes
import numpy as np
import pytest

from vidpetl.parameters import storage
from vidpetl.weights import files, importing

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

D, PATCH, SIDE = 384, 8, 32


class QuickGELU(torch.nn.Module):
  def forward(self, x):
    return x * torch.sigmoid(1.702 * x)


class Block(torch.nn.Module):
  def __init__(self, gelu):
    super().__init__()
    nn = torch.nn
    self.attn = nn.MultiheadAttention(D, D // 64)
    self.ln_1, self.ln_2 = nn.LayerNorm(D), nn.LayerNorm(D)
    layers = {'c_fc': nn.Linear(D, 4 * D), 'gelu': gelu()}
    layers['c_proj'] = nn.Linear(4 * D, D)
    self.mlp = nn.Sequential(collections.OrderedDict(layers))

  def forward(self, x):
    y = self.ln_1(x)
    x = x + self.attn(y, y, y, need_weights=False)[0]
    return x + self.mlp(self.ln_2(x))


class Transformer(torch.nn.Module):
  def __init__(self, gelu):
    super().__init__()
    self.resblocks = torch.nn.Sequential(Block(gelu), Block(gelu))

  def forward(self, x):
    return self.resblocks(x.transpose(0, 1)).transpose(0, 1)


class Tower(torch.nn.Module):
  def __init__(self, gelu):
    super().__init__()
    nn = torch.nn
    tokens = (SIDE // PATCH) ** 2 + 1
    self.conv1 = nn.Conv2d(3, D, PATCH, PATCH, bias=False)
    self.class_embedding = nn.Parameter(torch.zeros(D))
    self.positional_embedding = nn.Parameter(torch.zeros(tokens, D))
    self.ln_pre, self.ln_post = nn.LayerNorm(D), nn.LayerNorm(D)
    self.transformer = Transformer(gelu)
    self.proj = nn.Parameter(torch.zeros(D, 64))

  def tokens(self, x):
    x = self.conv1(x).flatten(2).transpose(1, 2)
    cls = self.class_embedding.expand(len(x), 1, D)
    x = torch.cat([cls, x], 1) + self.positional_embedding
    return self.ln_post(self.transformer(self.ln_pre(x)))

  def forward(self, x):
    return self.tokens(x)[:, 0] @ self.proj


class CLIP(torch.nn.Module):
  def __init__(self, gelu=QuickGELU):
    super().__init__()
    self.visual = Tower(gelu)
    self.transformer = Transformer(gelu)
    self.token_embedding = torch.nn.Embedding(11, D)
    self.positional_embedding = torch.nn.Parameter(torch.zeros(7, D))
    self.ln_final = torch.nn.LayerNorm(D)
    self.text_projection = torch.nn.Parameter(torch.zeros(D, 64))
    self.logit_scale = torch.nn.Parameter(torch.ones([]))
    self.register_buffer('input_resolution', torch.tensor(SIDE))

  def forward(self, image, text):
    x = self.token_embedding(text) + self.positional_embedding
    x = self.ln_final(self.transformer(x))[:, -1] @ self.text_projection
    return self.logit_scale * self.visual(image) @ x.T


def model(gelu=QuickGELU):
  return converted.randomise(CLIP(gelu))


def halve(model):
  """Half precision, but for norms, as OpenAI's files have it."""
  for name, value in model.named_parameters():
    if 'ln_' not in name:
      value.data = value.data.half()
  return model


def save_archive(theirs, path):
  """Writes what OpenAI publishes: a program, traced, in half precision."""
  inputs = torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, 7, dtype=torch.long)
  with torch.no_grad():
    program = torch.jit.trace(theirs, inputs, check_trace=False)
  halve(program).save(str(path))


def features(tower, video):
  """Returns the tower's normalised class tokens and patches."""
  b, t = video.shape[:2]
  frames = video.reshape(b * t, SIDE, SIDE, 3).transpose(0, 3, 1, 2)
  with torch.no_grad():
    tokens = tower.tokens(torch.from_numpy(frames.copy()))
  side = SIDE // PATCH
  tokens = tokens.reshape(b, t, -1, D)
  return tokens[:, :, 0].mean(1), tokens[:, :, 1:].reshape(b, t, side, side, D)


def compare(ours, theirs, video):
  summary, patches = features(theirs.visual, video)
  assert converted.relative_error(ours.summary, summary) < 1e-4
  assert converted.relative_error(ours.grid, patches) < 1e-4


def test_openais_archive(tmp_path, monkeypatch):
  theirs = model()
  path = tmp_path / 'ViT-B-16.pt'
  save_archive(theirs, path)
  theirs = halve(theirs).float()
  with monkeypatch.context() as without:
    without.setitem(sys.modules, 'torch', None)
    found = files.read(str(path))
  assert found.keys() == theirs.state_dict().keys()
  video = converted.video(2, 2, SIDE, SIDE, 3)
  ours, report = converted.encode('clip', path, video, tmp_path)
  compare(ours, theirs, video)
  left = {row.theirs: row.note for row in report.rows if not row.ours}
  assert len(left) > 20
  assert 'shared with text' in left['visual.proj']
  assert 'text' in left['transformer.resblocks.0.mlp.c_fc.weight']
  # Its code divides 64 channels to a head; nobody had to be asked.
  said = f"heads={D // 64}, activation='quick_gelu': so the code of"
  assert any(said in note for note in report.notes)
  kept = storage.load_arrays(str(tmp_path / 'clip.safetensors'))
  types = {a.dtype.name for a in kept.values()}
  assert types == {'float16', 'float32'}
  assert kept['backbone/norm/scale'].dtype == np.float32


@pytest.mark.parametrize('custom_text', [False, True])
def test_open_clips_state_dict(tmp_path, custom_text):
  theirs = model()
  state = theirs.state_dict()
  if custom_text:
    place = lambda n: '' if n.startswith(('visual.', 'logit')) else 'text.'
    state = {f'{place(name)}{name}': value for name, value in state.items()}
  path = tmp_path / 'epoch_32.pt'
  state = {f'module.{name}': value for name, value in state.items()}
  torch.save({'epoch': 32, 'name': 'run', 'state_dict': state}, path)
  video = converted.video(1, 2, SIDE, SIDE, 3)
  compare(converted.encode('clip', path, video, tmp_path)[0], theirs, video)


def test_images_need_not_be_square(tmp_path):
  theirs = model()
  state = theirs.visual.state_dict()
  table = torch.randn(1 + 2 * 5, D)
  state['positional_embedding'] = table
  theirs.visual.positional_embedding = torch.nn.Parameter(table)
  path = tmp_path / 'wide.pt'
  torch.save({f'visual.{name}': x for name, x in state.items()}, path)
  damaged.refuse('clip', path, 'does not say what grid .* 11')
  video = converted.video(1, 2, 2 * PATCH, 5 * PATCH, 3)
  ours, _ = converted.encode('clip', path, video, tmp_path, grid=(1, 2, 5))
  frames = torch.from_numpy(video[0].transpose(0, 3, 1, 2).copy())
  with torch.no_grad():
    tokens = theirs.visual.tokens(frames)
  patches = tokens[:, 1:].reshape(1, 2, 2, 5, D)
  assert converted.relative_error(ours.grid, patches) < 1e-4


def test_gelu_is_a_field_of_the_backbone(tmp_path):
  theirs = model(torch.nn.GELU)
  path = tmp_path / 'open_clip_pytorch_model.bin'
  torch.save(theirs.state_dict(), path)
  video = converted.video(1, 2, SIDE, SIDE, 3)
  ours, report = converted.encode(
    'clip', path, video, tmp_path, settings={'activation': 'gelu'}
  )
  assert not any('shows activation' in note for note in report.notes)
  compare(ours, theirs, video)
  other, _ = converted.encode('clip', path, video, tmp_path)
  assert converted.relative_error(other.summary, ours.summary) > 1e-3


def visual(theirs):
  return {
    name: value
    for name, value in theirs.state_dict().items()
    if name.startswith('visual.') and name != 'visual.proj'
  }


@pytest.mark.parametrize('half', [False, True])
def test_round_trip_is_exact(tmp_path, half):
  theirs = visual(halve(model()) if half else model())
  path = tmp_path / 'clip.pt'
  torch.save(theirs, path)
  back = converted.round_trip('clip', path, tmp_path)
  assert back.keys() == theirs.keys()
  for name, array in back.items():
    assert array.dtype == theirs[name].numpy().dtype
    np.testing.assert_array_equal(array, theirs[name].numpy())


def test_damaged_files_are_refused(tmp_path):
  path = tmp_path / 'clip.pt'
  damaged.check(
    'clip',
    visual(model()),
    lambda state: torch.save(state, path),
    path,
    block='visual.transformer.resblocks.0.',
    norm='visual.ln_post.weight',
    other='timm',
  )


def test_half_an_archive_is_refused(tmp_path):
  path = tmp_path / 'clip.pt'
  save_archive(model(), path)
  path.write_bytes(path.read_bytes()[:-1000])
  damaged.refuse('clip', path, 'has no sound end: an incomplete download')


class Net(torch.nn.Module):
  def __init__(self):
    super().__init__()
    self.register_buffer('whole', torch.arange(12.0).reshape(3, 4))
    self.register_buffer('part', self.whole[1:].T)
    self.register_buffer('brain', self.whole.bfloat16())
    self.register_buffer('steps', torch.tensor(3))

  def forward(self, x):
    return x + self.whole.sum() + self.brain.sum() + self.steps


def test_tensors_of_an_archive_may_share_memory(tmp_path):
  path = tmp_path / 'net.pt'
  torch.jit.trace(Net(), torch.zeros(3)).save(str(path))
  found = files.read(str(path))
  whole = np.arange(12.0).reshape(3, 4)
  np.testing.assert_array_equal(found['whole'], whole)
  np.testing.assert_array_equal(found['part'], whole[1:].T)
  assert np.shares_memory(found['whole'], found['part'])
  assert found['brain'].dtype == ml_dtypes.bfloat16
  np.testing.assert_array_equal(found['brain'].astype(float), whole)
  assert found['steps'] == 3


class Call:
  """Pickles as a call."""

  def __init__(self, function, *args):
    self.call = function, args

  def __reduce__(self):
    return self.call


class Archive(pickle.Pickler):
  """Writes a reference to four floats in place of 'floats'."""

  def persistent_id(self, value):
    kind = torch.FloatStorage
    return ('storage', kind, '0', 'cpu', 4) if value == 'floats' else None


def write_archive(path, content):
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('net/constants.pkl', pickle.dumps(()))
    archive.writestr('net/data/0', np.ones(4, np.float32).tobytes())
    with archive.open('net/data.pkl', 'w') as file:
      Archive(file, 2).dump(content)
  return path


def test_an_archive_that_calls_is_not_obeyed(tmp_path):
  trace = tmp_path / 'trace'
  path = write_archive(tmp_path / 'net.pt', Call(os.mkdir, str(trace)))
  damaged.refuse('clip', path, 'no arrays')
  assert not trace.exists()


def test_a_tensor_that_leaves_its_storage_is_refused(tmp_path):
  rebuild = torch._utils._rebuild_tensor_v2
  tensor = lambda size, stride: Call(
    rebuild, 'floats', 0, (size,), (stride,), False, collections.OrderedDict()
  )
  path = write_archive(tmp_path / 'net.pt', {'a': tensor(2, 2)})
  np.testing.assert_array_equal(files.read(str(path))['a'], [1, 1])
  for size, stride in ((5, 1), (2, 4), (2, -1), (10**9, 1)):
    write_archive(path, {'a': tensor(size, stride)})
    damaged.refuse('clip', path, 'cannot be read: it is damaged')


@pytest.mark.parametrize(
  'name', ['trunk.blocks.0.norm1.weight', 'layer1.0.conv1.weight']
)
def test_towers_of_other_structure_are_refused(tmp_path, name):
  """timm's in open_clip, and OpenAI's ResNets."""
  path = tmp_path / 'clip.pt'
  state = {f'visual.{name}': torch.ones(4), 'logit_scale': torch.ones([])}
  torch.save({'state_dict': state}, path)
  damaged.refuse('clip', path, 'is not of the family clip')


@pytest.mark.parametrize('prefix', ['', 'image_encoder.'])
def test_a_tower_that_was_saved_by_itself(tmp_path, prefix):
  state = visual(model())
  names = {prefix + n.removeprefix('visual.'): a for n, a in state.items()}
  paths = tmp_path / 'whole.pth', tmp_path / 'tower.pth'
  for path, saved in zip(paths, (state, names)):
    torch.save(saved, path)
  told = {'heads': 1, 'activation': 'gelu'}
  whole, tower = (
    importing.load('clip', str(path), settings=told).arrays for path in paths
  )
  assert whole.keys() == tower.keys()
  for name, array in whole.items():
    np.testing.assert_array_equal(array, tower[name])
