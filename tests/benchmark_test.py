"""The door of `data.benchmark`."""

import subprocess
import sys

import pytest

from vidpetl import cli


def _run(*words):
  return subprocess.run(
    [sys.executable, '-m', 'vidpetl', 'benchmark', *words],
    capture_output=True,
    text=True,
  )


@pytest.mark.slow
def test_a_dataset_is_read_both_ways(world):
  words = '--clips=4', '--turns=1', '--frames=4', '--workers=1'
  done = _run(f'--raw={world["kinetics400"]}', '--dataset=kinetics400', *words)
  assert not done.returncode, done.stderr
  _, bare, ours = done.stdout.splitlines()
  assert bare.startswith('bare PyAV loop') and ours.startswith('pipeline')


@pytest.mark.parametrize(
  'words, said',
  [
    (['--folder=/nowhere'], '/nowhere: no such folder'),
    (['--folder=/nowhere', '--raw=/nowhere'], 'give either --folder, or'),
    (['--dataset=ava'], 'give either --folder, or --raw and --dataset'),
    (['--raw=/nowhere', '--dataset=ava2'], "dataset='ava2'; there are: ava"),
  ],
)
def test_a_mistake_is_one_line(words, said):
  done = _run(*words)
  assert done.returncode == cli.USAGE_ERROR
  (line,) = done.stderr.splitlines()
  assert line.startswith('error: ') and said in line
