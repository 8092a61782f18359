"""Which errors are a user's to mend."""

import warnings

import pytest

from vidpetl import mistakes, options
from vidpetl.data import decode
from vidpetl.recipes import arguments


def caught(work, *args):
  try:
    work(*args)
  except Exception as error:
    return error
  raise AssertionError('no error')


@pytest.mark.parametrize(
  'work, args',
  [
    (options.one_of, ('config', 'mode', 'x', ['y'])),
    (arguments.parse, ('epochs=x',)),
    (open, ('/nowhere/at/all',)),
  ],
)
def test_what_vidpetl_refuses_and_files_that_are_not_there(work, args):
  assert mistakes.is_mistake(caught(work, *args))


def test_own_exceptions_count_where_vidpetl_raises_them(tmp_path):
  path = tmp_path / 'empty.mp4'
  path.touch()
  error = caught(decode.probe, str(path))
  assert type(error) is decode.DecodeError
  assert mistakes.is_mistake(error)
  # Raised here, it is not vidpetl's refusal.
  assert not mistakes.is_mistake(caught(_raise, decode.DecodeError('x', 'y')))


@pytest.mark.parametrize(
  'module, line, expected',
  [
    ('vidpetl.made_up', "raise ValueError('x')", True),
    ('vidpetl.made_up', "int('x')", False),
    ('vidpetl.made_up', "raise RuntimeError('x')", False),
    ('somebody.else_s', "raise ValueError('x')", False),
  ],
)
def test_only_what_a_line_of_vidpetl_states_is_a_mistake(
  module, line, expected
):
  code = compile(line, 'made_up.py', 'exec')
  error = caught(exec, code, {'__name__': module})
  assert mistakes.is_mistake(error) is expected


def test_a_note_is_told_once_whatever_becomes_of_filters():
  with warnings.catch_warnings(record=True) as told:
    for text in 'aab':
      warnings.simplefilter('always')
      mistakes.note(text)
  assert [str(warning.message) for warning in told] == ['a', 'b']


def _raise(error):
  raise error
