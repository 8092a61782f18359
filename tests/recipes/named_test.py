"""Configs by name and file, and the flag that takes them."""

import pathlib

import experiments
import pytest

from vidpetl.recipes import named

OWN = """
import ml_collections

def get_config(argument='none'):
  return ml_collections.ConfigDict(
    {'said': argument, 'rate': 0.1, 'tasks': {'a': {'weight': 1}}, 'rows': ()}
  )
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
  """A folder with configs/mine.py, as the working directory."""
  (tmp_path / 'configs').mkdir()
  (tmp_path / 'configs' / 'mine.py').write_text(OWN)
  monkeypatch.chdir(tmp_path)
  return tmp_path


def test_names_are_the_files_of_the_repository():
  files = (experiments.ROOT / 'configs').glob('*.py')
  assert set(named.names()) == {path.stem for path in files}


def test_a_config_of_ones_own_comes_first(own):
  assert 'cofinetune_ava' in named.names()
  assert named.load('mine').said == 'none'
  assert named.load('mine:x,y=z').said == 'x,y=z'
  (own / 'configs' / 'cofinetune_ava.py').write_text(OWN)
  assert named.load('cofinetune_ava').said == 'none'


def test_files_are_taken_as_they_are(own):
  path = (own / 'configs' / 'mine.py').rename(own / 'other.py')
  for text in ('other.py', './other.py', str(path)):
    assert named.split(f'{text}:a') == (pathlib.Path(text), 'a')
  assert named.load('other.py', {'tasks.a.weight': 3}).tasks.a.weight == 3


@pytest.mark.parametrize('text', ['min', 'configs/min.py', 'configs/mine', ''])
def test_errors_list_the_names_there_are(own, text):
  with pytest.raises(ValueError, match=rf'no config {text!r}: .*, mine, '):
    named.load(f'{text}:demo')


def test_a_file_without_get_config_is_refused(own):
  (own / 'configs' / 'empty.py').touch()
  with pytest.raises(ValueError, match=r'empty\.py has no function'):
    named.load('empty')


@pytest.mark.parametrize(
  'line',
  ['from vidpetl.training import defaults', 'import vidpetl.training.defaults'],
)
def test_a_module_that_moved_is_named_with_its_place(tmp_path, line):
  path = tmp_path / 'mine.py'
  path.write_text(f'{line}\n')
  with pytest.raises(
    ValueError, match=r'mine\.py .*vidpetl\.recipes\.defaults'
  ):
    named.load(str(path))


def test_a_module_of_others_is_missing_as_ever(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text('import no_such_package\n')
  with pytest.raises(ModuleNotFoundError, match='no_such_package'):
    named.load(str(path))
