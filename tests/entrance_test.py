"""What a stranger gets: the wheel, installed, in an empty folder."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import experiments
import pytest

from vidpetl.recipes import named


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
  """The wheel, built from a copy, so that the folder stays clean."""
  copy, out = tmp_path_factory.mktemp('copy'), tmp_path_factory.mktemp('wheel')
  for name in ('vidpetl', 'configs'):
    shutil.copytree(
      experiments.ROOT / name,
      copy / name,
      ignore=shutil.ignore_patterns('__pycache__'),
    )
  for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
    shutil.copy(experiments.ROOT / name, copy)
  pip('wheel', '--no-deps', '--no-build-isolation', f'--wheel-dir={out}', copy)
  (path,) = out.glob('*.whl')
  return path


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
  """Runs a command of the wheel's, in a venv that only borrows dependencies."""
  folder = tmp_path_factory.mktemp('venv')
  venv.create(folder, with_pip=False)
  python = folder / 'bin' / 'python'
  paths = {'base': str(folder), 'platbase': str(folder)}
  site = pathlib.Path(sysconfig.get_path('purelib', vars=paths))
  # Such a path is searched last, and its editable vidpetl is not.
  (site / 'dependencies.pth').write_text(sysconfig.get_path('purelib') + '\n')
  pip(f'--python={python}', 'install', '--no-index', '--no-deps', wheel)
  clean = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}

  def run(command, *words, cwd):
    done = subprocess.run(
      [folder / 'bin' / command, *words],
      cwd=cwd,
      env=clean,
      capture_output=True,
      text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout

  where = run('python', '-c', 'import vidpetl; print(vidpetl)', cwd=folder)
  assert str(site) in where
  return run


def pip(*words):
  command = [sys.executable, '-m', 'pip', '--quiet', *map(str, words)]
  subprocess.run(command, check=True, capture_output=True)


def test_the_wheel_has_licence_command_and_configs(wheel):
  with zipfile.ZipFile(wheel) as archive:
    names = set(archive.namelist())
    info = next(n for n in names if n.endswith('.dist-info/METADATA'))
    metadata = archive.read(info).decode()
    command = archive.read(info.replace('METADATA', 'entry_points.txt'))
  assert {f'vidpetl/configs/{name}.py' for name in named.names()} <= names
  assert any(name.endswith('/LICENSE') for name in names)
  for line in ('License: Apache-2.0', 'Author: The vidpetl authors'):
    assert line in metadata
  assert b'vidpetl = vidpetl.cli:main' in command
  tops = {name.partition('/')[0] for name in names}
  assert len(tops) == 2, 'nothing but vidpetl and its metadata'


@pytest.mark.slow
def test_a_config_is_found_by_name_from_an_empty_folder(installed, tmp_path):
  words = '--config=cofinetune_ava:demo', '--only_check_args'
  installed('vidpetl', 'describe', *words, cwd=tmp_path)
  assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_demo_trains_from_an_empty_folder(installed, tmp_path):
  datasets = ('ava', 'kinetics400')
  run = lambda *words: installed('vidpetl', *words, cwd=tmp_path)
  run(
    'world',
    '--out=demo/raw',
    '--size=tiny',
    f'--datasets={",".join(datasets)}',
    '--processes=1',
  )
  for dataset in datasets:
    folders = f'--raw=demo/raw/{dataset}', '--out=demo/records'
    option = '--window=1.2' if dataset == 'ava' else '--copy'
    run('prepare', f'--dataset={dataset}', *folders, option)
  run(
    'train',
    '--config=cofinetune_ava:demo,with=kinetics400',
    # The tiny world has fewer classes.
    '--config.tasks.kinetics400.num_classes=6',
    '--config.steps=2',
    '--config.log_every=1',
    '--config.page=false',
    '--workdir=run',
  )
  results = json.loads((tmp_path / 'run' / 'results.json').read_text())
  assert set(results['tasks']) == set(datasets)
  lines = (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()
  losses = [
    row for row in map(json.loads, lines) if '/loss"' in json.dumps(row)
  ]
  assert [row['step'] for row in losses] == [1, 2]
