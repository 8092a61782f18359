"""MViTv2's files against torchvision's net, under PySlowFast's names too."""

import re

import converted
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import resized
import torchvision_build

from vidpetl.backbones import mvit
from vidpetl.recipes import presets
from vidpetl.weights import importing, positions
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

TINY = {'width': 8, 'depths': (1, 2, 1), 'heads': 1}


def torchvisions(size, *, width, depths, heads, keys=8, **options):
  """torchvision's net, any size of which is a list of blocks."""
  torchvision_build.load()
  from torchvision.models.video import mvit as theirs  # noqa: PLC0415

  blocks, d = [], width
  for stage, count in enumerate(depths):
    stride = [1, max(keys // 2**stage, 1), max(keys // 2**stage, 1)]
    for i in range(count):
      begins = stage > 0 and i == 0
      blocks.append(
        theirs.MSBlockConfig(
          num_heads=heads * 2**stage,
          input_channels=d,
          output_channels=width * 2**stage,
          kernel_q=[3, 3, 3],
          kernel_kv=[3, 3, 3],
          stride_q=[1, 2, 2] if begins else [1, 1, 1],
          stride_kv=stride,
        )
      )
      d = width * 2**stage
  return theirs.MViT(
    spatial_size=size[1:],
    temporal_size=size[0],
    block_setting=blocks,
    residual_pool=True,
    residual_with_cls_embed=False,
    rel_pos_embed=True,
    proj_after_attn=True,
    **options,
  )


def drawn(size=(4, 64, 64), **sizes):
  net = torchvisions(size, **{**TINY, **sizes}, num_classes=5)
  return converted.randomise(net)


NAMES = (
  (r'^conv_proj\.', 'patch_embed.proj.'),
  (r'^head\.1\.', 'head.projection.'),
  (r'\.project\.0\.', '.proj.'),
  (r'\.project\.', '.proj.'),
  (r'\.mlp\.0\.', '.mlp.fc1.'),
  (r'\.mlp\.3\.', '.mlp.fc2.'),
  (r'\.pool_(.)\.pool\.', r'.pool_\1.'),
  (r'\.pool_(.)\.norm_act\.0\.', r'.norm_\1.'),
)


def pyslowfasts(model):
  """Arrays under the names of PySlowFast's files."""
  state = {}
  for name, array in model.state_dict().items():
    for pattern, new in NAMES:
      name = re.sub(pattern, new, name)
    state[name] = array
  state['cls_token'] = state.pop('pos_encoding.class_token')[None, None]
  return state


def save(path, state):
  torch.save({'model_state': state, 'epoch': 199, 'cfg': 'a text'}, path)
  return path


def features_of(model, video):
  """Returns what is normalised: the class token, and the others."""
  found = {}
  hook = model.norm.register_forward_hook(
    lambda _, given, made: found.update(tokens=made)
  )
  with torch.no_grad():
    model(torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy()))
  hook.remove()
  tokens = found['tokens'].numpy()
  return tokens[:, 0], tokens[:, 1:]


def agrees(ours, theirs, error=1e-5):
  summary, grid = theirs
  grid = grid.reshape(ours.grid.shape)
  assert converted.relative_error(ours.summary, summary) < error
  assert converted.relative_error(ours.grid, grid) < error


def test_features_at_two_sizes(tmp_path):
  """torchvision's code interpolates tables where a clip is another, too."""
  model = drawn()
  path = save(tmp_path / 'mvit.pyth', pyslowfasts(model))
  video = converted.video(2, 4, 64, 64, 3)
  ours, report = converted.encode('mvit', path, video, tmp_path)
  agrees(ours, features_of(model, video))
  assert not report.wrong
  size = (6, 48, 80)
  other = torchvisions(size, **TINY, num_classes=5).eval()
  for name, parameter in other.named_parameters():
    parameter.data = model.get_parameter(name).data
  video = converted.video(1, *size, 3)
  found = resized.encode(str(tmp_path / 'mvit.safetensors'), video)
  agrees(found, features_of(other, video))


def test_torchvisions_names_are_the_same_weights(tmp_path):
  model = drawn()
  path = tmp_path / 'mvit_v2_s.pth'
  torch.save(model.state_dict(), path)
  theirs = importing.load('mvit_torchvision', str(path), head='k')
  path = save(tmp_path / 'mvit.pyth', pyslowfasts(model))
  ours = importing.load('mvit', str(path), head='k')
  assert ours.layout == theirs.layout
  assert ours.layout.video == (4, 64, 64)
  assert ours.arrays.keys() == theirs.arrays.keys()
  for name, array in ours.arrays.items():
    np.testing.assert_array_equal(array, theirs.arrays[name])


def test_queries_may_be_a_layer_of_their_own(tmp_path):
  state = pyslowfasts(drawn())
  whole = importing.load('mvit', str(save(tmp_path / 'a.pyth', state)))
  parts = {}
  for name, array in state.items():
    if '.qkv.' in name:
      for part, of in zip(array.chunk(3), 'qkv'):
        parts[name.replace('.qkv.', f'.{of}.')] = part.clone()
    else:
      parts[name] = array
  again = importing.load('mvit', str(save(tmp_path / 'b.pyth', parts)))
  assert whole.arrays.keys() == again.arrays.keys()
  for name, array in whole.arrays.items():
    np.testing.assert_array_equal(array, again.arrays[name])


@pytest.mark.parametrize('name', ['mvit', 'mvit_torchvision'])
def test_round_trip_is_exact(name, tmp_path):
  model = drawn()
  state = model.state_dict() if name != 'mvit' else pyslowfasts(model)
  path = tmp_path / 'mvit.pth'
  torch.save(state, path)
  back = converted.round_trip(name, path, tmp_path, head='k')
  assert back.keys() == state.keys()
  for key, array in back.items():
    np.testing.assert_array_equal(array, state[key].numpy())


@pytest.mark.parametrize(
  'change, said',
  [
    (
      lambda s: {**s, 'pos_embed_spatial': torch.ones(1, 4, 8)},
      'pos_embed_spatial',
    ),
    (
      lambda s: {n: a for n, a in s.items() if n != 'cls_token'},
      'cls_token',
    ),
    (
      lambda s: {n: a for n, a in s.items() if n[:14] != 'blocks.1.proj.'},
      'block 1 makes tokens of 16 channels of 8, without a layer `proj`',
    ),
  ],
)
def test_what_differs_is_named(tmp_path, change, said):
  path = save(tmp_path / 'mvit.pyth', change(pyslowfasts(drawn())))
  with pytest.raises(WeightsError, match=said):
    importing.load('mvit', str(path))


@pytest.mark.parametrize('rows', [5, 13, 40])
def test_tables_are_resized_as_pytorchs_linear_mode(rows):
  table = np.random.default_rng(0).normal(size=(13, 3)).astype(np.float32)
  expected = torch.nn.functional.interpolate(
    torch.from_numpy(table.T[None].copy()), size=rows, mode='linear'
  )[0].T
  ours = positions.resize_offsets(table, rows)
  np.testing.assert_allclose(ours, expected.numpy(), atol=1e-5)


def test_the_small_one_has_as_many_parameters_as_published():
  video = jax.ShapeDtypeStruct((1, 16, 224, 224, 3), jnp.float32)
  model = mvit.build(variant='S')
  shapes = jax.eval_shape(
    lambda v: model.init(jax.random.key(0), v, False), video
  )
  count = sum(x.size for x in jax.tree.leaves(shapes))
  assert count + 400 * 769 == 34_537_744  # torchvision's, with its classifier.
  said = presets.find('mvit_v2_s').published.parameters
  assert round((count + 400 * 769) / 1e6, 1) == said


@pytest.mark.published
@pytest.mark.parametrize('variant, frames', [('S', 16), ('B', 32)])
def test_features_of_the_published_sizes(variant, frames, tmp_path):
  size = (frames, 224, 224)
  net = torchvisions(size, **mvit.VARIANTS[variant], num_classes=5)
  model = converted.randomise(net)
  path = save(tmp_path / 'mvit.pyth', pyslowfasts(model))
  video = converted.video(1, *size, 3)
  ours, _ = converted.encode('mvit', path, video, tmp_path)
  agrees(ours, features_of(model, video), 1e-4)
