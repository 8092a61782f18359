"""Cross-validation: trains every fold, and averages.

  python -m vidpetl.folds --workdir=runs/jigsaws --seeds=3 \\
    --config=configs/pecop_aqa.py:dataset=jigsaws,head=core \\
    --over='task=suturing|needle_passing|knot_tying' --folds='fold=1|2|3|4'

What is in --over and --folds is appended to the config's arguments, as by
`vidpetl.sweep`; flags such as --config.epochs=5 go to all runs. '{fold}' (the
name of the argument that --folds sets) stands for its value in the config's
argument, so that each fold can start from what was pretrained on its own
training videos: adapter=runs/pretrained/fold={fold}/seed{seed}/adapter.

Each run is a working directory of its own. The same command again leaves alone
what is finished and resumes what is not. Leaves folds.md: each variant's mean
over the folds (+- over seeds), and the variants' average, of correlations by
Fisher's z as JIGSAWS' is reported.
"""

from __future__ import annotations

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import flags
from etils import epy

from vidpetl import cli
from vidpetl.recipes import config_flag
from vidpetl.studies import cross_validation as folds_lib
from vidpetl.studies import series

with epy.lazy_imports():
  from vidpetl.studies import tradeoff


def define_flags() -> None:
  """Defines the command line."""
  series.define_flags('cross-validation', 'fold')
  flags.DEFINE_string('over', '', 'Variants: a=1; a=2,b=x|y')
  flags.DEFINE_string('folds', None, 'The folds: fold=1|2|3|4')
  flags.DEFINE_enum(
    'average', 'fisher_z', sorted(folds_lib.AVERAGES), 'Over variants.'
  )
  flags.mark_flag_as_required('folds')


def cross_validate(
  load_config: Callable[[str, int], Any],
  variants: Sequence[tradeoff.Variant | None],
  folds: Sequence[tradeoff.Variant],
  seeds: int,
  metric: str,
  average: str,
  folder: pathlib.Path,
) -> list[str] | None:
  """Runs every fold of every variant with every seed.

  Args:
    load_config: (argument, seed) -> config.
    variants: to run; None stands for the config as it is.
    folds: of each.
    seeds: runs of each fold.
    metric: '<task>/<metric>'.
    average: over variants.
    folder: of the cross-validation.

  Returns:
    What went wrong, a line per run; None if it was told to stop.
  """
  failed, rows = [], []
  for variant in variants:
    name = variant.argument if variant else ''
    configs = {}
    for seed in range(seeds):
      for fold in folds:
        place = folder / (variant.slug if variant else '') / fold.slug
        argument = ','.join(filter(None, [name, fold.argument]))
        make = functools.partial(load_config, argument, seed)
        configs[place / f'seed{seed}'] = make
    try:
      found = dict(series.run_all(configs, failed))
    except series.Interrupted:
      return None
    if len(found) < len(configs):
      continue
    try:
      values = [folds_lib.value(r, metric, str(w)) for w, r in found.items()]
    except ValueError as error:
      failed.append(str(error))
      continue
    rows.append(folds_lib.row(name, np.reshape(values, (seeds, len(folds)))))
    text = folds_lib.table(rows, [f.argument for f in folds], metric, average)
    (folder / 'folds.md').write_text(text + '\n')
    print(f'\n{text}\n')
  return failed


def _values(argument: str) -> dict[str, str]:
  """Returns what placeholders stand for in a run of these arguments."""
  return dict(each.split('=', 1) for each in argument.split(','))


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if a run failed or was stopped."""
  args = flags.FLAGS
  variants = tradeoff.expand(args.over) if args.over else [None]
  folds = tradeoff.expand(args.folds)
  first = [variants[0].argument] if variants[0] else []
  first = ','.join([*first, folds[0].argument])
  runs = series.from_flags(argv, first, _values(first))

  def load_config(argument, seed):
    return runs.load(argument, seed, _values(argument))

  return series.report(
    cross_validate(
      load_config,
      variants,
      folds,
      args.seeds,
      runs.metric,
      args.average,
      runs.folder,
    )
  )


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_unloaded)
