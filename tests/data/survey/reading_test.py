import drawn
import numpy as np
import pytest

from vidpetl.data.survey import cache, reading, record


@pytest.fixture
def files(tmp_path):
  return [drawn.clip(tmp_path / f'{i}.mp4', i) for i in range(6)]


@pytest.fixture
def kept(tmp_path):
  return cache.Cache(str(tmp_path / 'cache.sqlite'))


def _no_reading(monkeypatch):
  def read(path):
    raise AssertionError(f'{path} was read')

  monkeypatch.setattr(record, 'read', read)


def test_the_second_time_opens_no_file(files, kept, monkeypatch):
  first = reading.read_all(files, kept)
  _no_reading(monkeypatch)
  told = []
  assert reading.read_all(files, kept, told=told.append) == first
  assert sum(told) == 6


def test_a_file_that_changed_is_read_again(files, kept, tmp_path):
  before = reading.read_all(files, kept)
  drawn.clip(tmp_path / '3.mp4', 99, frames=20)
  after = reading.read_all(files, kept)
  changed = [path for path in files if before[path] != after[path]]
  assert changed == [files[3]] and after[files[3]].frames == 20


def test_processes_find_the_same(files, monkeypatch):
  monkeypatch.setattr(reading, '_FEW', 0)
  found = reading.read_all(files, cache.Cache(''), processes=2)
  assert found == {path: record.read(path) for path in files}


def test_what_was_read_before_an_interruption_is_kept(files, kept, monkeypatch):
  def told(count):
    if count:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    reading.read_all(files, kept, told=told)
  stamps = [cache.stamp(path) for path in files]
  assert len(kept.get(files, stamps)) == 1


def test_a_glance_reads_a_few_spread_evenly(files, kept):
  found = reading.glance(files, kept, most=3, seconds=60)
  assert len(found) == 3
  # Those that were read do not count again.
  assert len(reading.glance(files, kept, most=2, seconds=60)) == 5


def test_a_glance_ends_in_time(files, kept, monkeypatch):
  assert reading.glance(files, kept, most=0, seconds=0) == {}


@pytest.mark.parametrize('n', [0, 1, 7, 1000])
def test_every_beginning_of_the_order_is_spread(n):
  order = reading._evenly(n)
  assert sorted(order) == list(range(n))
  if n == 1000:
    assert np.diff(np.sort(order[:50])).max() < 60
