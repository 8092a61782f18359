"""Published recipes against the configs that stand for them."""

import dataclasses
import functools

import pytest

from vidpetl.experiment import complete
from vidpetl.recipes import named, originals
from vidpetl.studies import in_words

ORIGINALS = originals.all_originals()


@functools.cache
def config(text):
  return complete.complete(named.load(text))


def title(value):
  return value.title


@pytest.mark.parametrize('known', ORIGINALS, ids=title)
def test_what_differs_from_the_original_has_a_reason(known):
  different = known.differences(config(known.config).to_dict())
  unexplained = {k: v for k, v in different.items() if k not in known.chosen}
  assert not unexplained


@pytest.mark.parametrize('known', ORIGINALS, ids=title)
def test_an_original_says_something_of_every_aspect(known):
  told = in_words.recipe(config(known.config))
  names = {*told['run'], *next(iter(told['tasks'].values()))}
  assert set(known.aspects) == names
  assert set(known.chosen) <= names


def test_a_changed_number_is_a_difference():
  known = next(o for o in ORIGINALS if o.config == 'mst_adapter')
  fields = config(known.config).to_dict()
  fields['epochs'] = 29.0
  assert known.differences(fields)['length'] == [
    'epochs is 29.0, the original has 30.0'
  ]


def test_a_field_that_a_config_has_not_is_an_error():
  known = next(o for o in ORIGINALS if o.config == 'mst_adapter')
  known = dataclasses.replace(known, numbers={'tasks.*.clip.farmes': 8})
  with pytest.raises(ValueError, match=r'farmes is none of .*frames'):
    known.differences(config(known.config).to_dict())
