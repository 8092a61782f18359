import os
import sys

import pytest

from vidpetl.data import decode, transcode
from vidpetl.data.records import recipe, staging

_OPTIONS = transcode.Options(preset='ultrafast')

# Spawned processes import what they run, so it is a module of its own.
_CRASHING = """
import os
from vidpetl.data.records import staging

def make(stage, item):
  if 'killer' in item.id:
    os._exit(1)
  stage.make(item)
"""


@pytest.fixture(scope='module')
def film(write_video, tmp_path_factory):
  return write_video(tmp_path_factory.mktemp('film') / 'film.mp4', frames=15)


@pytest.fixture
def stage(tmp_path):
  return staging.Staging(str(tmp_path / 'staging'), _OPTIONS)


def _item(name, path, start=0.0):
  return recipe.Item(name, str(path), start, None)


def test_results_and_failures_are_kept(stage, film, tmp_path):
  good, bad = _item('good', film), _item('bad', tmp_path / 'no.mp4')
  assert not stage.done(good)
  for item in (good, bad):
    stage.make(item)
    assert stage.done(item)
  assert decode.probe(stage.read(good)).frames == 15
  with pytest.raises(decode.DecodeError, match=r'no\.mp4'):
    stage.read(bad)


def test_a_damaged_result_is_made_again(stage, film):
  item = _item('good', film)
  stage.make(item)
  path = stage._path(item, '.video')
  whole = path.read_bytes()
  path.write_bytes(whole[:-3] + b'abc')
  with pytest.raises(ValueError, match='the same command makes it again'):
    stage.read(item)
  assert not stage.done(item)
  stage.make(item)
  assert path.read_bytes() == whole


def test_what_an_item_depends_on_names_it(stage, film, tmp_path):
  stage.make(_item('a', film))
  assert not stage.done(_item('b', film))
  assert not stage.done(_item('a', film, start=0.1))
  other = staging.Staging(stage.folder, transcode.Options(gop=3))
  assert not other.done(_item('a', film))
  os.utime(film, (1, 1))
  assert not stage.done(_item('a', film))
  with pytest.raises(FileNotFoundError, match='or changed since'):
    stage.read(_item('a', film))


def test_an_unfinished_file_does_not_count(stage, film, monkeypatch):
  def die(source, target):
    raise KeyboardInterrupt

  monkeypatch.setattr(os, 'replace', die)
  with pytest.raises(KeyboardInterrupt):
    stage.make(_item('a', film))
  assert not stage.done(_item('a', film))


def test_a_crash_costs_the_one_video_that_caused_it(
  stage, film, tmp_path, monkeypatch
):
  (tmp_path / 'crashing.py').write_text(_CRASHING)
  monkeypatch.syspath_prepend(str(tmp_path))
  import crashing  # noqa: PLC0415 (written just above)

  names = ['a', 'b', 'killer', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
  items = [_item(name, film) for name in names]
  done = list(staging.run(stage, items, 1, crashing.make))
  assert sorted(item.id for item in done) == sorted(names)
  for item in items:
    if item.id == 'killer':
      with pytest.raises(decode.DecodeError, match='crashed the decoder'):
        stage.read(item)
    else:
      assert stage.read(item)
  del sys.modules['crashing']
