"""Runs a list of methods and sizes; draws accuracy against trained parameters.

  python -m vidpetl.sweep --workdir=runs/sweep --seeds=3 \\
    --config=configs/vpetl_hmdb51.py:demo,init=demo/swin \\
    --over='method=head; method=full; method=bapat,bottleneck=4|16|64'

What is in --over is appended to the config's arguments: variants are separated
by ';', values of one argument by '|', and 'name: ' before a variant calls it so
in table and folders. '{seed}' in arguments stands for the run's seed, so that
each can start from another run of its own. Flags such as --config.epochs=5 go
to all runs. Each run is a working directory of its own. The same command again
leaves alone what is finished and resumes what is not; an error in one run does
not keep the others from running.

Leaves sweep.md, sweep.json and tradeoff.png.
"""

from __future__ import annotations

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')

import functools
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from vidpetl.training import series, tradeoff


def define_flags() -> None:
  """Defines the command line."""
  config_flags.DEFINE_config_file(
    'config', None, 'File of the experiment, with what all runs share.'
  )
  flags.DEFINE_string('over', None, 'Variants: a=1; a=2,b=x|y')
  flags.DEFINE_string('workdir', None, 'Folder of the sweep.')
  flags.DEFINE_integer('seeds', 1, 'Runs of each variant.', lower_bound=1)
  flags.DEFINE_string(
    'metric', None, "'<task>/<metric>'; config.checkpoint.best if unset."
  )
  flags.mark_flags_as_required(['config', 'over', 'workdir'])


def sweep(
  load_config: Callable[[str, int], Any],
  variants: Sequence[tradeoff.Variant],
  seeds: int,
  metric: str,
  folder: pathlib.Path,
) -> list[str] | None:
  """Runs every variant with every seed; draws after each run.

  Args:
    load_config: (argument, seed) -> config.
    variants: to run.
    seeds: runs of each.
    metric: '<task>/<metric>'.
    folder: of the sweep.

  Returns:
    What went wrong, a line per run; None if it was told to stop.
  """
  failed = []
  found: dict[tradeoff.Variant, list[dict]] = {v: [] for v in variants}
  variant_of, configs = {}, {}
  for seed in range(seeds):
    for variant in variants:
      workdir = folder / variant.slug / f'seed{seed}'
      variant_of[workdir] = variant
      configs[workdir] = functools.partial(load_config, variant.argument, seed)
  try:
    for workdir, results in series.run_all(configs, failed):
      found[variant_of[workdir]].append(results)
      tradeoff.write(folder, found, metric)
  except series.Interrupted:
    return None
  print(f'\n{tradeoff.table(found, metric)}\n')
  return failed


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if a run failed or was stopped."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  path, _, shared = args['config'].config_filename.partition(':')
  overrides = config_flags.get_override_values(args['config'])
  folder = pathlib.Path(args.workdir)
  metric = args.metric or args.config.checkpoint.best
  if not metric:
    raise app.UsageError('This config has no checkpoint.best: give --metric.')
  jax.config.update(
    'jax_compilation_cache_dir',
    args.config.compile_cache or str((folder / 'compiled').absolute()),
  )

  def load_config(argument, seed):
    argument = ','.join(filter(None, [shared, argument]))
    argument = series.fill(argument, {'seed': seed})
    return series.load(path, argument, {**overrides, 'seed': seed})

  failed = sweep(
    load_config, tradeoff.expand(args.over), args.seeds, metric, folder
  )
  if failed is None:
    return 1
  for line in failed:
    print(f'FAILED {line}', file=sys.stderr)
  return 1 if failed else 0


if __name__ == '__main__':
  define_flags()
  app.run(main)
