"""What no array shows: told, taken with a note, or asked for."""

import pytest

from vidpetl.weights import settings
from vidpetl.weights.errors import WeightsError

UNSHOWN = (
  settings.Unshown('pool', {True: 'published', False: 'own'}, True),
  settings.Unshown(
    'read', {'mean': 'tuned', 'cls': 'probed'}, 'mean', with_head=settings.ASK
  ),
  settings.Unshown('order', {'a': 'theirs'}, 'a', where={'kind': 'two'}),
)


def settle(shown=(), told=(), head=False):
  return settings.settle(UNSHOWN, dict(shown), dict(told), head)


def test_what_is_taken_is_said_with_what_else_there_is():
  fields, notes = settle({'width': 8})
  assert fields == {'width': 8, 'pool': True, 'read': 'mean'}
  assert notes[0] == (
    'no array shows pool: True (published) is taken; False is own. '
    '--set pool=… says otherwise'
  )


def test_what_is_told_or_shown_needs_no_note():
  fields, notes = settle({'read': 'cls'}, {'pool': False})
  assert fields == {'read': 'cls', 'pool': False} and not notes


def test_a_head_may_have_to_be_told_more():
  with pytest.raises(WeightsError, match="no array shows read: 'mean' is tune"):
    settle(head=True)
  fields, _ = settle(told={'read': 'cls'}, head=True)
  assert fields['read'] == 'cls'


def test_what_only_some_models_have_is_settled_for_these():
  assert 'order' not in settle({'kind': 'one'})[0]
  assert settle({'kind': 'two'})[0]['order'] == 'a'


def test_what_contradicts_the_arrays_is_refused():
  with pytest.raises(WeightsError, match=r'depth=11 was said, .* depth=12'):
    settle({'depth': 12}, {'depth': 11})
  assert settle({'depth': 12}, {'depth': 12})[0]['depth'] == 12


def test_pixels_and_grids_are_no_fields():
  told = {'mean': 0.5, 'std': 0.5, 'grid': (1, 2, 3)}
  assert settle(told=told) == settle()


def test_the_command_lines_values():
  found = settings.parse(['heads=12', 'mean=0.4,0.5,0.6', 'activation=gelu'])
  assert found == {
    'heads': 12,
    'mean': (0.4, 0.5, 0.6),
    'activation': 'gelu',
  }
  with pytest.raises(WeightsError, match=r'name=value.*not .heads.'):
    settings.parse(['heads'])
