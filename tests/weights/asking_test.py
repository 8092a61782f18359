"""What nobody says is asked for at once, with the flags that answer."""

import dataclasses

import numpy as np
import pytest
import small

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.parameters import storage
from vidpetl.weights import family as family_lib
from vidpetl.weights import importing, settings
from vidpetl.weights.errors import UnsaidError, WeightsError


def write(tmp_path, width=384):
  """Writes a file of the family mae, of another width and one block."""
  arrays = {
    name: np.ones([n * width // 64 if n >= 64 else n for n in array.shape])
    for name, array in small.mae().items()
  }
  arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
  path = tmp_path / 'mae.safetensors'
  storage.save_arrays(str(path), arrays, {})
  return str(path)


def test_heads_are_not_taken_from_a_width(tmp_path):
  path = write(tmp_path)
  with pytest.raises(UnsaidError) as raised:
    importing.load('mae', path)
  assert 'no array shows heads, and no config.json beside it' in str(raised)
  assert '--set heads=6 (as published ViTs of 384 channels have)' in str(raised)
  found = importing.load('mae', path, settings={'heads': 3})
  assert found.layout.backbone['heads'] == 3
  with pytest.raises(WeightsError, match='no ViT of 64 channels is published'):
    importing.load('mae', write(tmp_path, 64))


def test_the_config_of_a_run_says_them(tmp_path):
  path = write(tmp_path)
  expected = {'heads': 12, 'summary': 'cls'}
  found = importing.load('mae', path, expected=expected)
  assert found.layout.backbone['heads'] == 12
  # Only what nobody else says: fine-tuning's own code reads the mean.
  assert found.layout.backbone['summary'] == 'mean'
  settled = importing.load(
    'mae', path, settings={'heads': 6}, expected=expected
  )
  assert settled.layout.backbone['heads'] == 6


def test_all_that_is_open_is_asked_at_once(tmp_path, monkeypatch):
  family = family_lib.load('mae')
  unshown = settings.Unshown(
    'activation', {'a': 'one', 'b': 'two'}, settings.ASK
  )
  asking = dataclasses.replace(family, unshown=(unshown,))
  monkeypatch.setattr(family_lib, 'load', lambda _: asking)
  asked = r'shows heads and activation, .*=a \(one\) or --set activation=b'
  with pytest.raises(UnsaidError, match=asked):
    importing.load('mae', write(tmp_path))


def test_a_published_backbone_answers(tmp_path):
  """`convert` offers those of that width, and takes their settings."""
  path, out = write(tmp_path, 768), str(tmp_path / 'out.safetensors')
  with pytest.raises(UnsaidError, match=r'that it is, --preset=mae_b$'):
    convert.import_file('mae', path, out)
  # A convolution of 64 channels is no ViT of 64.
  assert published.presets_for(64, 'mae') == []
  assert 'clip_b16' in published.presets_for(768, 'timm')
  # This one is not as deep.
  with pytest.raises(WeightsError, match='depth=12 was said, and the arrays'):
    convert.import_file('mae', path, out, preset='mae_b')
  with pytest.raises(ValueError, match=r'--preset=b16 is none of .*videomae_b'):
    convert.import_file('mae', path, out, preset='b16')
  more = {'depth': 1}  # What is said by itself precedes the preset.
  convert.import_file('mae', path, out, preset='mae_b', settings=more)
  assert published.read_metadata(out)['backbone']['heads'] == 12


def test_another_structure_is_told_before_anything_is_asked(tmp_path):
  arrays = small.mae()
  del arrays['blocks.0.mlp.fc1.bias']
  path = tmp_path / 'mae.safetensors'
  storage.save_arrays(str(path), arrays, {})
  with pytest.raises(WeightsError, match=r'missing +blocks.0.mlp.fc1.bias'):
    importing.load('mae', str(path))
