"""Two processes that joined, of which one is killed, fails or ends."""

import signal
import subprocess
import sys
import time

import experiments
import pytest

from launch import multiprocess

PIPES = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
pytestmark = pytest.mark.slow


MEMBER = """
import functools, sys, time
from jax.experimental import multihost_utils
from vidpetl import cli
from vidpetl.training import hosts
do, address, number = sys.argv[1:]
explain = functools.partial(cli.explain, debug=do == 'debug')
with hosts.joined(address, 2, int(number), explain, do == 'debug'):
  print('joined', flush=True)
  if do == 'fail' and number == '1':
    open('no such file')
  while do == 'step':
    multihost_utils.sync_global_devices('step')
  if do != 'end':
    time.sleep(100)
"""


@pytest.fixture
def members():
  """Returns a function that starts two processes, which join."""
  started = []

  def start(do):
    address = f'127.0.0.1:{multiprocess.free_port()}'
    for number in '01':
      words = [sys.executable, '-c', MEMBER, do, address, number]
      started.append(
        subprocess.Popen(words, cwd=experiments.ROOT, text=True, **PIPES)
      )
    for process in started:
      while process.stdout.readline() != 'joined\n':
        assert process.poll() is None, process.stderr.read()
    return started

  yield start
  for process in started:
    process.kill()
    process.communicate()


@pytest.mark.parametrize('do', ['step', 'wait'])
@pytest.mark.parametrize('lost', [0, 1])
def test_a_killed_process_is_named_by_the_other(members, do, lost):
  """Within 15 s, whether it computes with the other or waits."""
  both = members(do)
  time.sleep(0.5)
  both[lost].kill()
  other = both[1 - lost]
  assert other.wait(15) == 1
  said = other.stderr.read()
  # gRPC may have written a line before; there is no stack of any language.
  assert said.splitlines()[-1].startswith(f'error: process {lost} (')
  assert f', pid {both[lost].pid}) was lost: ' in said
  assert 'Traceback' not in said and '@ ' not in said


def test_one_that_fails_alone_ends_the_other_with_its_reason(members):
  zero, one = members('fail')
  assert one.wait(15) == zero.wait(15) == 2
  assert 'No such file' in one.stderr.read()
  said = zero.stderr.read()
  assert said.startswith('error: process 1 (') and 'No such file' in said
  assert 'Traceback' not in said


def test_those_that_end_together_end_well(members):
  for process in members('end'):
    assert process.wait(30) == 0, process.stderr.read()


def test_with_debug_jax_shows_its_stack_after_the_sentence(members):
  zero, one = members('debug')
  one.kill()
  assert zero.wait(30) == -signal.SIGABRT
  said = zero.stderr.read()
  assert said.startswith('error: process 1 (') and 'was lost' in said
  assert 'Check failure' in said or 'Terminating process' in said
