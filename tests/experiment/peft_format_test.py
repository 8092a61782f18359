"""LoRA to peft's files and back."""

import json

import numpy as np
import packages
import pytest
import safetensors.numpy

from vidpetl import adapter
from vidpetl.experiment import adapters, peft_format
from vidpetl.parameters import package, storage
from vidpetl.recipes import defaults

BACKBONES = {
  'clip': ('encoder.layers.0.self_attn.q_proj', 'clip'),
  'vivit': ('layers.0.attention.q_proj', 'vivit'),
}


@pytest.mark.parametrize('backbone', BACKBONES)
@pytest.mark.parametrize('to', ['qv', 'k'])
def test_there_and_back(backbone, to, tmp_path):
  config = packages.make_config(backbone, 'lora', rank=2, alpha=6.0, to=to)
  packed, params = packages.pack(config)
  shapes = peft_format.write(str(tmp_path), packed, 'model.')
  name = f'base_model.model.model.{BACKBONES[backbone][0]}.lora_A.weight'
  assert shapes.get(name) == ((2, 8) if 'q' in to else None)
  assert shapes['base_model.model.classifier.weight'] == (3, 8)
  entry = peft_format.read_config(str(tmp_path))
  assert entry == {**packed.config['petl'][0], 'dropout': 0.0}
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
    ('swin', 'lora', {'rank': 2}, 'peft has no names for LoRA on'),
    ('clip', 'adaptformer', {'bottleneck': 2}, r"has \['adapter'\]"),
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
    ({'target_modules': ['fc1']}, r"target_modules \['fc1'\]"),
    ({'peft_type': 'IA3'}, "peft_type 'IA3'"),
  ],
)
def test_other_kinds_of_lora_are_refused(tmp_path, change, match):
  packed, _ = packages.pack(packages.make_config('clip', 'lora', rank=2))
  peft_format.write(str(tmp_path), packed)
  path = tmp_path / package.CONFIG
  path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
  with pytest.raises(ValueError, match=match):
    peft_format.read_config(str(tmp_path))


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
