"""The checker of options, and options as a command line writes them."""

from collections.abc import Sequence

import pytest

from vidpetl import options


def _function(
  path: str,
  fold: int = 1,
  share: float | None = None,
  strict: bool = False,
  classes: Sequence[str] | None = None,
  boxes: str | Sequence[str] | None = None,
):
  return path, fold, share, strict, classes, boxes


def test_texts_become_what_the_type_hints_say():
  texts = {
    'path': '12',
    'fold': '3',
    'share': '0.5',
    'strict': 'true',
    'classes': 'run,jump',
    'boxes': 'a.csv',
  }
  assert options.parse(_function, texts, 'it') == {
    'path': '12',
    'fold': 3,
    'share': 0.5,
    'strict': True,
    'classes': ('run', 'jump'),
    'boxes': 'a.csv',
  }


@pytest.mark.parametrize(
  'texts, message',
  [
    ({'folds': '1'}, 'it has no field folds; its fields are path, fold, share'),
    ({'fold': '1.5'}, "it: fold='1.5' is no int"),
    ({'share': 'all'}, "it: share='all' is no float"),
    ({'strict': 'maybe'}, "it: strict='maybe' is neither true nor false"),
  ],
)
def test_texts_that_are_no_values_are_named(texts, message):
  with pytest.raises(ValueError, match=message):
    options.parse(_function, texts, 'it')


def test_what_is_unknown_or_missing_is_named_with_what_there_is():
  with pytest.raises(
    ValueError, match='it has no field a, b; its fields are p'
  ):
    options.check(_function, {'path': '', 'b': 1, 'a': 1}, 'it')
  with pytest.raises(ValueError, match='it needs path; its fields are path'):
    options.check(_function, {}, 'it')
  with pytest.raises(ValueError, match='its fields are none'):
    options.check(lambda: None, {'a': 1}, 'it')
  assert options.call(_function, {'path': 'p'}, 'it')[0] == 'p'


def test_a_name_near_one_that_there_is_is_asked_for():
  known = ('videomae_b', 'videomae_l', 'clip_b16')
  assert options.nearest('video-mae_b', known) == '. Did you mean videomae_b?'
  assert options.nearest('bert', known) == ''
  assert options.nearest('clip_b16', known) == ''
  with pytest.raises(ValueError, match=r'has no field widht.*mean width\?'):
    options.check(lambda width=3: width, {'widht': 4}, 'config.backbone')
