"""What a TPU's compiler schedules of kernels, where it is here."""

import chips
import pytest

from launch import kernel_cycles

_SHORT = kernel_cycles.Rows(4, 64, 2, 64, 1)


@pytest.mark.slow
@chips.needed
def test_a_backward_pass_has_more_bundles_and_a_bias_adds_to_them():
  forward, backward = kernel_cycles.bundles('v5e-1', _SHORT)
  assert 100 < forward < backward < 10_000
  biased = kernel_cycles.bundles('v5e-1', _SHORT._replace(biased=True))
  assert biased[1] > backward


@chips.needed
@pytest.mark.parametrize(
  'rows, count',
  [
    (_SHORT, 8),  # Of four rows of two clips.
    (_SHORT._replace(heads=32, width=128), 16),  # Of half of the channels.
    (_SHORT._replace(tokens=1568), 24),  # Three of a row.
    (_SHORT._replace(tokens=16), 1),  # All side by side.
  ],
)
def test_blocks_of_all_rows_are_counted(rows, count):
  assert kernel_cycles.steps('v5e-1', rows, 2) == count


@chips.needed
def test_a_compiler_that_breaks_down_is_told_in_a_sentence():
  impossible = _SHORT._replace(tokens=0)
  with pytest.raises(ValueError, match='the compiler for v5e-1 broke down'):
    kernel_cycles.bundles('v5e-1', impossible)
