"""Runs in processes of their own, stopped in every way."""

import json
import os
import signal
import subprocess
import sys
import time

import experiments
import pytest

from vidpetl import main
from vidpetl.parameters import package, storage

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
  assert process.returncode == 0, said
  assert f'Resuming at step {before}' in said
  if (at := finished_steps(stopped)[-1]) < 60:
    assert f'SIGTERM: saved step {at}' in said

  for workdir in (stopped, whole):
    subprocess.run(
      command(path, workdir),
      cwd=experiments.ROOT,
      check=True,
      capture_output=True,
    )
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


def evaluated(workdir):
  results = json.loads((workdir / 'results.json').read_text())
  return results['tasks']['ava']['metrics']


@pytest.mark.slow
def test_one_and_eight_devices_and_two_hosts_agree(
  make_config, config_file, tmp_path
):
  config = make_config('ava', steps=4)
  config.unlock()
  config.checkpoint.every, config.checkpoint.keep = 2, 10
  config.backbone.stochastic_depth = 0.2
  config.backbone.width = config.backbone.mlp = 16
  config.sharding = (('.*', 'fsdp'),)
  config.trainable = (('^backbone/embedding', 'frozen'), ('.*', 'all'))
  one = tmp_path / 'one'
  subprocess.run(
    command(config_file(config), one),
    cwd=experiments.ROOT,
    check=True,
    capture_output=True,
  )
  eight, two = tmp_path / 'eight', tmp_path / 'two'
  run = [sys.executable, 'launch/multiprocess.py']
  # On two hosts, no host has the whole of a parameter.
  for processes, devices, fsdp, workdir in ((1, 8, 2, eight), (2, 4, 8, two)):
    config.mesh.fsdp = fsdp
    path = config_file(config)
    if workdir == two:  # Goes on from what eight devices of one host saved.
      (two / 'checkpoints').mkdir(parents=True)
      (eight / 'checkpoints' / '2').rename(two / 'checkpoints' / '2')
    done = subprocess.run(
      [
        *run,
        f'--processes={processes}',
        f'--devices={devices}',
        '--',
        f'--config={path}',
        f'--workdir={workdir}',
      ],
      cwd=experiments.ROOT,
      capture_output=True,
      text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
  expected = losses(one)
  assert set(losses(eight)) == {1, 2, 3, 4} and set(losses(two)) == {3, 4}
  for workdir in (eight, two):
    for step, loss in losses(workdir).items():
      assert loss == pytest.approx(expected[step], rel=1e-4)
    experiments.check_close(evaluated(workdir), evaluated(one), 0.02)
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
