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
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags
from etils import epy

from vidpetl import cli
from vidpetl.recipes import config_flag
from vidpetl.studies import series

with epy.lazy_imports():
  from vidpetl.studies import tradeoff


def define_flags() -> None:
  """Defines the command line."""
  series.define_flags('sweep', 'variant')
  flags.DEFINE_string('over', None, 'Variants: a=1; a=2,b=x|y')
  flags.mark_flag_as_required('over')


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
  variants = tradeoff.expand(args.over)
  runs = series.from_flags(argv, variants[0].argument)
  return series.report(
    sweep(runs.load, variants, args.seeds, runs.metric, runs.folder)
  )


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_unloaded)
