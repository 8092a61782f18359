"""`vidpetl backbones`: every preset, from its own data alone."""

import dataclasses
import json
import types

import pytest

from vidpetl import catalogue as door
from vidpetl.recipes import catalogue, presets, sizes
from vidpetl.recipes import preset as preset_lib
from vidpetl.studies import sizes as counting
from vidpetl.weights import family

NAMES = list(presets.all_presets())


def test_every_backbone_is_listed_with_its_sizes():
  text = door.listed([catalogue.entry(name) for name in catalogue.chosen([])])
  lines = dict(line.split(None, 1) for line in text.splitlines() if line)
  for name in NAMES:
    assert presets.find(name).title in lines[name]


@pytest.mark.parametrize('name', NAMES)
def test_the_table_of_sizes_is_of_this_backbone(name):
  """If not: python launch/docs_tables.py."""
  preset = presets.find(name)
  found = sizes.find(name, preset)
  assert found.parameters > 1e6 and found.macs > 1e8
  printed = preset.published or preset_lib.Published('')
  # Tables print few digits, count classifiers, or have larger crops.
  if printed.gflops:
    assert found.macs == pytest.approx(1e9 * printed.gflops, rel=0.25)
  if printed.parameters:
    assert found.parameters == pytest.approx(1e6 * printed.parameters, rel=0.25)


@pytest.mark.parametrize(
  'name, millions, gigas',
  [
    # open_clip's docs/model_profile.csv, with a projection of width x n, and
    # two operations to a multiply-add of one image.
    ('clip_l14_336', 304.29 - 1.024 * 0.768, 381.92 / 2),
    ('clip_h14', 632.08 - 1.28 * 1.024, 334.59 / 2),
    ('clip_bigg14', 1844.91 - 1.664 * 1.28, 967.5 / 2),
    ('eva02_clip_b16', 86.26 - 0.769 * 0.512, 35.13 / 2),
    ('eva02_clip_l14', 304.11 - 1.025 * 0.768, 162.0 / 2),
    ('eva02_clip_l14_336', 304.43 - 1.025 * 0.768, 381.86 / 2),
    ('eva01_clip_g14', 1012.59 - 1.409 * 1.024, 534.06 / 2),
  ],
)
def test_sizes_are_those_that_are_printed_to_the_last_digit(
  name, millions, gigas
):
  preset = presets.find(name)
  found = sizes.find(name, preset)
  assert found.parameters / 1e6 == pytest.approx(millions, abs=0.01)
  frames = preset.clip['frames']
  assert found.macs / frames / 1e9 == pytest.approx(gigas, rel=3e-4)


def test_sizes_of_another_clip_or_of_other_fields_are_not_taken():
  preset = presets.find('mae_b')
  for other in (
    {'fields': {**preset.fields, 'depth': 3}},
    {'clip': {**preset.clip, 'frames': 2}},
  ):
    assert sizes.find('mae_b', dataclasses.replace(preset, **other)) is None


def _smallest():
  """Returns the smallest preset of each kind of backbone."""
  found = {}
  for name in sorted(NAMES, key=lambda n: -_row(n).parameters):
    fields = presets.find(name).fields
    found[fields['name'], fields.get('kind')] = name
  return sorted(found.values(), key=lambda name: _row(name).parameters)


def _row(name):
  return sizes.find(name, presets.find(name))


@pytest.mark.table(9)
@pytest.mark.tail(2)
@pytest.mark.parametrize('name', _smallest())
def test_the_table_has_what_is_counted(name):
  assert counting.measure(presets.find(name)) == _row(name)


def test_a_preset_is_shown_in_full():
  text = door.in_full(catalogue.entry('clip_h14'))
  for said in (
    'CLIP of LAION, ViT-H/14',
    'vidpetl convert --from=clip --preset=clip_h14 ',
    'backbone=clip_h14,weights=clip_h14.safetensors',
    'MIT',
    'its authors print 632.08',
    '8 frames, stride 16, 224 pixels, crop, bicubic',
    'activation=gelu',
  ):
    assert said in text


@pytest.mark.parametrize('name', NAMES)
def test_the_command_that_converts_names_a_family_for_it(name):
  words = catalogue.entry(name)['convert'].split()
  chosen = family.load(words[2].removeprefix('--from='))
  assert presets.find(name).fields['name'] in chosen.rules
  assert len([word for word in words if not word.startswith('--')]) == 4


def test_words_choose_and_an_unknown_one_is_an_error():
  assert catalogue.chosen(['eva-02'])[0] == 'eva02_b'
  assert catalogue.chosen(['mae_b', 'mae_b']) == ['mae_b']
  with pytest.raises(ValueError, match='NAME=bert is none of i3d'):
    catalogue.chosen(['bert'])


def test_what_is_shown_is_written_as_json(tmp_path, capsys, monkeypatch):
  path = tmp_path / 'found.json'
  said = types.SimpleNamespace(json=str(path))
  monkeypatch.setattr(door.flags, 'FLAGS', said)
  door.main(['backbones', 'mae_b'])
  assert 'MAE, ViT-B' in capsys.readouterr().out
  (found,) = json.loads(path.read_text())
  assert found['name'] == 'mae_b' and found['clip']['resolution'] == 224
