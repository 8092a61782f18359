"""Containers, prefixes and wrappers around a net are found, and are said."""

import numpy as np
import pytest
import small

from vidpetl import convert
from vidpetl.weights import importing
from vidpetl.weights.errors import WeightsError


def notes(imported):
  return ' '.join(imported.report.notes)


def twice(state):
  return {name: 2 * array for name, array in state.items()}


def is_whole(imported, factor=1):
  """Whether all is there, and from the net whose arrays are so large."""
  arrays = imported.arrays.values()
  return all((array == factor).all() for array in arrays) and len(arrays) == 22


@pytest.mark.parametrize(
  'place',
  ['model', 'model_state_dict', 'net', 'module', 'a/b/ema', 'models/0', ''],
)
def test_a_container_of_any_name_and_depth_is_found(tmp_path, place):
  tree = small.mae()
  for part in reversed(place.split('/') if place else []):
    tree = {'lr': 0.1, part: tree}
  imported = small.load(tree, tmp_path)
  assert is_whole(imported)
  if place:
    assert f'weights of {place!r}' in notes(imported)
    assert "lr']" in notes(imported)


@pytest.mark.parametrize(
  'prefix', ['model.', 'backbone.', 'net.encoder.', 'a.b.c.d.', '0.']
)
def test_a_prefix_of_any_name_is_found(tmp_path, prefix):
  tree = {'state_dict': small.prefixed(prefix, small.mae())}
  imported = small.load(tree, tmp_path)
  assert is_whole(imported)
  assert f'{prefix!r} taken off 18 names' in notes(imported)


def test_averages_in_the_same_dict_are_named_and_left(tmp_path):
  state = {
    **small.prefixed('model.', small.mae()),
    **small.prefixed('ema_model.', twice(small.mae())),
    'ema_model.n_averaged': np.array(3),
  }
  imported = small.load({'state_dict': state}, tmp_path)
  assert is_whole(imported)
  assert "not read: ['state_dict/ema_model.']" in notes(imported)
  assert '--entry=state_dict/ema_model takes them' in notes(imported)
  entry = 'state_dict/ema_model'
  assert is_whole(small.load({'state_dict': state}, tmp_path, entry=entry), 2)


def test_the_count_of_pytorchs_averages_is_no_array_of_the_net(tmp_path):
  state = small.prefixed('module.', small.mae()) | {'n_averaged': np.array(3)}
  imported = small.load(state, tmp_path)
  assert is_whole(imported)
  assert "not read: ['n_averaged']" in notes(imported)


def test_a_grid_that_the_tables_are_not_for_is_refused(tmp_path):
  with pytest.raises(WeightsError, match=r'grid \(1, 2, 3\) .* of 5 positions'):
    small.load(small.mae(), tmp_path, grid=(1, 2, 3))
  assert is_whole(small.load(small.mae(), tmp_path, grid=(1, 1, 4)))


@pytest.mark.parametrize('wrapper', ['module', '_orig_mod'])
def test_wrappers_are_dropped_in_front(tmp_path, wrapper):
  imported = small.load(small.prefixed(f'{wrapper}.', small.mae()), tmp_path)
  assert is_whole(imported)
  assert f"'{wrapper}.' taken off 18 names" in notes(imported)


@pytest.mark.parametrize(
  'wrapper', ['_checkpoint_wrapped_module', '_fsdp_wrapped_module']
)
def test_wrappers_are_dropped_anywhere(tmp_path, wrapper):
  state = {
    name.replace('blocks.0.', f'blocks.0.{wrapper}.'): array
    for name, array in small.prefixed('_orig_mod.net.', small.mae()).items()
  }
  imported = small.load({'state_dict': state}, tmp_path)
  assert is_whole(imported)
  assert f"'{wrapper}.' taken off 12 names" in notes(imported)
  assert "'_orig_mod.' taken off 18 names" in notes(imported)
  assert "'net.' taken off 18 names" in notes(imported)


def test_a_classifier_beside_the_net_loses_what_they_share(tmp_path):
  head = {
    'model.head.weight': np.ones((3, 64), np.float32),
    'model.head.bias': np.ones(3, np.float32),
  }
  state = small.prefixed('model.backbone.', small.mae()) | head
  imported = small.load({'state_dict': state}, tmp_path, head='k')
  assert imported.arrays['heads_k/output_projection/kernel'].shape == (64, 3)
  assert "'model.' taken off 2 names" in notes(imported)


def test_what_is_beside_the_net_is_not_dropped_in_silence(tmp_path):
  state = small.prefixed('model.', small.mae())
  state['criterion.weight'] = np.ones(2, np.float32)
  with pytest.raises(WeightsError, match=r'unexpected +criterion\.weight'):
    small.load({'state_dict': state}, tmp_path)
  allowed = small.load({'state_dict': state}, tmp_path, allow=['^criterion'])
  assert is_whole(allowed)


def test_averaged_weights_are_told_of_and_taken_where_asked_for(tmp_path):
  tree = {'model': small.mae(), 'model_ema': twice(small.mae()), 'epoch': 5}
  usual = small.load(tree, tmp_path)
  assert "weights of 'model'; not read: ['epoch', 'model_ema']" in notes(usual)
  assert '--entry=model_ema takes them' in notes(usual)
  assert is_whole(usual)
  assert is_whole(small.load(tree, tmp_path, entry='model_ema'), 2)
  with pytest.raises(WeightsError, match=r"no 'ema' with weights; it has \["):
    small.load(tree, tmp_path, entry='ema')


def test_several_nets_are_listed_and_an_entry_says_which(tmp_path):
  tree = {'student': small.mae(), 'teacher': twice(small.mae())}
  with pytest.raises(
    WeightsError, match=r'2 nets.*--entry=student or --entry=teacher'
  ):
    small.load(tree, tmp_path)
  assert is_whole(small.load(tree, tmp_path, entry='teacher'), 2)


def test_an_entry_may_be_a_module(tmp_path):
  state = small.prefixed('student.', small.mae())
  state |= small.prefixed('teacher.backbone.', twice(small.mae()))
  tree = {'state_dict': state}
  with pytest.raises(
    WeightsError,
    match=r'state_dict/student or --entry=state_dict/teacher\.backbone',
  ):
    small.load(tree, tmp_path)
  asked = small.load(tree, tmp_path, entry='state_dict/teacher')
  assert is_whole(asked, 2)
  assert "not read: ['state_dict/student.']" in notes(asked)


def test_moments_of_an_optimizer_are_no_nets(tmp_path):
  tree = {'params': small.mae(), 'opt_state': {'0': {'mu': twice(small.mae())}}}
  assert is_whole(small.load(tree, tmp_path))


def test_wrappers_that_make_two_names_one_are_refused(tmp_path):
  state = small.mae()
  state['module.norm.weight'] = state['norm.weight']
  with pytest.raises(
    WeightsError, match=r"two arrays would be called 'norm\.weight'"
  ):
    small.load(state, tmp_path)


def test_two_arrays_of_one_name_are_refused(tmp_path):
  tree = {**small.mae(), 'a': {'b': np.ones(1)}, 'a/b': np.ones(1)}
  with pytest.raises(WeightsError, match=r"two arrays are called 'a/b'"):
    small.load(tree, tmp_path)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_what_is_not_finite_is_refused(tmp_path, value):
  state = small.mae()
  state['blocks.0.mlp.fc1.weight'][3, 5] = value
  with pytest.raises(WeightsError, match=r'wrong +blocks\.0\.mlp.*not all of'):
    small.load(state, tmp_path)


def test_one_difference_is_one_line(tmp_path):
  state = small.mae() | {'more': np.ones(2, np.float32)}
  with pytest.raises(WeightsError) as error:
    small.load(state, tmp_path)
  assert '\n' not in str(error.value)


def image_vit():
  """An image's ViT as scenic has it, by 'a/b'."""
  block = 'Transformer/encoderblock_0'
  attention = f'{block}/MultiHeadDotProductAttention_0'
  shapes = {
    'cls': (1, 1, 64),
    'embedding/kernel': (16, 16, 3, 64),
    'embedding/bias': (64,),
    'Transformer/posembed_input/pos_embedding': (1, 5, 64),
    'output_projection/kernel': (64, 3),
    'output_projection/bias': (3,),
  }
  for norm in (
    'Transformer/encoder_norm',
    f'{block}/LayerNorm_0',
    f'{block}/LayerNorm_1',
  ):
    shapes |= {f'{norm}/scale': (64,), f'{norm}/bias': (64,)}
  for part in ('query', 'key', 'value'):
    shapes |= {f'{attention}/{part}/kernel': (64, 1, 64)}
    shapes |= {f'{attention}/{part}/bias': (1, 64)}
  shapes |= {f'{attention}/out/kernel': (1, 64, 64)}
  shapes |= {f'{attention}/out/bias': (64,)}
  for part in ('Dense_0', 'Dense_1'):
    shapes |= {f'{block}/MlpBlock_0/{part}/kernel': (64, 64)}
    shapes |= {f'{block}/MlpBlock_0/{part}/bias': (64,)}
  return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


def test_scenics_image_vit_is_read_with_its_classifier(tmp_path):
  tree = {'optimizer': {'target': image_vit(), 'state': {}}, 'global_step': 1}
  path = small.save(tree, tmp_path / 'ViT_B_16_ImageNet21k')
  out = tmp_path / 'out.safetensors'
  convert.import_file('vit_npz', str(path), str(out), head='k')
  assert out.exists()


def test_advice_leads_somewhere(tmp_path):
  """An image's ViT has a ViViT's names, and not its shapes."""
  path = small.save({'optimizer': {'target': image_vit()}}, tmp_path / 'vit')
  with pytest.raises(WeightsError, match=r'looks like vit_npz\.$'):
    importing.load('vivit', str(path))
  with pytest.raises(WeightsError, match=r'looks like vit_npz\.$'):
    importing.load('mae', str(path))
