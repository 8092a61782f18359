"""Files that no family is are called by their names, with what to do."""

import numpy as np
import pytest
import small

from vidpetl.weights import importing
from vidpetl.weights.errors import WeightsError

ONES = np.ones((64, 64), np.float32)


def refuse(tree, folder, match):
  with pytest.raises(WeightsError, match=match) as error:
    small.load(tree, folder)
  assert 'mae.msgpack' in str(error.value)
  assert '\n' not in str(error.value)


def test_a_model_that_peft_wraps(tmp_path):
  state = small.prefixed('base_model.model.', small.mae())
  at = 'base_model.model.blocks.0.attn.proj'
  state[f'{at}.base_layer.weight'] = state.pop(f'{at}.weight')
  state[f'{at}.lora_A.default.weight'] = ONES[:2]
  refuse(state, tmp_path, 'peft still wraps.*merge_and_unload.*from_peft')


def test_an_adapter_alone(tmp_path):
  at = 'base_model.model.blocks.0.attn.proj'
  names = (f'{at}.lora_A.weight', f'{at}.lora_B.weight')
  refuse(dict.fromkeys(names, ONES), tmp_path, 'an adapter alone.*from_peft')


def test_uniformer_v2(tmp_path):
  at = 'transformer.resblocks.0'
  names = (f'{at}.lmhra1.pos_embed.1.weight', f'{at}.ln_1.weight')
  refuse(dict.fromkeys(names, ONES), tmp_path, 'a UniFormerV2: .* no such')


def test_a_convnext(tmp_path):
  for name in ('0.0.dwconv', '0.layers.0.depthwise_conv'):
    tree = {f'stages.{name}.weight': ONES, 'norm.weight': ONES[0]}
    refuse(tree, tmp_path, 'a ConvNeXt, as DINOv3 publishes')


def test_an_optimizer_alone(tmp_path):
  state = {'0': {'exp_avg': ONES, 'exp_avg_sq': ONES, 'step': ONES[0, 0]}}
  tree = {'state': state, 'param_groups': {'0': {'lr': 0.1}}}
  refuse(tree, tmp_path, "an optimizer's state alone")


@pytest.mark.parametrize(
  'name', ['mlp.fc1.weight.absmax', 'mlp.fc1.qweight', 'mlp.fc1.weight_scale']
)
def test_quantised_by_name(tmp_path, name):
  state = small.mae() | {f'blocks.0.{name}': ONES}
  refuse(state, tmp_path, 'holds quantised weights; take them as float32')


def test_quantised_by_type(tmp_path):
  state = small.mae()
  name = 'blocks.0.mlp.fc1.weight'
  state[name] = state[name].astype(np.int8)
  refuse(
    state, tmp_path, rf'1 of its arrays, such as {name}, .* int8, as quant'
  )


def test_parameters_strung_together(tmp_path):
  refuse({'a._flat_param': ONES[0]}, tmp_path, 'FSDP.*full state_dict')


@pytest.mark.torch
@pytest.mark.parametrize('form', ['pytorch', 'zipped', 'safetensors'])
def test_float8_by_its_name(tmp_path, form):
  torch = pytest.importorskip('torch')
  state = {name: torch.from_numpy(a) for name, a in small.mae().items()}
  name = 'blocks.0.mlp.fc1.weight'
  state[name] = state[name].to(torch.float8_e4m3fn)
  path = tmp_path / 'weights'
  if form == 'safetensors':
    saves = pytest.importorskip('safetensors.torch')
    saves.save_file(state, path)
  else:
    zipped = form == 'zipped'
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
  with pytest.raises(
    WeightsError, match=rf'such as {name}.*(?i:F(loat)?8_e4m3)'
  ):
    importing.load('mae', str(path))


@pytest.mark.torch
@pytest.mark.filterwarnings('ignore')
def test_pytorchs_quantised_tensors(tmp_path):
  torch = pytest.importorskip('torch')
  state = {name: torch.from_numpy(a) for name, a in small.mae().items()}
  name = 'blocks.0.mlp.fc1.weight'
  state[name] = torch.quantize_per_tensor(state[name], 0.1, 0, torch.qint8)
  torch.save(state, tmp_path / 'weights')
  with pytest.raises(WeightsError, match=f'such as {name}, .* type quantised'):
    importing.load('mae', str(tmp_path / 'weights'))
