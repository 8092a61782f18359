import itertools
import time

import pytest

from vidpetl.training import feed


def make(batches, steps=range(4), **options):
  return feed.Feed(
    steps, lambda s: 'ab'[s % 2], batches, lambda rows: rows, **options
  )


def test_each_step_gets_the_next_batch_of_its_task():
  source = make({'a': itertools.count(10), 'b': itertools.count(20)})
  assert list(source) == [
    (0, 'a', 10),
    (1, 'b', 20),
    (2, 'a', 11),
    (3, 'b', 21),
  ]
  source.close()


def test_an_error_while_reading_reaches_the_loop():
  def broken():
    yield 1
    raise OSError('disk')

  source = make({'a': broken(), 'b': itertools.count()})
  with pytest.raises(OSError, match='disk'):
    list(source)
  source.close()


def test_only_idle_devices_starve():
  def slow():
    for i in range(3):
      time.sleep(0.1)
      yield i

  for idle, least, most in ((True, 0.2, 60.0), (False, 0.0, 0.0)):
    source = feed.Feed(
      range(3),
      lambda _: 'a',
      {'a': slow()},
      lambda r: r,
      idle=lambda idle=idle: idle,
    )
    list(source)
    assert least <= source.starved <= most
    source.close()


def test_closing_early_ends_the_thread():
  source = make(
    {'a': itertools.count(), 'b': itertools.count()}, range(10**6), depth=1
  )
  next(iter(source))
  source.close()
  assert not source._thread.is_alive()
