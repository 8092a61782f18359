import os

from vidpetl.data import parallel


def _work(item):
  if item == 'bad':
    os._exit(1)
  return item.upper()


def test_what_kills_a_process_is_told_and_stops_nothing():
  found = dict(parallel.run(_work, ['a', 'bad', 'b', 'c'], 1))
  assert found == {'a': 'A', 'bad': parallel.CRASHED, 'b': 'B', 'c': 'C'}
