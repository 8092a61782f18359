import numpy as np
import pytest

from vidpetl.data.annotations.strings import Strings

_WORDS = ['eins', '', 'zwölf', '三', 'eins']


def test_strings_come_back():
  column = Strings(_WORDS)
  assert len(column) == 5 and list(column) == _WORDS
  assert [column[i] for i in range(5)] == _WORDS
  assert column[-1] == 'eins' and column[np.int64(2)] == 'zwölf'
  with pytest.raises(IndexError):
    column[5]


def test_take_and_arrays():
  column = Strings(_WORDS)
  assert list(column.take(np.array([3, 1, 3, 2]))) == ['三', '', '三', 'zwölf']
  assert list(column.take(np.array([], int))) == []
  assert list(Strings.of_arrays(column.arrays('a'), 'a')) == _WORDS


def test_bytes_tell_columns_apart():
  assert Strings(['ab', 'c']).tobytes() != Strings(['a', 'bc']).tobytes()
