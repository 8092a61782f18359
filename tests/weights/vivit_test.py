"""scenic's ViViTs against nets of PyTorch's blocks; what starts from them."""

import converted
import flax.serialization
import numpy as np
import orbax.checkpoint as ocp
import pytest
import scipy.ndimage
import started
import vivit_models

from vidpetl.training import run as run_lib
from vidpetl.weights import importing
from vidpetl.weights import tree as tree_lib
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')
pytestmark = pytest.mark.torch

GRID, TUBELET = (3, 2, 2), (2, 8, 8)
SPACE = 'SpatialTransformer/posembed_input/pos_embedding'
TIME = 'TemporalTransformer/posembed_input/pos_embedding'


def old(tree):
  """A checkpoint of flax.optim's time, as all that are published."""
  state = {'step': 7, 'param_states': {'kernel': np.ones((2, 2), np.float32)}}
  return {
    'optimizer': {'target': tree, 'state': state},
    'global_step': 7,
    'model_state': {},
    'rng': np.zeros(2, np.uint32),
  }


def older(tree):
  return old({'params': tree})


def new(tree):
  return {'params': tree, 'opt_state': {'0': {}}, 'global_step': 7}


def write(tree, path):
  path.write_bytes(flax.serialization.msgpack_serialize(tree))
  return path


@pytest.mark.parametrize('kind', [old, older, new])
def test_factorised_encoder_with_class_tokens(tmp_path, kind):
  model = vivit_models.factorised(GRID, TUBELET, token=True)
  path = write(kind(model.tree()), tmp_path / 'checkpoint_123')
  video = converted.video(2, 6, 16, 16, 3)
  ours, report = converted.encode('vivit', path, video, tmp_path)
  assert converted.relative_error(ours.summary, model(video)) < 1e-4
  left = {row.theirs for row in report.rows if row.status == 'left out'}
  assert left == {'output_projection/kernel', 'output_projection/bias'}


@pytest.mark.parametrize('temporal', ['dense', 'pooled'])
def test_factorised_encoder_of_means(tmp_path, temporal):
  model = vivit_models.factorised(GRID, TUBELET, token=False)
  path = write(old(model.tree()), tmp_path / 'checkpoint')
  video = converted.video(2, 6, 16, 16, 3)
  ours, _ = converted.encode(
    'vivit', path, video, tmp_path, fields={'temporal': temporal}
  )
  if temporal == 'pooled':
    assert converted.relative_error(ours.summary, model(video)) < 1e-4
  else:
    grid = model.everywhere(video).reshape(ours.grid.shape)
    assert converted.relative_error(ours.grid, grid) < 1e-4


def test_a_head_comes_with_what_the_published_classifier_reads(tmp_path):
  model = vivit_models.factorised(GRID, TUBELET, token=False)
  path = write(old(model.tree()), tmp_path / 'checkpoint')
  video = converted.video(2, 6, 16, 16, 3)
  ours, report = converted.encode('vivit', path, video, tmp_path, head='k')
  assert converted.relative_error(ours.summary, model(video)) < 1e-4
  assert any("temporal: 'pooled'" in note for note in report.notes)


def test_the_same_arrays_may_be_of_other_attention(tmp_path):
  model = vivit_models.factorised(GRID, TUBELET, token=False)
  tree = model.tree()
  tree['Transformer'] = tree.pop('SpatialTransformer')
  del tree['TemporalTransformer']
  path = write(old(tree), tmp_path / 'checkpoint')
  load = lambda **more: importing.load(
    'vivit', str(path), grid=(1, 2, 2), **more
  )
  assert any('factorised_dot_product' in note for note in load().notes)
  told = load(settings={'attention': 'factorised_dot_product'})
  assert told.layout.backbone['attention'] == 'factorised_dot_product'
  assert not told.notes


def test_joint_attention(tmp_path):
  model = vivit_models.joint(GRID, TUBELET)
  tree = vivit_models.joint_tree(model)
  path = write(old(tree), tmp_path / 'checkpoint')
  video = converted.video(2, 6, 16, 16, 3)
  ours, _ = converted.encode('vivit', path, video, tmp_path, grid=GRID)
  theirs = vivit_models.joint_tokens(model, video)
  assert converted.relative_error(ours.summary, theirs[:, 0]) < 1e-4


@pytest.fixture(scope='module')
def tree():
  return vivit_models.factorised(GRID, TUBELET, token=True).tree()


def backbone(path, **options):
  return importing.load('vivit', str(path), **options).layout.backbone


def joint(positions, block, cls=False):
  """A joint tree of 2 blocks, of ones; `block` has the names inside one."""
  ones = lambda *shape: np.ones(shape, np.float32)
  encoder = {
    'posembed_input': {'pos_embedding': ones(1, positions, 4)},
    'encoderblock_0': block,
    'encoderblock_1': block,
    'encoder_norm': {'scale': ones(4), 'bias': ones(4)},
  }
  tree = {
    'embedding': {'kernel': ones(2, 16, 16, 3, 4), 'bias': ones(4)},
    'Transformer': encoder,
  }
  return {**tree, 'cls': ones(1, 1, 4)} if cls else tree


def two_attentions():
  ones = lambda *shape: np.ones(shape, np.float32)
  norm = {'scale': ones(4), 'bias': ones(4)}
  part = {'kernel': ones(4, 2, 2), 'bias': ones(2, 2)}
  out = {'kernel': ones(2, 2, 4), 'bias': ones(4)}
  attention = {'query': part, 'key': part, 'value': part, 'out': out}
  dense = [{'kernel': ones(4, 8), 'bias': ones(8)}]
  dense += [{'kernel': ones(8, 4), 'bias': ones(4)}]
  axes = ('time', 'space')
  return {
    **{f'LayerNorm_{axis}': norm for axis in (*axes, 'mlp')},
    **{f'MultiHeadDotProductAttention_{axis}': attention for axis in axes},
    'MlpBlock': {f'Dense_{i}': layer for i, layer in enumerate(dense)},
  }


def test_factorised_self_attention_is_told_by_its_blocks(tmp_path):
  path = write(new(joint(16 * 14 * 14, two_attentions())), tmp_path / 'c')
  loaded = importing.load('vivit', str(path))
  assert loaded.layout.backbone == {
    'name': 'vivit',
    'attention': 'factorised_self_attention',
    'classifier': 'gap',
    'order': 'time_space',
    'width': 4,
    'depth': 2,
    'heads': 2,
    'mlp': 8,
    'tubelet': (2, 16, 16),
  }
  # 32 frames of 224 pixels, if nothing else is said.
  assert loaded.layout.video == (32, 224, 224)
  loaded = importing.load('vivit', str(path), grid=(4, 28, 28))
  assert loaded.layout.video == (8, 448, 448)


def test_depths_and_sizes_are_the_files(tmp_path, tree):
  assert backbone(write(old(tree), tmp_path / 'c')) == {
    'name': 'vivit',
    'attention': 'factorised_encoder',
    'temporal': 'pooled',
    'classifier': 'token',
    'width': 384,
    'depth': 2,
    'temporal_depth': 1,
    'heads': 6,
    'mlp': 768,
    'tubelet': (2, 8, 8),
  }


def test_orbax_folders(tmp_path, tree):
  path = tmp_path / 'orbax'
  ocp.PyTreeCheckpointer().save(path, new(tree))
  file = write(new(tree), tmp_path / 'msgpack')
  ours, again = (
    importing.load('vivit', str(p), head='k').arrays for p in (path, file)
  )
  assert ours.keys() == again.keys()
  for name, array in ours.items():
    np.testing.assert_array_equal(array, again[name], err_msg=name)


def test_names_from_before_linen(tmp_path, tree):
  flat = flax.traverse_util.flatten_dict(tree, sep='/')
  later = {'LayerNorm_1/': 'LayerNorm_2/', 'MlpBlock_0/': 'MlpBlock_3/'}
  later['DotProductAttention_0/'] = 'DotProductAttention_1/'
  renamed = {}
  for name, array in flat.items():
    for ours, theirs in later.items():
      name = name.replace(ours, theirs)
    renamed[name] = array
  nested = flax.traverse_util.unflatten_dict(renamed, sep='/')
  before = write(older(nested), tmp_path / 'before')
  ours = importing.load('vivit', str(write(old(tree), tmp_path / 'c'))).arrays
  again = importing.load('vivit', str(before)).arrays
  assert ours.keys() == again.keys()
  for name, array in ours.items():
    np.testing.assert_array_equal(array, again[name], err_msg=name)


def test_round_trip_is_exact(tmp_path, tree):
  path = write(old(tree), tmp_path / 'checkpoint')
  back = converted.round_trip('vivit', path, tmp_path, head='k')
  flat = flax.traverse_util.flatten_dict(tree, sep='/')
  assert back.keys() == flat.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, flat[name], err_msg=name)


def drop_block(tree):
  del tree['SpatialTransformer']['encoderblock_0']


def add_array(tree):
  tree['extra'] = np.ones(2, np.float32)


def make_oblong(tree):
  inside = tree['SpatialTransformer']['posembed_input']
  inside['pos_embedding'] = np.ones((1, 1 + 2 * 3, 128), np.float32)


@pytest.mark.parametrize(
  'change, said',
  [
    (drop_block, r'missing +SpatialTransformer/encoderblock_0/LayerNorm_0'),
    (add_array, 'unexpected +extra'),
    (make_oblong, r'what grid of tokens .*--grid'),
  ],
)
def test_what_differs_is_named(tmp_path, tree, change, said):
  changed = tree_lib.nest(flax.traverse_util.flatten_dict(tree, sep='/'), '/')
  change(changed)
  path = write(old(changed), tmp_path / 'checkpoint')
  with pytest.raises(WeightsError, match=said):
    importing.load('vivit', str(path))


def test_other_files_are_refused(tmp_path, tree):
  path = write(old(tree), tmp_path / 'checkpoint')
  with pytest.raises(WeightsError, match='is not of the family vivit_hf'):
    importing.load('vivit_hf', str(path))
  path.write_bytes(path.read_bytes()[:-1000])
  with pytest.raises(WeightsError, match='an incomplete download'):
    importing.load('vivit', str(path))


SMALL = {'width': 8, 'heads': 2}


def zoomed(table, grid, wanted):
  """scenic's own resizing of a table [1, n, d]."""
  volume = np.asarray(table)[0].reshape(*grid, -1)
  factors = [new / was for new, was in zip(wanted, grid)] + [1]
  out = scipy.ndimage.zoom(volume, factors, order=1)
  return out.reshape(1, -1, volume.shape[-1])


def test_a_dense_encoder_starts_from_one_of_class_tokens(make_config, tmp_path):
  """Fewer frames, and oblong frames that become square ones."""
  tubelet, grid = (2, 16, 16), (5, 2, 4)
  tree = vivit_models.factorised(
    grid, tubelet, token=True, **SMALL, depths=(1, 1)
  ).tree()
  path = write(old(tree), tmp_path / 'checkpoint')
  config = make_config('kinetics400')
  skip = ('^heads_', '^backbone/cls_')
  _, ours, report = started.start(
    config, 'vivit', path, 48, grid=grid, skip=skip
  )
  ours = flax.traverse_util.flatten_dict(ours, sep='/')
  flat = flax.traverse_util.flatten_dict(tree, sep='/')
  space = zoomed(flat.pop(SPACE)[:, 1:], (2, 4), (3, 3))
  np.testing.assert_allclose(ours.pop(SPACE), space, atol=1e-6)
  time = zoomed(flat.pop(TIME)[:, 1:], (5,), (2,))
  np.testing.assert_allclose(ours.pop(TIME), time, atol=1e-6)
  for name, array in ours.items():
    np.testing.assert_array_equal(array, flat[name], err_msg=name)
  resized = {r.ours: r.note for r in report.rows if r.status == 'resized'}
  assert resized == {
    f'backbone/{SPACE}': "2x4 to 3x3 tokens, linear, without the class token's",
    f'backbone/{TIME}': "5 to 2 tokens, linear, without the class token's",
  }


def test_without_skip_class_tokens_are_named(make_config, tmp_path):
  tree = vivit_models.factorised(
    (2, 2, 2), (2, 16, 16), token=True, **SMALL, depths=(1, 1)
  ).tree()
  path = write(old(tree), tmp_path / 'checkpoint')
  with pytest.raises(ValueError, match=r'unexpected +backbone/cls_Spatial'):
    started.start(make_config('kinetics400'), 'vivit', path, 32)


def test_a_clip_starts_from_an_image(make_config, tmp_path):
  """Filters in the middle of zeros, positions repeated over the frames."""
  model = vivit_models.joint((1, 3, 3), (1, 16, 16), **SMALL, depth=1)
  tree = vivit_models.joint_tree(model)
  path = write(old(tree), tmp_path / 'checkpoint')
  backbone = {
    **SMALL,
    'name': 'vivit',
    'attention': 'spacetime',
    'classifier': 'token',
    'mlp': 16,
    'depth': 1,
  }
  init = {'grid': (1, 3, 3), 'inflate': 'central'}
  config = make_config('kinetics400')
  _, ours, _ = started.start(config, 'vivit', path, 32, backbone, **init)
  ours = flax.traverse_util.flatten_dict(ours, sep='/')
  table = tree['Transformer']['posembed_input']['pos_embedding']
  space = zoomed(table[:, 1:], (3, 3), (2, 2))
  expected = np.concatenate([table[:, :1], space, space], 1)
  name = 'Transformer/posembed_input/pos_embedding'
  np.testing.assert_allclose(ours[name], expected, atol=1e-6)
  kernel = tree['embedding']['kernel']
  blank = np.zeros_like(kernel)
  np.testing.assert_array_equal(
    ours['embedding/kernel'], np.concatenate([blank, kernel])
  )


def test_a_run_starts(make_config, tmp_path):
  """What the family says of the tables needs no config."""
  tree = vivit_models.factorised(
    (2, 2, 2), (2, 16, 16), token=False, **SMALL, depths=(1, 1)
  ).tree()
  path = write(old(tree), tmp_path / 'checkpoint')
  fields = {'init.path': str(path), 'init.family': 'vivit'}
  state, origin = run_lib.prepare(
    make_config('kinetics400', **fields)
  ).init_state()
  assert f'arrays of {path}, 2 new' in origin and '0 resized' in origin
  flat = flax.traverse_util.flatten_dict(tree, sep='/')
  ours = flax.traverse_util.flatten_dict(state.params['backbone'], sep='/')
  for name, array in ours.items():
    np.testing.assert_array_equal(array, flat[name], err_msg=name)
