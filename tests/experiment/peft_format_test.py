"""LoRA and (IA)^3 to peft's files and back."""

import json
import re

import numpy as np
import packages
import pytest
import safetensors.numpy

from vidpetl import adapter
from vidpetl.backbones import site
from vidpetl.experiment import adapters
from vidpetl.experiment.peft import reading, writing
from vidpetl.parameters import package, storage
from vidpetl.recipes import defaults

BACKBONES = {
  'clip': 'encoder.layers.0.self_attn.q_proj',
  'videomae': 'encoder.layer.0.attention.attention.query',
  'vivit': 'layers.0.attention.q_proj',
}


# Method, its options, (end of a name, shape, whether it is there).
CASES = {
  'qv': ('lora', {'to': 'qv'}, ('lora_A.weight', (2, 8))),
  'k': ('lora', {'to': 'k'}, ('lora_A.weight', None)),
  'dense': ('lora', {'sites': site.DENSE}, ('lora_A.weight', (2, 8))),
  'fc2': ('lora', {'sites': ('mlp_fc2',)}, ('lora_A.weight', None)),
  'ia3': ('ia3', {}, ('ia3_l', None)),
  'ia3 all': (
    'ia3',
    {'to': 'qk', 'sites': ('attn_qkv', 'attn_out', 'mlp_fc1', 'mlp_hidden')},
    ('ia3_l', (8, 1)),
  ),
}


@pytest.mark.parametrize('backbone', BACKBONES)
@pytest.mark.parametrize('case', CASES)
def test_there_and_back(backbone, case, tmp_path):
  method, options, (end, shape) = CASES[case]
  if method == 'lora':
    options = {'rank': 2, 'alpha': 6.0, **options}
  config = packages.make_config(backbone, method, **options)
  packed, params = packages.pack(config)
  shapes = writing.write(str(tmp_path), packed, 'model.')
  name = f'base_model.model.model.{BACKBONES[backbone]}.{end}'
  assert shapes.get(name) == shape
  assert shapes['base_model.model.classifier.weight'] == (3, 8)
  entries = reading.read_config(str(tmp_path), 1)
  for entry, before in zip(entries, packed.config['petl'], strict=True):
    # Which of q, k and v means something at their site alone.
    assert entry == {
      k: v for k, v in before.items() if k != 'to' or 'to' in entry
    }
  found = reading.read(
    str(tmp_path), {k: v.shape for k, v in params.items()}, params
  )
  assert set(found) == set(packed.params)
  for path, value in found.items():
    np.testing.assert_array_equal(value, packed.params[path])


def test_a_package_from_peft_gives_the_same_logits(tmp_path):
  config = packages.make_config('clip', 'lora', rank=2)
  packed, params = packages.pack(config)
  writing.write(str(tmp_path / 'peft'), packed)
  backbone = str(tmp_path / 'backbone.safetensors')
  storage.save_arrays(backbone, packages.backbone_of(params))
  plain = packages.make_config('clip', 'head')
  plain.seed = 0
  plain.init = defaults.get_config().init
  plain.init.update(path=backbone, skip=('^heads_', '/site_'))
  adapter.from_peft(str(tmp_path / 'peft'), plain, str(tmp_path / 'again'))
  ours = adapters.Adapters(backbone)
  ours.load(packed, 'before')
  ours.load(tmp_path / 'again', 'after')
  np.testing.assert_array_equal(
    *(ours.logits(name, packages.CLIPS) for name in ('before', 'after'))
  )


def test_what_peft_has_no_place_for_is_refused(tmp_path):
  cases = [
    ('swin', 'lora', {'rank': 2}, 'peft has no names for layers of'),
    ('clip', 'adaptformer', {'bottleneck': 2}, r"has \['adapter'\]"),
    (
      'clip',
      'ia3',
      {'sites': ('attn_proj', 'attn_out')},
      'peft has one .*out_proj.ia3_l, and this package two',
    ),
  ]
  for backbone, method, options, match in cases:
    packed, _ = packages.pack(packages.make_config(backbone, method, **options))
    with pytest.raises(ValueError, match=match):
      writing.write(str(tmp_path), packed)


def written(folder, change=None, rename=None, backbone='clip', **options):
  """Writes LoRA of a model as peft would have, but for changes."""
  options = {'rank': 2, **options}
  packed, params = packages.pack(
    packages.make_config(backbone, 'lora', **options)
  )
  writing.write(str(folder), packed)
  path = folder / package.CONFIG
  path.write_text(
    json.dumps({**json.loads(path.read_text()), **(change or {})})
  )
  arrays = safetensors.numpy.load_file(folder / package.MODEL)
  arrays = {(rename or str)(name): array for name, array in arrays.items()}
  safetensors.numpy.save_file(
    {name: array for name, array in arrays.items() if name},
    folder / package.MODEL,
  )
  return packed, params


@pytest.mark.parametrize(
  'change, hint',
  [
    ({'lora_bias': True}, 'merge_and_unload'),
    ({'bias': 'lora_only'}, 'merge_and_unload'),
    ({'init_lora_weights': 'pissa_niter_16'}, 'path_initial_model_for_weight'),
    ({'init_lora_weights': 'corda'}, 'path_initial_model_for_weight_conv'),
    ({'init_lora_weights': 'lora_ga'}, 'path_initial_model_for_weight_conv'),
    ({'init_lora_weights': 'loftq'}, 'quantised'),
    ({'alora_invocation_tokens': [1, 2]}, 'exists in peft alone'),
    ({'use_bdlora': {'nblocks': 2}}, 'merge_and_unload'),
    ({'kasa_config': {'beta': 1e-4}}, 'merge_and_unload'),
    ({'arrow_config': {'top_k': 3}}, 'exists in peft alone'),
    ({'layer_replication': [[0, 1], [0, 1]]}, 'exists in peft alone'),
    ({'trainable_token_indices': [0]}, 'exists in peft alone'),
    ({'target_parameters': ['fc1.weight']}, 'target_modules'),
    ({'velora_config': {'scale': 1.0}}, 'merge_and_unload'),
    ({'fan_in_fan_out': True}, 'merge_and_unload'),
    ({'of_another_year': 'x'}, 'merge_and_unload'),
    ({'of_another_year': 0}, 'merge_and_unload'),
  ],
)
def test_what_is_no_plain_lora_is_refused_by_name(tmp_path, change, hint):
  written(tmp_path, change)
  ((field, value),) = change.items()
  said = rf'{field}={re.escape(repr(value))} is more than plain LORA.*{hint}'
  with pytest.raises(ValueError, match=said):
    reading.read_config(str(tmp_path), 1)


@pytest.mark.parametrize(
  'change',
  [
    {'of_another_year': None, 'and_one': False, 'or': [], 'this': {}},
    *({'init_lora_weights': x} for x in (True, False, 'gaussian', 'eva')),
    {'target_modules': r'.*\.(q|v)_proj', 'exclude_modules': ['k_proj']},
    {'layers_to_transform': [0], 'layers_pattern': 'layers'},
    {'rank_pattern': {'q_proj': 2}, 'r': 5, 'eva_config': {'rho': 2.0}},
  ],
)
def test_what_leaves_lora_plain_changes_nothing(tmp_path, change):
  packed, _ = written(tmp_path, change)
  (entry,) = reading.read_config(str(tmp_path), 1)
  assert entry == packed.config['petl'][0] | {'dropout': 0.0}


def test_each_layer_has_its_rank_and_scale(tmp_path):
  """Four entries: of two blocks, with ranks and alphas by layer."""
  names = {'self_attn.q_proj': 1, 'self_attn.v_proj': 2, 'mlp.fc1': 3}
  arrays = {}
  for block in (1, 3):
    for name, rank in names.items():
      at = f'base_model.model.vision_model.encoder.layers.{block}.{name}'
      arrays[f'{at}.lora_A.weight'] = np.zeros((rank, 8), np.float32)
      arrays[f'{at}.lora_B.weight'] = np.zeros((8, rank), np.float32)
  safetensors.numpy.save_file(arrays, tmp_path / package.MODEL)
  config = {
    'peft_type': 'LORA',
    'r': 1,
    'lora_alpha': 4,
    'alpha_pattern': {r'layers\.3\..*fc1': 6, 'fc1': 5},
    'use_rslora': True,
  }
  (tmp_path / package.CONFIG).write_text(json.dumps(config))
  both = 'encoderblock_(1|3)(/|$)'
  expected = [
    ('attn_qkv', 1, 4.0, 'q', both),
    ('attn_qkv', 2, 4.0, 'v', both),
    ('mlp_fc1', 3, 5.0, None, 'encoderblock_(1)(/|$)'),
    ('mlp_fc1', 3, 6.0, None, 'encoderblock_(3)(/|$)'),
  ]
  found = [
    tuple(map(entry.get, ('site', 'rank', 'alpha', 'to', 'where')))
    for entry in reading.read_config(str(tmp_path), 4)
  ]
  assert found == expected


@pytest.mark.parametrize(
  'rename, match',
  [
    (lambda n: n.replace('q_proj', 'fc9'), 'fc9.lora_. *.*no dense layer'),
    (lambda n: n.replace('.layers.0', ''), 'belongs to no dense layer'),
    (lambda n: '' if 'lora' in n else n, 'nothing was learned for a layer'),
    (
      lambda n: (
        n.replace('model.encoder', 'model.text.encoder').replace(
          'v_proj', 'q_proj'
        )
        if 'v_proj' in n
        else n
      ),
      'for two layers that are one here: .*text.encoder',
    ),
  ],
)
def test_arrays_of_no_layer_are_named(tmp_path, rename, match):
  written(tmp_path, rename=rename)
  with pytest.raises(ValueError, match=match):
    reading.read_config(str(tmp_path), 1)


def test_other_types_and_files_are_refused(tmp_path):
  written(tmp_path, {'peft_type': 'VERA'})
  with pytest.raises(ValueError, match="peft_type 'VERA'"):
    reading.read_config(str(tmp_path), 1)
  written(tmp_path, {'lora_alpha': None})
  with pytest.raises(ValueError, match='lora_alpha is None, and not a number'):
    reading.read_config(str(tmp_path), 1)
  packed, _ = packages.pack(packages.make_config('clip', 'ia3'))
  writing.write(str(tmp_path), packed)
  arrays = safetensors.numpy.load_file(tmp_path / package.MODEL)
  arrays = {n: a.T.copy() for n, a in arrays.items() if 'ia3' in n}
  safetensors.numpy.save_file(arrays, tmp_path / package.MODEL)
  with pytest.raises(ValueError, match=r'in front of attn_qkv/.* has no site'):
    reading.read_config(str(tmp_path), 1)
  (tmp_path / package.MODEL).unlink()
  written(tmp_path)
  (tmp_path / package.MODEL).unlink()
  with pytest.raises(ValueError, match='safe_serialization'):
    reading.read_config(str(tmp_path), 1)


def test_ranks_and_scales_of_single_layers_there_and_back(tmp_path):
  config = packages.make_config('clip', 'lora', rank=2, alpha=3.0, to='qv')
  fc1 = {**config.petl[0], 'site': 'mlp_fc1', 'rank': 4, 'alpha': 6.0}
  config.petl = (*config.petl, fc1)
  packed, params = packages.pack(config)
  writing.write(str(tmp_path), packed)
  entries = reading.read_config(str(tmp_path), 1)
  assert [(e['rank'], e['alpha']) for e in entries] == [(2, 3.0), (4, 6.0)]
  shapes = {k: v.shape for k, v in params.items()}
  assert set(reading.read(str(tmp_path), shapes, params)) == set(packed.params)


def test_two_rates_of_dropout_are_refused(tmp_path):
  config = packages.make_config('clip', 'lora', rank=2, sites=site.DENSE)
  config.petl = (*config.petl[:-1], {**config.petl[-1], 'dropout': 0.5})
  packed, _ = packages.pack(config)
  with pytest.raises(ValueError, match='one dropout for all layers'):
    writing.write(str(tmp_path), packed)


def test_missing_and_unknown_arrays_are_named(tmp_path):
  packed, params = packages.pack(packages.make_config('clip', 'lora', rank=2))
  writing.write(str(tmp_path), packed)
  shapes = {k: v.shape for k, v in params.items()}
  arrays = safetensors.numpy.load_file(tmp_path / package.MODEL)
  name = next(n for n in arrays if 'lora_A' in n)
  value = arrays.pop(name)
  safetensors.numpy.save_file(arrays, tmp_path / package.MODEL)
  with pytest.raises(ValueError, match=r'missing \[.backbone/'):
    reading.read(str(tmp_path), shapes, params)
  arrays |= {name: value[:, :3].copy()}
  safetensors.numpy.save_file(arrays, tmp_path / package.MODEL)
  with pytest.raises(ValueError, match=r'is \(2, 3\), for \(8, 2\)'):
    reading.read(str(tmp_path), shapes, params)
