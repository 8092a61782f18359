"""Recipes in words."""

import experiments
import pytest

from vidpetl.experiment import complete
from vidpetl.recipes import aspects, methods
from vidpetl.studies import in_words

REGEX = set('^$/[]*|')


def told(name, argument):
  config = complete.complete(experiments.load_config(name, argument))
  return in_words.recipe(config)


@pytest.mark.parametrize('method', [*methods.METHODS, *methods.POSITIONS])
def test_what_a_method_trains_is_told_without_a_regex(method):
  words = told('vpetl', f'method={method}')['run']['trains']
  assert not REGEX & set(words), words


def test_a_regex_of_ones_own_is_told_as_it_is():
  config = complete.complete(experiments.load_config('vpetl')).to_dict()
  config['trainable'] = (('^heads_', 'all'), ('/mine_(a|b)/', 'slow'))
  words = aspects.of_run(config)['trains']
  assert words == 'heads (group all); what matches /mine_(a|b)/ (group slow)'


def test_frames_say_what_is_of_their_sampler():
  (clip,) = told('pecop_pretrain', '')['tasks'].values()
  assert clip['frames'] == '32 frames, vspp, rates 5, parts 4, natural 1'
  (clip,) = told('pecop_aqa', 'head=core')['tasks'].values()
  assert clip['frames'] == 'the last 103 frames, shift 3; 10 segments of 16'
  (clip,) = told('aim', '')['tasks'].values()
  assert clip['views'].startswith('3 x 1 (clips x crops), in the centres')
