"""Two processes that joined, of which one is killed, fails or ends."""

import os
import signal
import subprocess
import sys
import time

import experiments
import pytest

from launch import multiprocess

DEVICES = '--xla_force_host_platform_device_count=2'
PIPES = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
pytestmark = pytest.mark.slow


MEMBER = """
import functools, sys, time
import jax
from jax.experimental import multihost_utils
from jax.sharding import PartitionSpec as P
from vidpetl import cli
from vidpetl.training import hosts, sharding
do, address, number = sys.argv[1:]
explain = functools.partial(cli.explain, debug=do == 'debug')
with hosts.joined(address, 2, int(number), explain, do == 'debug'):
  print('joined', flush=True)
  if do == 'fail' and number == '1':
    open('no such file')
  if do == 'meet':
    mesh = sharding.make_mesh(fsdp=2)
    sharding.meet(mesh)
    print('met', flush=True)
    for axis in sharding.AXES:
      double = lambda x: 2 * jax.lax.psum(x, axis)
      program = jax.shard_map(double, mesh=mesh, in_specs=P(), out_specs=P())
      print(jax.jit(program)(1.0), flush=True)
    do = 'end'
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
        subprocess.Popen(
          words,
          cwd=experiments.ROOT,
          env={**os.environ, 'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': DEVICES},
          text=True,
          **PIPES,
        )
      )
    for process in started:
      while process.stdout.readline() != 'joined\n':
        assert process.poll() is None, process.stderr.read()
    return started

  yield start
  for process in started:
    process.kill()
    process.communicate()


@pytest.mark.parametrize('lost', [0, 1])
def test_a_killed_process_is_named_by_the_other(members, lost):
  """Within 15 s, also where a collective with the lost one fails first."""
  both = members('step')
  time.sleep(0.5)
  both[lost].kill()
  other = both[1 - lost]
  assert other.wait(15) == 1
  said = other.stderr.read()
  # gRPC may have written a line, too; there is no stack of any language.
  ours = [x for x in said.splitlines() if x.startswith('error: ')]
  assert len(ours) == 1 and ours[0].startswith(f'error: process {lost} (')
  assert f', pid {both[lost].pid}) was lost: ' in said
  assert 'Traceback' not in said and '@ ' not in said


def test_one_that_fails_alone_ends_the_other_with_its_reason(members):
  zero, one = members('fail')
  assert one.wait(15) == zero.wait(15) == 2
  assert 'No such file' in one.stderr.read()
  said = zero.stderr.read()
  assert said.startswith('error: process 1 (') and 'No such file' in said
  assert 'Traceback' not in said


def test_hosts_that_have_met_need_not_connect_again(members):
  """Gloo gives them 30 s to connect, and compiling may take longer."""
  for process in members('meet'):
    said, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong
    before, after = said.split('met\n')
    assert '[Gloo]' in before and after.split() == ['4.0', '4.0']


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
