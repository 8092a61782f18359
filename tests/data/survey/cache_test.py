import concurrent.futures
import os

import pytest

from vidpetl import mistakes
from vidpetl.data.survey import cache, record

ONE = record.Record(10, duration=1.5, codec='h264', content='ab')


@pytest.fixture
def path(tmp_path):
  return str(tmp_path / 'deep' / 'cache.sqlite')


def test_what_was_put_is_got_by_another(path):
  cache.Cache(path).put([('/a', (1, 2), ONE)])
  assert cache.Cache(path).get(['/a', '/b'], [(1, 2), (1, 2)]) == {'/a': ONE}


@pytest.mark.parametrize('now', [(2, 2), (1, 3), None])
def test_a_file_that_changed_is_not_known(path, now):
  cache.Cache(path).put([('/a', (1, 2), ONE)])
  assert cache.Cache(path).get(['/a'], [now]) == {}


def test_records_of_another_version_do_not_hold(path, monkeypatch):
  cache.Cache(path).put([('/a', (1, 2), ONE)])
  monkeypatch.setattr(record, 'VERSION', record.VERSION + 1)
  assert cache.Cache(path).get(['/a'], [(1, 2)]) == {}


def test_a_relative_path_is_that_of_its_folder(path, tmp_path, monkeypatch):
  cache.Cache(path).put([(str(tmp_path / 'a'), (1, 2), ONE)])
  monkeypatch.chdir(tmp_path)
  assert cache.Cache(path).get(['a'], [(1, 2)]) == {'a': ONE}


def test_names_that_are_no_text_are_kept(path):
  name = os.fsdecode(b'/caf\xe9.mp4')
  cache.Cache(path).put([(name, (1, 2), ONE)])
  assert cache.Cache(path).get([name], [(1, 2)]) == {name: ONE}


def test_more_paths_than_a_question_may_have(path):
  names = [f'/{i}' for i in range(1200)]
  cache.Cache(path).put([(name, (1, 2), ONE) for name in names])
  found = cache.Cache(path).get(names, [(1, 2)] * len(names))
  assert found.keys() == set(names)


@pytest.mark.parametrize('damage', [b'no database' * 1000, b'SQLite format 3'])
def test_a_damaged_cache_begins_anew_and_says_so(path, tmp_path, damage):
  (tmp_path / 'deep').mkdir()
  (tmp_path / 'deep' / 'cache.sqlite').write_bytes(damage)
  with pytest.warns(mistakes.Note, match='was damaged'):
    assert cache.Cache(path).get(['/a'], [(1, 2)]) == {}
  cache.Cache(path).put([('/a', (1, 2), ONE)])
  assert cache.Cache(path).get(['/a'], [(1, 2)]) == {'/a': ONE}


def test_where_nothing_can_be_written_nothing_is_lost(tmp_path):
  (tmp_path / 'file').touch()
  kept = cache.Cache(str(tmp_path / 'file' / 'cache.sqlite'))
  with pytest.warns(mistakes.Note, match='cannot be used'):
    assert kept.get(['/a'], [(1, 2)]) == {}
  kept.put([('/a', (1, 2), ONE)])


def test_many_write_at_the_same_time(path):
  def write(i):
    cache.Cache(path).put([(f'/{i}', (1, 2), ONE)])

  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(write, range(40)))
  names = [f'/{i}' for i in range(40)]
  assert len(cache.Cache(path).get(names, [(1, 2)] * 40)) == 40


def test_the_folder_is_that_of_the_environment(monkeypatch):
  monkeypatch.setenv('VIDPETL_CACHE', '/somewhere')
  assert cache.default_path() == '/somewhere/survey.sqlite'
