"""The Slurm script, under commands that do what Slurm's would."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / 'launch' / 'slurm.sbatch'
SAVED = 75

# Starts every task of a step on this machine; its status is the highest.
SRUN = """
import os, subprocess, sys
words = [w for w in sys.argv[1:] if w != '--kill-on-bad-exit=1']
tasks = []
for rank in range(int(os.environ['SLURM_NTASKS'])):
  told = {
    'SLURM_STEP_NODELIST': 'localhost',
    'SLURM_PROCID': str(rank), 'SLURM_LOCALID': str(rank),
  }
  with open(f'said.{rank}.txt', 'a') as file:
    tasks.append(subprocess.Popen(
      words, env={**os.environ, **told}, stdout=file, stderr=file))
with open('pids.tmp', 'w') as file:
  file.write(' '.join(str(task.pid) for task in tasks))
os.rename('pids.tmp', 'pids.txt')
sys.exit(max(task.wait() % 256 for task in tasks))
"""


@pytest.fixture
def cluster(tmp_path):
  """Returns a function that starts the script as a job's; its folder."""
  folder, home = tmp_path / 'bin', tmp_path / 'home'
  for place in (folder, home / '.venv' / 'bin'):
    place.mkdir(parents=True)

  def command(path, text):
    path.write_text(text)
    path.chmod(0o755)

  command(folder / 'srun', f'#!{sys.executable}{SRUN}')
  command(folder / 'scontrol', '#!/bin/sh\necho "$@" >>scontrol.txt\n')
  command(folder / 'squeue', '#!/bin/sh\ncat state.txt\n')
  command(
    home / '.venv' / 'bin' / 'python',
    f'#!/bin/sh\nexec {sys.executable} "$@"\n',
  )
  (home / 'state.txt').write_text('RUNNING\n')

  def start(*arguments, tasks=1):
    return subprocess.Popen(
      ['bash', str(SCRIPT), *arguments],
      env={
        **os.environ,
        'PATH': f'{folder}:{os.environ["PATH"]}',
        'PYTHONPATH': str(ROOT),
        'JAX_PLATFORMS': 'cpu',
        'SLURM_SUBMIT_DIR': str(home),
        'SLURM_JOB_ID': str(os.getpid()),
        'SLURM_JOB_NUM_NODES': '0',  # Its tasks are no nodes.
        'SLURM_NTASKS': str(tasks),
      },
      stdout=subprocess.PIPE,
      text=True,
    )

  return start, home


def requeued(home):
  path = home / 'scontrol.txt'
  return path.read_text().splitlines() if path.exists() else []


def pretend(home, status):
  """Replaces the run by one that ends at once."""
  path = home / '.venv' / 'bin' / 'python'
  path.write_text(f'#!/bin/sh\nexit {status}\n')


@pytest.mark.parametrize(
  'status, state, times',
  [
    (0, 'RUNNING', 0),
    (1, 'RUNNING', 0),
    (SAVED, 'RUNNING', 1),
    (SAVED, 'CANCELLED', 0),
    (SAVED, 'COMPLETING', 0),
  ],
)
def test_what_was_interrupted_and_saved_is_requeued(
  cluster, status, state, times
):
  start, home = cluster
  pretend(home, status)
  (home / 'state.txt').write_text(f'{state}\n')
  job = start()
  said, _ = job.communicate(timeout=30)
  assert job.returncode == status
  assert requeued(home) == times * [f'requeue {os.getpid()}']
  assert ('The run has saved' in said) == (status == SAVED)


def test_the_signal_comes_to_the_run_and_before_the_time_limit():
  options = [
    line.removeprefix('#SBATCH --')
    for line in SCRIPT.read_text().splitlines()
    if line.startswith('#SBATCH')
  ]
  # With 'B:' it would come to the script alone.
  assert {'requeue', 'signal=TERM@300', 'open-mode=append'} <= set(options)


def _wait(job, condition):
  end = time.monotonic() + 240
  while not condition():
    assert job.poll() is None, job.communicate()
    assert time.monotonic() < end
    time.sleep(0.05)


def _steps(workdir):
  folder = workdir / 'checkpoints'
  names = folder.iterdir() if folder.exists() else ()
  return [int(path.name) for path in names if path.name.isdigit()]


@pytest.mark.slow
def test_a_run_of_two_tasks_is_requeued_and_ends(
  cluster, make_config, config_file
):
  """The signal comes to one of them only; both save the same step."""
  start, home = cluster
  config = make_config('kinetics400', steps=60)
  config.unlock()
  config.steps, config.checkpoint.every = 60, 5
  words = [f'--config={config_file(config)}', '--workdir=run']

  job = start(*words, tasks=2)
  _wait(job, lambda: _steps(home / 'run'))
  pids = (home / 'pids.txt').read_text().split()
  os.kill(int(pids[1]), signal.SIGTERM)
  job.communicate(timeout=120)
  said = [(home / f'said.{rank}.txt').read_text() for rank in (0, 1)]
  assert job.returncode == SAVED, said
  step = max(_steps(home / 'run'))
  assert f'SIGTERM: saved step {step}; the same command goes on' in said[0]
  assert requeued(home) == [f'requeue {os.getpid()}']

  job = start(*words, tasks=2)
  job.communicate(timeout=240)
  said = (home / 'said.0.txt').read_text()
  assert job.returncode == 0, said
  assert f'Resuming at step {step} of 60' in said
  assert (home / 'run' / 'results.json').exists()
  assert len(requeued(home)) == 1
