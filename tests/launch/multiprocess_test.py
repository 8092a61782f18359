"""Several local processes: their output, failures, signals and flags."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

TARGET = """
import argparse, os, signal, sys, time
parser = argparse.ArgumentParser()
parser.add_argument('--coordinator_address')
parser.add_argument('--num_processes', type=int)
parser.add_argument('--process_id', type=int)
parser.add_argument('--do')
args = parser.parse_args()
if args.do == 'report':
  print(args.coordinator_address, args.num_processes, os.environ['XLA_FLAGS'])
  print('and on stderr', file=sys.stderr)
elif args.do == 'fail':
  if args.process_id == 1:
    sys.exit(7)
  time.sleep(60)
elif args.do == 'stopped':
  time.sleep(args.process_id)
  print('saved')
  sys.exit(75)
elif args.do == 'killed':
  if args.process_id == 0:
    os.kill(os.getpid(), signal.SIGKILL)
  time.sleep(60)
elif args.do == 'lost':
  dying = os.path.join(os.environ['PYTHONPATH'], 'dying')
  if args.process_id == 1:
    open(dying, 'x').close()
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
  # Its peer has ended of it before anybody can ask for its exit code.
  while not os.path.exists(dying):
    time.sleep(0.01)
  sys.exit(1)
elif args.do == 'save':
  def save(number, frame):
    time.sleep(0.2 * args.process_id)
    print('saved after', signal.Signals(number).name)
    sys.exit(0)
  signal.signal(signal.SIGTERM, save)
  signal.signal(signal.SIGINT, save)
  print('ready')
  # One long sleep would miss a signal that comes just before it.
  for _ in range(600):
    time.sleep(0.1)
"""


@pytest.fixture
def launch(tmp_path):
  (tmp_path / 'target.py').write_text(TARGET)

  def launch(*arguments, processes=2, devices=3):
    return subprocess.Popen(
      [
        sys.executable,
        str(ROOT / 'launch' / 'multiprocess.py'),
        f'--processes={processes}',
        f'--devices={devices}',
        '--module=target',
        '--',
        *arguments,
      ],
      env={**os.environ, 'PYTHONPATH': str(tmp_path), 'XLA_FLAGS': '--a=1'},
      stdout=subprocess.PIPE,
      text=True,
    )

  return launch


def test_ranks_are_told_and_marked(launch):
  process = launch('--do=report')
  lines = process.communicate(timeout=30)[0].splitlines()
  assert process.returncode == 0
  told = r'127\.0\.0\.1:\d+ 2 --a=1 --xla_force_host_platform_device_count=3'
  for rank in (0, 1):
    own = [line for line in lines if line.startswith(f'[{rank}] ')]
    assert len(own) == 2
    assert any(re.fullmatch(rf'\[{rank}\] {told}', line) for line in own)
    assert f'[{rank}] and on stderr' in own
  addresses = {line.split()[1] for line in lines if '127.0.0.1' in line}
  assert len(addresses) == 1


@pytest.mark.parametrize(
  'do, code', [('fail', 7), ('killed', 137), ('lost', 137)]
)
def test_a_failure_ends_all_with_its_code(launch, do, code):
  process = launch(f'--do={do}')
  process.communicate(timeout=30)
  assert process.returncode == code


def test_what_was_interrupted_ends_by_itself(launch):
  process = launch('--do=stopped')
  said = process.communicate(timeout=30)[0]
  assert process.returncode == 75
  assert '[0] saved' in said and '[1] saved' in said


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_signals_are_forwarded_and_waited_for(launch, number):
  process = launch('--do=save')
  for _ in range(2):
    assert 'ready' in process.stdout.readline()
  process.send_signal(number)
  output = process.communicate(timeout=30)[0]
  assert process.returncode == 0
  for rank in (0, 1):
    assert f'[{rank}] saved after {number.name}' in output
