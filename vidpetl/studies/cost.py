"""What training costs: methods against full tuning of the same model.

  python -m vidpetl.studies.cost --config=configs/vpetl_images.py \\
    --over='method=head; method=lora; method=patt; method=adaptformer'

Compiles the training step of each setting (see vidpetl.sweep) and of
method=full; prints FLOPs and temporary memory as XLA
counts them, the optimizer's memory, and the time of a step, measured in turns.
Needs neither data nor weights.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from vidpetl import durable, tables
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import series, settings
from vidpetl.training import step as step_lib

COLUMNS = ('trained', 'FLOPs', 'time', 'temporary memory', 'optimizer memory')


def batch_of(task, size: int) -> dict[str, np.ndarray]:
  """Returns noise in the shape of a training batch."""
  rng = np.random.default_rng(0)
  clip = task.train_clip
  side = clip.resolution
  video = rng.integers(0, 256, (size, clip.frames, side, side, 3), np.uint8)
  return {
    'video': video,
    'size': np.full((size, 2), side, np.int32),
    'seed': rng.integers(0, 2**32, (size, 2), np.uint32),
    'index': np.arange(size, dtype=np.int32),
    'valid': np.ones(size, bool),
    'label': rng.integers(0, task.num_classes, size, np.int32),
  }


class Step:
  """A training step, compiled."""

  def __init__(self, config: Any, size: int):
    """Compiles.

    Args:
      config: of the run.
      size: of the batch, in clips.
    """
    infos = experiment_lib.infos_from_config(config)
    experiment = experiment_lib.build(config, infos)
    tx, _ = experiment.optimizer(epoch=100.0, total=10_000)
    create = functools.partial(experiment.init_state, tx=tx)
    self.state = jax.jit(create)(jax.random.key(0))
    task = next(iter(experiment.tasks.values()))
    self.batch = batch_of(task, size)
    step = functools.partial(
      step_lib.train_step, model=experiment.model, task=task, tx=tx, seed=0
    )
    lowered = jax.jit(step, donate_argnums=0).lower(self.state, self.batch)
    self.step = lowered.compile()
    self.seconds: list[float] = []
    self.trained = experiment.counts()['trained']

  def run(self) -> None:
    """Makes a step, and takes its time."""
    began = time.perf_counter()
    self.state, scalars = self.step(self.state, self.batch)
    jax.block_until_ready((self.state, scalars))
    self.seconds.append(time.perf_counter() - began)

  def costs(self) -> tuple[float, ...]:
    """Returns the values of `COLUMNS`."""
    optimizer = sum(x.nbytes for x in jax.tree.leaves(self.state.opt_state))
    return (
      self.trained,
      self.step.cost_analysis()['flops'],
      statistics.median(self.seconds[1:]),
      self.step.memory_analysis().temp_size_in_bytes,
      optimizer,
    )


def table(costs: Mapping[str, tuple[float, ...]]) -> str:
  """Returns Markdown; all but the first row as shares of the first."""
  (name, full), *others = costs.items()
  trained, flops, seconds, temporary, optimizer = full
  rows = [
    (
      name,
      f'{trained:,}',
      f'{flops / 1e9:.0f} G',
      f'{seconds:.2f} s',
      f'{temporary / 1e6:.0f} MB',
      f'{optimizer / 1e6:.0f} MB',
    )
  ]
  for name, values in others:
    shares = (f'{value / whole:.3f}' for value, whole in zip(values, full))
    rows.append((name, *shares))
  return tables.markdown(['', *COLUMNS], rows)


def measure(
  config: str, over: str, size: int, steps: int, dtype: str
) -> dict[str, tuple[float, ...]]:
  """Returns what a step of full tuning and of each setting costs.

  Args:
    config: file of the experiment, with shared arguments after a colon.
    over: settings, as of `vidpetl.sweep`.
    size: of the batch, in clips.
    steps: to take the time of, 2 or more.
    dtype: of the computation.
  """
  path, _, shared = config.partition(':')
  compiled = {}
  for setting in settings.parse(f'method=full; {over}'):
    argument = ','.join(filter(None, [shared, setting.argument]))
    fields = {**setting.fields, 'dtype': dtype}
    compiled[setting.name] = Step(series.load(path, argument, fields), size)
  for _ in range(steps):
    for step in compiled.values():
      step.run()
  return {name: step.costs() for name, step in compiled.items()}


def main(argv: list[str] | None = None) -> None:
  """Runs the command line."""
  parser = argparse.ArgumentParser(
    prog='python -m vidpetl.studies.cost', description=__doc__.splitlines()[0]
  )
  parser.add_argument('--config', default='configs/vpetl_images.py')
  parser.add_argument('--over', required=True)
  parser.add_argument('--batch', type=int, default=4)
  parser.add_argument('--steps', type=int, default=4, help='2 or more')
  parser.add_argument('--dtype', default='float32')
  parser.add_argument('--json', type=epath.Path)
  args = parser.parse_args(argv)
  costs = measure(args.config, args.over, args.batch, args.steps, args.dtype)
  print(table(costs))
  if args.json:
    durable.write(args.json, json.dumps(costs, indent=1) + '\n')


if __name__ == '__main__':
  main()
