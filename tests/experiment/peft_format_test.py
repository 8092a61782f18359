"""LoRA and (IA)^3 to peft's files and back."""

import json

import numpy as np
import packages
import pytest
import safetensors.numpy

from vidpetl import adapter
from vidpetl.backbones import site
from vidpetl.experiment import adapters, peft_format
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
  shapes = peft_format.write(str(tmp_path), packed, 'model.')
  name = f'base_model.model.model.{BACKBONES[backbone]}.{end}'
  assert shapes.get(name) == shape
  assert shapes['base_model.model.classifier.weight'] == (3, 8)
  entries = peft_format.read_config(str(tmp_path))
  for entry, before in zip(entries, packed.config['petl'], strict=True):
    # Which of q, k and v means something at their site alone.
    assert entry == {
      k: v for k, v in before.items() if k != 'to' or 'to' in entry
    }
  found = peft_format.read(
    str(tmp_path), {k: v.shape for k, v in params.items()}
  )
  assert set(found) == set(packed.params)
  for path, value in found.items():
    np.testing.assert_array_equal(value, packed.params[path])


def test_a_package_from_peft_gives_the_same_logits(tmp_path):
  config = packages.make_config('clip', 'lora', rank=2)
  packed, params = packages.pack(config)
  peft_format.write(str(tmp_path / 'peft'), packed)
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
      peft_format.write(str(tmp_path), packed)


@pytest.mark.parametrize(
  'change, match',
  [
    ({'use_dora': True}, 'use_dora=True is not supported'),
    ({'rank_pattern': {'a': 2}}, 'rank_pattern'),
    ({'target_modules': ['fc9']}, r"target_modules \['fc9'\] are no dense"),
    ({'target_modules': '.*fc1'}, r"target_modules '.\*fc1' is no list"),
    ({'peft_type': 'VERA'}, "peft_type 'VERA'"),
    (
      {'peft_type': 'IA3', 'feedforward_modules': ['q_proj']},
      'in front of attn_qkv/query has no site here',
    ),
  ],
)
def test_other_kinds_are_refused(tmp_path, change, match):
  packed, _ = packages.pack(packages.make_config('clip', 'lora', rank=2))
  peft_format.write(str(tmp_path), packed)
  path = tmp_path / package.CONFIG
  path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
  with pytest.raises(ValueError, match=match):
    peft_format.read_config(str(tmp_path))


@pytest.mark.parametrize(
  'targets, sites',
  [
    (['dense'], ['attn_proj', 'mlp_fc1', 'mlp_fc2']),
    (['output.dense'], ['attn_proj', 'mlp_fc2']),
    (['encoder.layer.0.output.dense'], ['mlp_fc2']),
    (['vision_model.encoder.layers.11.mlp.fc1'], ['mlp_fc1']),
    (['query', 'v_proj', 'intermediate.dense'], ['attn_qkv', 'mlp_fc1']),
  ],
)
def test_modules_are_found_as_peft_finds_them(targets, sites, tmp_path):
  """By the whole name, or its end."""
  packed, _ = packages.pack(packages.make_config('clip', 'lora', rank=2))
  peft_format.write(str(tmp_path), packed)
  path = tmp_path / package.CONFIG
  config = {**json.loads(path.read_text()), 'target_modules': targets}
  path.write_text(json.dumps(config))
  found = [entry['site'] for entry in peft_format.read_config(str(tmp_path))]
  assert found == sites


def test_two_ranks_are_refused(tmp_path):
  config = packages.make_config('clip', 'lora', rank=2, sites=site.DENSE)
  config.petl = (*config.petl[:-1], {**config.petl[-1], 'rank': 3})
  packed, _ = packages.pack(config)
  with pytest.raises(ValueError, match='one rank, alpha and dropout for all'):
    peft_format.write(str(tmp_path), packed)


def test_missing_and_unknown_arrays_are_named(tmp_path):
  packed, params = packages.pack(packages.make_config('clip', 'lora', rank=2))
  peft_format.write(str(tmp_path), packed)
  shapes = {k: v.shape for k, v in params.items()}
  arrays = safetensors.numpy.load_file(tmp_path / package.MODEL)
  name = next(n for n in arrays if 'lora_A' in n)
  value = arrays.pop(name)
  safetensors.numpy.save_file(arrays, tmp_path / package.MODEL)
  with pytest.raises(ValueError, match=r'missing \[.backbone/'):
    peft_format.read(str(tmp_path), shapes)
  arrays |= {name: value[:, :3].copy()}
  safetensors.numpy.save_file(arrays, tmp_path / package.MODEL)
  with pytest.raises(ValueError, match=r'is \(2, 3\), for \(8, 2\)'):
    peft_format.read(str(tmp_path), shapes)
