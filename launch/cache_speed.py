"""How much faster epochs are from a cache of features, and how large it is.

  python launch/cache_speed.py --config=vpetl:dataset=hmdb51,demo,method=head
  python launch/cache_speed.py --config=adapt:backbone=videomae_b,… \\
    --config.tasks.mine.clip.frames=8

Trains a head on a frozen backbone from the videos and from the cache in turns,
decoding and reading included. A time is processor time of this process, the
median over the turns, per 1,000 clips; a ratio is the median of the ratios of
neighbouring turns. Unless XLA_FLAGS says otherwise, XLA computes with one
thread, so that waiting for others counts as nothing.

Behind it come the bytes that a clip takes by what is kept of it and as what,
and how far that is from what the backbone made: |x - y| / |x|, of all tokens.
"""

from __future__ import annotations

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')
os.environ.setdefault('XLA_FLAGS', '--xla_cpu_multi_thread_eigen=false')

import statistics
import tempfile
import time
from typing import Any

import jax
import numpy as np
from absl import flags, logging

from vidpetl import bounded, cli, ranges
from vidpetl.backbones import features as features_lib
from vidpetl.backbones import kept
from vidpetl.data import augment, tensorflow_start
from vidpetl.experiment import configure
from vidpetl.recipes import config_flag
from vidpetl.training import filling, sharding
from vidpetl.training import run as run_lib


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('A run whose backbone is frozen.')
  bounded.define('turns', 3, ranges.Count, 'Turns of each.')
  bounded.define('steps', 2, ranges.Count, 'Steps of a turn from videos.')
  bounded.define('more', 50, ranges.Count, 'Times as many from the cache.')
  flags.mark_flag_as_required('config')


class Course:
  """A run that takes steps when told to."""

  def __init__(self, config: Any):
    """Takes the first step, which compiles."""
    self.run = run = run_lib.prepare(config)
    (self.name,) = run.train
    self.state, _ = run.init_state()
    if run.cache:
      filling.fill(run, self.state, print)
    self._batches = run.train_batches(0)[self.name]
    self._step = run.train_steps()[self.name]
    self.take(1)

  def take(self, steps: int) -> float:
    """Takes steps; returns seconds of the processor for a clip."""
    began = time.process_time()
    for _ in range(steps):
      batch = sharding.to_device(next(self._batches), self.run.mesh)
      rates = self.run.rates(0)
      self.state, _ = self._step(self.state, batch, rates=rates)
    jax.block_until_ready(self.state)
    _settle()
    taken = time.process_time() - began
    return taken / steps / self.run.config.batch_size


def _settle() -> None:
  """Waits until as many batches are decoded ahead as there were before."""
  busy = 1.0
  while busy > 0.02:
    before = time.process_time()
    time.sleep(0.5)
    busy = time.process_time() - before


def main(argv: list[str]) -> None:
  """Runs the command line."""
  del argv
  args = flags.FLAGS
  logging.set_verbosity(logging.ERROR)
  config = configure.from_flags().unlock()
  config.cache.views = 1
  mesh = sharding.mesh_of(config)
  tensorflow_start.load()  # It is not what is measured.
  with tempfile.TemporaryDirectory() as folder, jax.set_mesh(mesh):
    plain = Course(config)
    config.cache.path = folder
    cached = Course(config)
    pairs = [
      (plain.take(args.steps), cached.take(args.steps * args.more))
      for _ in range(args.turns)
    ]
    videos, features = (1e3 * statistics.median(x) for x in zip(*pairs))
    ratio = statistics.median(a / b for a, b in pairs)
    print('\n| videos, s | cache, s | times faster |\n|---|---|---|')
    print(f'| {videos:.2f} | {features:.3f} | {ratio:.0f} |\n')
    print('| kept | as | bytes a clip | error |\n|---|---|---|---|')
    for row in sizes(plain):
      print('| {} | {} | {:,} | {:.5f} |'.format(*row))


def sizes(course: Course) -> list[tuple[str, str, int, float]]:
  """Returns what is kept, as what, its bytes a clip, and its error."""
  run, name = course.run, course.name
  task, batch = run.experiment.tasks[name], next(iter(run.eval_batches(name)))
  inputs = augment.preprocess(batch, task.augment, train=False)
  made, _ = run.experiment.model.apply(
    course.state.variables,
    task.views(inputs, False),
    inputs,
    name,
    False,
    method='on',
  )
  parts = {
    'summary': features_lib.Features(None, made.summary),
    'grid': features_lib.Features(made.grid, None),
  }
  rows = []
  for part, features in parts.items():
    (exact,) = kept.named(features).values()
    exact = np.asarray(exact, np.float64)
    for dtype in kept.DTYPES:
      packed = kept.pack(features, dtype)
      (found,) = kept.named(kept.unpack(packed)).values()
      wrong = np.linalg.norm(np.asarray(found, np.float64) - exact)
      size = sum(x.nbytes for x in packed.values()) // len(exact)
      rows.append((part, dtype, size, wrong / np.linalg.norm(exact)))
  return rows


if __name__ == '__main__':
  cli.run(define_flags, main)
