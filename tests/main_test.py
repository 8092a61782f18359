"""Runs in processes of their own, stopped in every way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import experiments
import pytest

from vidpetl import main
from vidpetl.parameters import package, storage
from vidpetl.training import interruption, loop

QUIET = {'cwd': experiments.ROOT, 'capture_output': True}


def command(config_file, workdir):
  return [
    sys.executable,
    '-m',
    'vidpetl.main',
    f'--config={config_file}',
    f'--workdir={workdir}',
  ]


def start(config_file, workdir, **env):
  return subprocess.Popen(
    command(config_file, workdir),
    cwd=experiments.ROOT,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu', **env},
    stderr=subprocess.PIPE,
    text=True,
  )


def wait_for(process, condition, seconds=240):
  for _ in range(seconds * 20):
    if condition():
      return
    assert process.poll() is None, process.stderr.read()
    time.sleep(0.05)
  raise AssertionError('timed out')


def finished_steps(workdir):
  folder = workdir / 'checkpoints'
  if not folder.exists():
    return []
  return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit())


@pytest.mark.slow
def test_killed_terminated_and_continued_is_as_never_stopped(
  make_config, config_file, tmp_path
):
  config = make_config('kinetics400', steps=1000)
  config.unlock()
  config.steps, config.log_every, config.checkpoint.every = 60, 5, 5
  path = config_file(config)
  stopped, whole = tmp_path / 'stopped', tmp_path / 'whole'

  process = start(path, stopped)
  wait_for(process, lambda: finished_steps(stopped))
  process.kill()
  process.wait()
  before = finished_steps(stopped)[-1]

  process = start(path, stopped)
  wait_for(process, lambda: finished_steps(stopped)[-1] > before)
  process.send_signal(signal.SIGTERM)
  _, said = process.communicate(timeout=120)
  assert f'Resuming at step {before}' in said
  if (at := finished_steps(stopped)[-1]) < 60:
    assert f'SIGTERM: saved step {at}' in said
  assert process.returncode == (interruption.STATUS if at < 60 else 0), said

  subprocess.run(command(path, stopped), **QUIET, check=True)
  loop.run(config, str(whole))
  a, b = (storage.load_arrays(str(w)) for w in (stopped, whole))
  assert storage.tree_hash(a) == storage.tree_hash(b)
  steps = [
    row['step']
    for line in (stopped / 'metrics.jsonl').read_text().splitlines()
    if 'kinetics400/loss' in (row := json.loads(line))
  ]
  assert steps == sorted(set(steps))


def losses(workdir):
  rows = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
  return {row['step']: row['ava/loss'] for row in rows if 'ava/loss' in row}


def of_tests(workdir):
  results = json.loads((workdir / 'results.json').read_text())
  return results['tasks']['ava']


@pytest.mark.slow
def test_one_and_eight_devices_and_two_hosts_agree(
  make_config, config_file, tmp_path
):
  """Also where one goes on from another's checkpoint, there and back."""
  config = make_config('ava', steps=4)
  config.unlock()
  config.checkpoint.every, config.checkpoint.keep = 1, 10
  # The only batch of an evaluation is not full, and one host has none of it.
  config.eval_batch_size = 16
  config.backbone.stochastic_depth = 0.2
  config.backbone.width = config.backbone.mlp = 16
  config.sharding = (('.*', 'fsdp'),)
  config.trainable = (('^backbone/embedding', 'frozen'), ('.*', 'all'))

  def run(name, processes, devices, fsdp, of='', step=0):
    """Trains on so many devices, or goes on from a step of another run."""
    workdir = tmp_path / name
    if of:
      (workdir / 'checkpoints').mkdir(parents=True)
      saved = tmp_path / of / 'checkpoints' / str(step)
      shutil.copytree(saved, workdir / 'checkpoints' / str(step))
    config.mesh.fsdp = fsdp
    if processes * devices == 1:
      loop.run(config, str(workdir))
      return workdir
    done = subprocess.run(
      [
        *(sys.executable, 'launch/multiprocess.py'),
        *(f'--processes={processes}', f'--devices={devices}', '--'),
        *(f'--config={config_file(config)}', f'--workdir={workdir}'),
      ],
      cwd=experiments.ROOT,
      capture_output=True,
      text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return workdir

  one = run('one', 1, 1, fsdp=1)
  expected = losses(one)
  others = {
    run('eight', 1, 8, fsdp=2): {1, 2, 3, 4},
    # No host has the whole of a parameter.
    run('two', 2, 4, fsdp=8, of='one', step=2): {3, 4},
    run('back', 1, 1, fsdp=1, of='two', step=3): {4},
  }
  assert of_tests(one)['examples'] <= config.eval_batch_size / 2
  for workdir, steps in others.items():
    assert set(losses(workdir)) == steps
    for step, loss in losses(workdir).items():
      assert loss == pytest.approx(expected[step], rel=1e-4)
    assert of_tests(workdir)['examples'] == of_tests(one)['examples']
    metrics = of_tests(workdir)['metrics']
    experiments.check_close(metrics, of_tests(one)['metrics'], 0.02)
    packages = [package.load(w / 'adapter') for w in (workdir, one)]
    ours, theirs = (p.config['backbone_sha256'] for p in packages)
    assert ours == theirs


def test_workdir_follows_the_config():
  assert main.default_workdir('configs/cofinetune_ava.py') == os.path.join(
    'runs', 'cofinetune_ava'
  )
  assert main.default_workdir('x/a.py:demo,seed=1') == os.path.join(
    'runs', 'a', 'demo_seed=1'
  )
