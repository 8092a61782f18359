"""Augmentation is the same on one device and on eight."""

import os
import subprocess
import sys

import experiments
import numpy as np

# On one device; on eight; and on two by four, in parts, as gradients are
# accumulated.
PROGRAM = """
import sys

import jax
import numpy as np

from vidpetl.data import augment
from vidpetl.training import sharding

settings = augment.Augment(
  scale_jitter=(0.8, 1.1),
  rand_augment=(2, 7, 0.5),
  erasing=0.5,
  mixup=0.8,
  cutmix=1.0,
)
rng = np.random.default_rng(0)
batch = {
  'video': rng.integers(0, 256, (32, 1, 24, 24, 3), np.uint8),
  'size': rng.integers(16, 25, (32, 2)).astype(np.int32),
  'seed': rng.integers(0, 2**32, (32, 2), np.uint32),
  'valid': np.arange(32) != 3,
}
run = lambda batch: augment.preprocess(batch, settings, train=True)


@jax.jit
def in_parts(batch):
  split = lambda x: x.reshape(-1, 2, *x.shape[1:]).swapaxes(0, 1)
  join = lambda x: x.swapaxes(0, 1).reshape(-1, *x.shape[2:])
  return jax.tree.map(join, jax.lax.map(run, jax.tree.map(split, batch)))


found = {'one': run(batch)}
mesh = sharding.make_mesh(8, 1)
with jax.set_mesh(mesh):
  rows = sharding.to_device(batch, mesh)
  program = jax.jit(run).lower(rows).compile()
  found['eight'] = program(rows)
  assert len(found['eight']['video'].addressable_shards) == 8
  # Clips go to the device of their partner, and nowhere else.
  assert 'all-gather' not in program.as_text()
  assert 'collective-permute' in program.as_text()
mesh = sharding.make_mesh(2, 4)
with jax.set_mesh(mesh):
  found['parts'] = in_parts(sharding.to_device(batch, mesh))
names = ('video', 'size', 'own_share')
np.savez(
  sys.argv[1],
  **{f'{at}/{name}': x[name] for at, x in found.items() for name in names},
)
"""


def test_eight_devices_are_one(tmp_path):
  path = tmp_path / 'found.npz'
  flag = '--xla_force_host_platform_device_count=8'
  done = subprocess.run(
    [sys.executable, '-c', PROGRAM, str(path)],
    env={
      **os.environ,
      'PYTHONPATH': str(experiments.ROOT),
      'XLA_FLAGS': f'{os.environ.get("XLA_FLAGS", "")} {flag}',
    },
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  found = np.load(path)
  assert (found['one/own_share'] < 1).sum() > 20
  for at in ('eight', 'parts'):
    for name in ('video', 'size', 'own_share'):
      np.testing.assert_allclose(
        found[f'{at}/{name}'], found[f'one/{name}'], atol=1e-5, err_msg=at
      )
