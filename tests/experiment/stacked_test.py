"""A second technique on top of a package that holds a first one."""

import packages
import pytest

from vidpetl.experiment import complete, experiment, initialise, stacking
from vidpetl.parameters import package, variables

LORA = {'site': 'attn_qkv', 'technique': 'lora', 'rank': 2}
ADAPTER = {'site': 'mlp', 'technique': 'adapter', 'bottleneck': 2}
FROZEN_FIRST = (
  ('/site_attn_qkv/LoRA/', 'frozen'),
  ('^heads_|/site_', 'all'),
  ('.*', 'frozen'),
)


@pytest.fixture
def first(tmp_path):
  """A package of LoRA, and the parameters that it was made on."""
  made, params = packages.pack(packages.make_config('clip', 'lora', rank=2))
  package.save(tmp_path / 'first', made)
  return str(tmp_path / 'first'), made, params


def build(petl, **fields):
  config = packages.make_config('clip', 'head')
  config.petl, config.trainable = petl, FROZEN_FIRST
  config.update(fields)
  return experiment.build(config, experiment.infos_from_config(config))


def load(first, petl, evaluation=False):
  folder, _, params = first
  built = build(petl)
  drawn = packages.trained(built.config)[1]
  fresh = variables.unflatten({**drawn, **packages.backbone_of(params)})
  found = initialise.load_adapter(fresh, folder, built, evaluation=evaluation)
  return built, drawn, variables.flatten(found[0]), found[2]


@pytest.mark.parametrize(
  'second, names',
  [
    (ADAPTER, 'site_mlp/Adapter'),
    ({**LORA, 'rank': 3}, 'site_attn_qkv/LoRA_1'),
    ({**LORA, 'name': 'new'}, 'site_attn_qkv/new'),
  ],
)
def test_the_first_is_taken_and_the_second_starts_fresh(first, second, names):
  built, drawn, found, notes = load(first, (LORA, second))
  for path, value in first[1].params.items():
    assert (found[path] == value).all(), path
  new = {p for p in found if f'/{names}/' in p}
  assert new and all((found[p] == drawn[p]).all() for p in new)
  assert f'note: {names} start fresh, on top of {first[0]}' in notes
  trains = {p for p, group in built.group_of.items() if group != 'frozen'}
  assert new < trains and not any('/LoRA/' in p for p in trains)


def test_what_is_no_whole_technique_is_still_missing(first):
  """As queries' updates, where the package has those of keys and values."""
  made, params = packages.pack(
    packages.make_config('clip', 'lora', rank=2, to='kv')
  )
  package.save(first[0], made)
  with pytest.raises(ValueError, match=r'Missing: .*query_a'):
    load((first[0], made, params), ({**LORA, 'to': 'qv'}, ADAPTER))
  with pytest.raises(ValueError, match=r'Unexpected: .*key_a'):
    load((first[0], made, params), ({**LORA, 'to': 'v'}, ADAPTER))


def test_nothing_untrained_is_evaluated(first):
  with pytest.raises(ValueError, match=r'Missing: .*site_mlp/Adapter'):
    load(first, (LORA, ADAPTER), evaluation=True)


def test_a_config_stacks_by_one_field_and_completes_to_itself(first):
  config = packages.make_config('clip', 'adaptformer', bottleneck=2)
  config.init = {'adapter': first[0], 'stack': True}
  whole = complete.complete(config)
  kinds = [entry['technique'] for entry in whole.petl]
  assert kinds == ['lora', 'adapter']
  assert complete.complete(whole) == whole
  built = experiment.build(whole, experiment.infos_from_config(whole))
  trains = {p for p, group in built.group_of.items() if group != 'frozen'}
  assert any('/Adapter/' in p for p in trains)
  assert not any('/LoRA/' in p for p in trains)


@pytest.mark.parametrize(
  'adapter, message', [('', 'names none'), ('head', 'nothing is bound in')]
)
def test_what_cannot_be_stacked_on_is_said(adapter, message, tmp_path):
  made, _ = packages.pack(packages.make_config('clip', 'head'))
  package.save(tmp_path / 'head', made)
  config = packages.make_config('clip', 'lora', rank=2)
  config.init = {'adapter': str(tmp_path / adapter) if adapter else ''}
  config.init.stack = True
  with pytest.raises(ValueError, match=message):
    complete.complete(config)


def test_a_package_says_all_that_it_stands_on(first, tmp_path):
  ground = stacking.ground(first[0])
  assert [e['technique'] for e in ground[0]['petl']] == ['lora']
  second = package.Package(
    {**first[1].config, package.GROUND: ground}, first[1].params
  )
  package.save(tmp_path / 'second', second)
  third = stacking.ground(str(tmp_path / 'second'))
  assert [g['package'] for g in third] == [str(tmp_path / 'second'), first[0]]


def test_a_package_that_is_not_there_is_told_when_it_is_needed(tmp_path):
  config = packages.make_config('clip', 'lora', rank=2)
  config.init = {'adapter': str(tmp_path / 'none'), 'stack': True}
  whole = complete.complete(config)  # As when a command is read.
  with pytest.raises(package.PackageError, match=r'none.*: not found'):
    stacking.require(whole)
