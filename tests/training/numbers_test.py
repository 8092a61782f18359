"""Numbers of a config are the same as arguments of a program."""

import dataclasses
import inspect

import jax
import numpy as np
import pytest
import tiny

from vidpetl import parts
from vidpetl.experiment import model as model_lib
from vidpetl.petl import bindings, techniques
from vidpetl.training import numbers

# Technique -> its site, and numbers of it.
TECHNIQUES = {
  'adapter': ('mlp', {'scale': 0.7, 'dropout': 0.4}),
  'lora': ('attn_qkv', {'alpha': 3.0, 'dropout': 0.4}),
  'patt': ('attn_qkv', {'scale': 0.3}),
  'prompt': ('block_in', {'dropout': 0.4}),
}
NAMES = ('scale', 'alpha', 'dropout')


def bound(remat=False, **entry):
  backbone = tiny.BACKBONES['clip'](remat=remat)
  return model_lib.Model(bindings.bind(backbone, [entry]), {}, {}, {})


def features(model, params):
  out = model.backbone.apply(
    {'params': params}, tiny.VIDEO, True, rngs={'dropout': tiny.key(1)}
  )
  return out.grid


@pytest.mark.parametrize('remat', [False, True])
@pytest.mark.parametrize('technique', TECHNIQUES)
def test_a_techniques_numbers_as_arguments(technique, remat):
  site, values = TECHNIQUES[technique]
  entry = {'technique': technique, 'site': site}
  other = bound(remat, **entry, **dict.fromkeys(values, 0.6))
  params = tiny.shapes(other.backbone)
  params = tiny.trainable.unflatten(tiny.random(params))

  @jax.jit
  def of_arguments(params, found):
    model, _ = numbers.put(other, None, found)
    return features(model, params)

  paths = {f'petl[0].{name}': value for name, value in values.items()}
  assert numbers.among(paths | {'petl[0].rank': 4, 'seed': 1}) == paths
  own = jax.jit(lambda p: features(bound(remat, **entry, **values), p))(params)
  np.testing.assert_allclose(of_arguments(params, paths), own, atol=2e-4)
  before = jax.jit(lambda p: features(other, p))(params)
  assert np.abs(before - own).max() > 1e-3


def test_they_are_those_of_all_techniques():
  found = set()
  for name in parts.names(techniques, 'build'):
    build = parts.load(techniques, name, 'build', 'techniques').build
    if inspect.isclass(build) and set(NAMES) & {
      field.name for field in dataclasses.fields(build)
    }:
      found.add(name)
  assert found == set(TECHNIQUES)


@pytest.mark.parametrize('value', ['learned', True, (1.0, 2.0), None])
def test_what_is_no_number_is_a_part_of_the_program(value):
  assert not numbers.among({'petl[0].scale': value})
