"""A run of two processes, of which one is told to stop, is killed, or fails."""

import os
import signal
import subprocess
import sys
import time

import experiments
import pytest

from launch import multiprocess
from vidpetl.training import interruption

pytestmark = pytest.mark.slow


class Pair:
  """Two processes of a run, and a file of what each has said."""

  def __init__(self, folder, *arguments, env=None):
    address = f'127.0.0.1:{multiprocess.free_port()}'
    self.said = [folder / f'said.{number}.txt' for number in (0, 1)]
    self.processes = []
    for number, path in enumerate(self.said):
      words = [
        *(sys.executable, '-m', 'vidpetl.main', *arguments),
        *(f'--coordinator_address={address}', '--num_processes=2'),
        f'--process_id={number}',
      ]
      with path.open('w') as file:
        self.processes.append(
          subprocess.Popen(
            words,
            cwd=experiments.ROOT,
            env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
            stdout=file,
            stderr=file,
          )
        )

  def text(self, number):
    return self.said[number].read_text()

  def wait_for(self, condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
      assert all(p.poll() is None for p in self.processes), self.text(0)
      assert time.monotonic() < end, self.text(0) + self.text(1)
      time.sleep(0.05)

  def ended(self, number, seconds):
    """Returns the exit status of a process that ends in time."""
    return self.processes[number].wait(seconds)

  def close(self):
    for process in self.processes:
      process.kill()
      process.wait()


@pytest.fixture
def run(make_config, config_file, tmp_path):
  """Returns a function that starts, or goes on with, a run that never ends."""
  config = make_config('kinetics400', steps=100_000)
  config.unlock()
  config.steps, config.checkpoint.every = 100_000, 5
  path, pairs = config_file(config), []

  def start(*arguments):
    workdir = tmp_path / 'run'
    pairs.append(
      Pair(tmp_path, f'--config={path}', f'--workdir={workdir}', *arguments)
    )
    return pairs[-1]

  yield start
  for pair in pairs:
    pair.close()


def saved(tmp_path):
  folder = tmp_path / 'run' / 'checkpoints'
  names = folder.iterdir() if folder.exists() else ()
  return max((int(p.name) for p in names if p.name.isdigit()), default=0)


def check_says_who_was_lost(pair, lost):
  other = 1 - lost
  began = time.monotonic()
  assert pair.ended(other, 15) == 1
  assert time.monotonic() - began < 15
  said = pair.text(other)
  pid = pair.processes[lost].pid
  assert f'error: process {lost} (' in said and f', pid {pid}) was lost' in said
  for noise in ('Traceback', 'SIGABRT', 'Check failure', 'F0000'):
    assert noise not in said, said


def test_a_signal_to_one_saves_on_both_and_a_killed_one_is_named(run, tmp_path):
  pair = run()
  pair.wait_for(lambda: saved(tmp_path) >= 5)
  pair.processes[1].send_signal(signal.SIGTERM)
  for number in (0, 1):
    assert pair.ended(number, 90) == interruption.STATUS, pair.text(number)
  step = saved(tmp_path)
  assert f'SIGTERM: saved step {step}; the same command' in pair.text(0)

  for lost in (1, 0):
    pair, before = run(), saved(tmp_path)
    pair.wait_for(lambda before=before: saved(tmp_path) > before)
    pair.processes[lost].kill()
    check_says_who_was_lost(pair, lost)
    assert f'Resuming at step {before} of' in pair.said[0].read_text()
