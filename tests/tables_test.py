"""The one writer of tables."""

import math

import pytest

from vidpetl import tables


def test_markdown():
  table = tables.markdown(['', 'a'], [('x', '1'), ('y', '2')])
  assert table == '| | a |\n|---|---|\n| x | 1 |\n| y | 2 |'


def test_cells_stand_below_each_other():
  table = tables.columns([('name', 'n'), ('x', '100')], '<>', indent='  ')
  assert table == '  name    n\n  x     100'
  with pytest.raises(ValueError):
    tables.columns([('a', 'b')], '<')


def test_mean_and_standard_deviation():
  assert tables.mean_std([0.5, 0.6]) == '55.0 ± 7.1'
  assert tables.mean_std([0.5]) == '50.0'
  assert tables.mean_std([0.5, math.nan]) == 'undefined in 1 of 2'
  assert tables.std([1, 2, 3]) == 1
