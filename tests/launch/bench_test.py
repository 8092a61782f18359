"""launch/bench.py: what it refuses, a row, and a process that dies."""

import argparse
import json
import pathlib
import subprocess
import sys

import pytest

PATH = pathlib.Path(__file__).parents[2] / 'launch' / 'bench.py'

# In place of steps: the second method's takes all memory that there is.
_DIES = """
import json, os, signal, sys
for case in json.loads(sys.argv[1])['cases']:
  if case['method'] == 'lora':
    os.kill(os.getpid(), signal.SIGKILL)
  print('Something else')
  print('ROW', json.dumps({'method': case['method']}), flush=True)
"""


def _bench(*options):
  return subprocess.run(
    [sys.executable, str(PATH), *options], capture_output=True, text=True
  )


@pytest.mark.parametrize(
  'option, error',
  [
    ('--presets=videomae_b,vidmae_b', '--presets=vidmae_b is none of'),
    ('--methods=lora,ia4', "method 'ia4' is none of"),
    ('--batch=0', '--batch: 0 is not above 0'),
    ('--turns=x', "--turns: invalid int value: 'x'"),
    ('--compiled=v5e-2', "nothing to compile for is called 'v5e-2'"),
    ('--compiled=cpu-8', '--compiled=cpu-8: no data sheet'),
  ],
)
def test_an_option_that_nothing_answers_to_is_refused(option, error):
  done = _bench(option)
  assert done.returncode == 2 and not done.stdout
  assert error in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_rows_are_printed_and_kept(tmp_path):
  options = f'--out={tmp_path}', '--seconds=0.01', '--turns=1'
  done = _bench('--small', '--presets=r3d_18', '--methods=head,lora', *options)
  assert not done.returncode, done.stderr
  head, lora = done.stdout.splitlines()[-2:]
  (path,) = tmp_path.iterdir()
  found, failed = json.loads(path.read_text())['rows']
  assert found['name'] == 'r3d_18 head 2 float32 small'
  assert found['seconds'] > 0 and found['flops'] > 1e9
  assert head.startswith(f'| r3d_18 | head | 2 | {1e3 * found["seconds"]:.1f}')
  assert 'matches nothing' in failed['error'] and 'matches nothing' in lora


def test_a_process_that_dies_is_a_row_and_the_others_go_on(
  tmp_path, monkeypatch
):
  monkeypatch.syspath_prepend(PATH.parent)
  import bench  # noqa: PLC0415

  (tmp_path / 'dies.py').write_text(_DIES)
  monkeypatch.setattr(bench, 'STEPS', tmp_path / 'dies.py')
  args = argparse.Namespace(
    clock='wall', peer='none', eager=False, seconds=0.1, turns=1
  )
  some = [
    bench.Case('r3d_18', method, 2, 'float32', True)
    for method in ('full', 'lora', 'head')
  ]
  first, died, last = bench.rows(some, args)
  assert (first, last) == ({'method': 'full'}, {'method': 'head'})
  assert died['name'] == 'r3d_18 lora 2 float32 small'
  assert died['error'] == (
    'its process was ended by SIGKILL: too little memory?'
  )
