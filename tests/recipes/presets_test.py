"""Published backbones: what is known of each agrees with what is built."""

import pytest

from vidpetl import backbones
from vidpetl.recipes import presets
from vidpetl.weights import family

NAMES = list(presets.all_presets())


@pytest.mark.parametrize('name', NAMES)
def test_a_preset_and_its_twins_are_backbones(name):
  found = presets.find(name)
  assert presets.like(found.fields).fields['name'] == found.fields['name']
  for fields in ({}, found.small, found.tiny):
    backbones.build({**found.fields, **fields})
  assert found.licence and found.title and found.files
  assert found.family in family.names()
  assert found.source.startswith('https://')
  assert len(found.mean) == len(found.std) == 3


@pytest.mark.parametrize('name', NAMES)
def test_a_preset_is_what_its_family_is_for(name):
  """The family of its weights knows this kind of backbone."""
  found = presets.find(name)
  assert found.fields['name'] in family.load(found.family).rules


def test_the_most_alike_preset_is_found():
  fields = {'name': 'vit', 'kind': 'dinov2', 'width': 64, 'registers': 4}
  assert presets.like(fields).family == 'dinov2_registers'
  assert presets.like({**fields, 'registers': 0}).family == 'dinov2'


def test_pixels_are_the_familys_unless_papers_took_others():
  assert presets.find('clip_b16').mean == pytest.approx(
    (0.48145466, 0.4578275, 0.40821073)
  )
  assert presets.find('i3d_hassony2').mean == (0.5, 0.5, 0.5)
  assert presets.find('i3d').mean == family.IMAGENET[0]


def test_an_unknown_preset_is_an_error_with_those_there_are():
  with pytest.raises(
    ValueError, match=r'backbone=vit_x is none of .*videomae_b'
  ):
    presets.find('vit_x')
