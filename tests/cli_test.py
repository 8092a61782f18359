"""The command line as a user meets it, in processes of its own."""

import shlex
import subprocess
import sys

import experiments
import pytest

from vidpetl import cli
from vidpetl.recipes import named

# Ends by saying which heavy modules were loaded on the way.
_TRACED = """
import atexit, runpy, sys
heavy = {'jax', 'tensorflow', 'flax', 'orbax', 'clu'}
atexit.register(lambda: print('LOADED', sorted(heavy & set(sys.modules))))
sys.argv = ['vidpetl', *sys.argv[1:]]
runpy.run_module('vidpetl', run_name='__main__', alter_sys=True)
"""


def run(*words, traced=False):
  start = ['-c', _TRACED] if traced else ['-m', 'vidpetl']
  return subprocess.run(
    [sys.executable, *start, *map(str, words)],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )


@pytest.mark.parametrize('door', cli.DOORS)
def test_help_explains_a_door_without_loading_jax(door):
  done = run(door, '--help', traced=True)
  assert done.returncode == 0, done.stderr
  assert 'LOADED []' in done.stdout
  flags = '--workdir' if door in ('train', 'sweep', 'folds') else '--'
  assert flags in done.stdout
  if '--config\n' in done.stdout:
    assert 'cofinetune_ava' in done.stdout


def test_help_lists_doors_and_configs():
  for words in ([], ['--help']):
    done = run(*words, traced=True)
    assert done.returncode == 0 and 'LOADED []' in done.stdout
    for name in (*cli.DOORS, *named.names()):
      assert name in done.stdout


@pytest.mark.parametrize(
  'words, said',
  [
    (['trian'], "no command 'trian'; there are: train, "),
    (['train'], '--config is missing'),
    (['train', '--config=cofinetune'], 'cofinetune_ava, '),
    (['train', '--config=cofinetune_ava:dmeo'], "Unknown config argument 'dm"),
    (['train', '--confg=cofinetune_ava'], "Unknown command line flag 'confg'"),
    (['describe', '--config=cofinetune_ava', 'twice'], "['twice']"),
    (['prepare', '--dataset=x', '--raw=x', '--out=y'], "dataset='x'; there"),
  ],
)
def test_a_mistake_on_the_line_is_one_line_and_loads_nothing(words, said):
  done = run(*words, traced=True)
  assert done.returncode == cli.USAGE_ERROR, done.stderr
  assert 'LOADED []' in done.stdout
  (line,) = done.stderr.splitlines()
  assert line.startswith('error: ') and said in line


@pytest.mark.parametrize(
  'field, said',
  [
    ('mixture.mod=x', "config.mixture has no field 'mod'; it has mode, "),
    (
      'mixture.mode=x',
      "config.mixture.mode='x': it must be one of 'weighted', ",
    ),
    ('batch_size=many', "config.batch_size='many' is not a int, as 128 is"),
    ('backbone.name=layers', "'layers'; there are: c3d, "),
  ],
)
def test_a_mistake_in_a_field_is_one_line(field, said):
  done = run('describe', '--config=cofinetune_ava', f'--config.{field}')
  assert done.returncode == cli.USAGE_ERROR, done.stderr
  (line,) = done.stderr.splitlines()
  assert line.startswith('error: ') and said in line


@pytest.mark.slow
def test_a_reader_who_has_seen_enough_is_no_mistake():
  words = [sys.executable, '-m', 'vidpetl', 'describe', '--config=vpetl:demo']
  shell = f'{shlex.join(words)} | true; echo ${{PIPESTATUS[0]}}'
  done = subprocess.run(
    ['bash', '-c', shell],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )
  assert 'error' not in done.stderr and 'Traceback' not in done.stderr


def test_debug_shows_where_a_mistake_was_found(tmp_path):
  words = ['train', '--config=cofinetune_ava:demo', f'--workdir={tmp_path}']
  words += ['--config.tasks.ava.train.path=/nowhere']
  short, long = run(*words), run(*words, '--debug')
  (line,) = short.stderr.splitlines()
  assert short.returncode == cli.USAGE_ERROR and '/nowhere' in line
  assert long.returncode == 1
  assert 'Traceback' in long.stderr and '/nowhere' in long.stderr


def test_an_error_of_the_program_keeps_its_traceback(tmp_path):
  path = tmp_path / 'broken.py'
  path.write_text("def get_config(argument=''):\n  return int('x')\n")
  done = run('describe', f'--config={path}')
  assert done.returncode == 1
  assert 'Traceback' in done.stderr and "return int('x')" in done.stderr


@pytest.mark.parametrize(
  'word, said',
  [
    ('~/a', '/me/a'),
    ('--out=~/a', '--out=/me/a'),
    ('--config=adapt:data=~/a,val=~/b', '--config=adapt:data=/me/a,val=/me/b'),
    ('a~/b', 'a~/b'),
    ('--out=~', '--out=~'),
  ],
)
def test_home_is_the_users_folder_in_every_word(word, said, monkeypatch):
  monkeypatch.setenv('HOME', '/me')
  assert cli._at_home(word) == said
