"""The door that evaluates detections of any origin."""

import json
import shlex
import subprocess
import sys

import experiments
import pytest

from vidpetl import cli, frame_map


@pytest.fixture
def files(tmp_path):
  """Flags of a small evaluation."""
  texts = {
    'ground_truth': 'v,0902,0.1,0.1,0.5,0.5,1,0\nv,902,0.1,0.1,0.5,0.5,2,0\n'
    'w,0902,0.1,0.1,0.5,0.5,1,1\n',
    'detections': 'v,902,0.1,0.1,0.5,0.5,1,0.9\nw,902,0.1,0.1,0.5,0.5,1,0.9\n',
    'labelmap': 'item {\n  name: "stand"\n  id: 1\n}\n'
    'item {\n  name: "sit"\n  id: 2\n}\n',
    'excluded': 'w,0902\n',
  }
  for name, text in texts.items():
    (tmp_path / name).write_text(text)
  return [f'--{name}={tmp_path / name}' for name in texts]


def run(*words, more=''):
  start = [sys.executable, '-m', 'vidpetl', 'frame_map']
  shell = shlex.join([*start, *words]) + more
  return subprocess.run(
    ['bash', '-c', shell],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )


def test_it_prints_and_writes(files, tmp_path):
  done = run(*files, f'--json={tmp_path}/result.json')
  assert done.returncode == 0 and not done.stderr
  assert 'overall  50.00' in done.stdout
  assert 'left out: 1 detections (excluded image)' in done.stdout
  assert 'head' not in done.stdout
  result = json.loads((tmp_path / 'result.json').read_text())
  assert result['mean_ap'] == 0.5
  assert [c['name'] for c in result['classes']] == ['stand', 'sit']


def test_a_mistake_is_one_line(files, tmp_path):
  (tmp_path / 'detections').write_text('v,902,0.1,0.1\n')
  for words, said in (
    (files, 'detections:1: 4 columns'),
    (files[1:], '--ground_truth is missing'),
  ):
    done = run(*words)
    assert done.returncode == cli.USAGE_ERROR
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: ') and said in line


def test_a_reader_may_leave(files):
  done = run(*files, more=' | true; echo ${PIPESTATUS[0]}')
  assert not done.stderr


def test_a_program_calls_it_without_a_command_line(files):
  options = dict(word.removeprefix('--').split('=') for word in files)
  result, classes = frame_map.evaluate(**options)
  assert result.mean_ap == 0.5 and classes == {1: 'stand', 2: 'sit'}
