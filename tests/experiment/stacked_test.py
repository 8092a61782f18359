"""A second technique on top of a package that holds a first one."""

import packages
import pytest

from vidpetl.experiment import experiment, initialise
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
