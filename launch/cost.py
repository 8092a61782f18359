"""What training costs: methods against full tuning of the same model.

  .venv/bin/python launch/cost.py --config=configs/vpetl_images.py \\
    --over='method=head; method=lora; method=patt; method=adaptformer'

Compiles the training step of each variant (arguments of the config, see
vidpetl.sweep) and of method=full; prints FLOPs and temporary memory as XLA
counts them, the optimizer's memory, and the time of a step, measured in turns.
Needs neither data nor weights.
"""

from __future__ import annotations

import argparse
import functools
import json
import pathlib
import statistics
import time

import jax
import numpy as np

from vidpetl.experiment import experiment as experiment_lib
from vidpetl.recipes import named
from vidpetl.studies import tradeoff
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


class Variant:
  """A training step, compiled."""

  def __init__(self, path: str, argument: str, size: int, dtype: str):
    config = named.load(f'{path}:{argument}')
    config.unlock()
    config.dtype = dtype
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


def table(variants: dict[str, Variant]) -> str:
  """Markdown; all but the first row as shares of the first."""
  names = list(variants)
  costs = {name: variants[name].costs() for name in names}
  full = costs[names[0]]
  units = (
    f'{full[0]:,}',
    f'{full[1] / 1e9:.0f} G',
    f'{full[2]:.2f} s',
    f'{full[3] / 1e6:.0f} MB',
    f'{full[4] / 1e6:.0f} MB',
  )
  lines = [
    '| | ' + ' | '.join(COLUMNS) + ' |',
    '|---' * (len(COLUMNS) + 1) + '|',
    f'| {names[0]} | ' + ' | '.join(units) + ' |',
  ]
  for name in names[1:]:
    shares = [f'{own / all_:.3f}' for own, all_ in zip(costs[name], full)]
    lines.append(f'| {name} | ' + ' | '.join(shares) + ' |')
  return '\n'.join(lines)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--config', default='configs/vpetl_images.py')
  parser.add_argument('--over', required=True)
  parser.add_argument('--batch', type=int, default=4)
  parser.add_argument('--steps', type=int, default=4, help='2 or more')
  parser.add_argument('--dtype', default='float32')
  parser.add_argument('--json', type=pathlib.Path)
  args = parser.parse_args()
  path, _, shared = args.config.partition(':')
  variants = {}
  for argument in [
    'method=full',
    *(v.argument for v in tradeoff.expand(args.over)),
  ]:
    joined = ','.join(filter(None, [shared, argument]))
    name = argument.removeprefix('method=').replace(',', ', ')
    variants[name] = Variant(path, joined, args.batch, args.dtype)
  for _ in range(args.steps):
    for variant in variants.values():
      variant.run()
  print(table(variants))
  if args.json:
    costs = {name: v.costs() for name, v in variants.items()}
    args.json.write_text(json.dumps(costs, indent=1) + '\n')


if __name__ == '__main__':
  main()
