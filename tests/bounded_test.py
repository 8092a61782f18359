"""Flags of numbers."""

import pytest
from absl import flags

from vidpetl import bounded, ranges


@pytest.mark.parametrize('text', ['0', '-1', 'nan', 'inf', 'x', '', '1.5s'])
def test_a_number_out_of_its_range_is_no_value_of_a_flag(text):
  values = flags.FlagValues()
  bounded.define('window', None, ranges.Positive, 'Seconds.', values)
  with pytest.raises(flags.IllegalFlagValueError, match='a number, above 0'):
    values(['program', f'--window={text}'])


def test_a_flag_has_the_type_of_its_hint():
  values = flags.FlagValues()
  bounded.define('crf', 20, ranges.Count, 'Quality.', values)
  bounded.define('start', None, float, 'Second.', values)
  values(['program', '--crf=18', '--start=-2'])
  assert (values.crf, values.start) == (18, -2.0)
  with pytest.raises(flags.IllegalFlagValueError, match='a whole number'):
    values(['program', '--crf=18.5'])
