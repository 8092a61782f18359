"""Cross-validation: trains every fold, and averages.

  python -m vidpetl.folds --workdir=runs/jigsaws --seeds=3 \\
    --config=configs/pecop_aqa.py:dataset=jigsaws,head=core \\
    --over='task=suturing|needle_passing|knot_tying' --folds='fold=1|2|3|4'

What is in --over and --folds is set beside what all runs share, as by
`vidpetl.sweep`; flags such as --config.epochs=5 go to all runs. '{fold}' (the
name of the argument that --folds sets) stands for its value in the config's
argument, so that each fold can start from what was pretrained on its own
training videos: adapter=runs/pretrained/fold={fold}/seed{seed}/adapter.

Each run is a working directory of its own. Folds that take about as many steps
train together in one program, each on its own batches, and come out as each
would alone; --one_by_one turns that off. The same command again leaves alone
what is finished and resumes what is not. Leaves folds.md: each setting's mean
over the folds (± over seeds), and the settings' average, of correlations by
Fisher's z as JIGSAWS' is reported. Its last column says which evaluations the
numbers come from (config.report).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import app, flags
from etils import epath, epy

from vidpetl import cli, durable, lock
from vidpetl.recipes import config_flag
from vidpetl.studies import series
from vidpetl.studies import settings as settings_lib

with epy.lazy_imports():
  from vidpetl.studies import cross_validation as folds_lib

LoadConfig = Callable[[Sequence[settings_lib.Setting], int], Any]


def define_flags() -> None:
  """Defines the command line."""
  series.define_flags('cross-validation', 'fold')
  flags.DEFINE_string('over', '', 'Settings: a=1; a=2,b=x|y')
  flags.DEFINE_string('folds', None, 'The folds: fold=1|2|3|4')
  flags.DEFINE_enum(
    'average', 'fisher_z', sorted(folds_lib.AVERAGES), 'Over settings.'
  )
  flags.mark_flag_as_required('folds')


def cross_validate(
  load_config: LoadConfig,
  settings: Sequence[settings_lib.Setting | None],
  folds: Sequence[settings_lib.Setting],
  seeds: int,
  metric: str,
  average: str,
  folder: epath.Path,
  at_once: int = 1,
) -> list[str] | None:
  """Runs every fold of every setting with every seed.

  Args:
    load_config: (settings of a run, seed) -> config.
    settings: to run; None stands for the config as it is.
    folds: of each.
    seeds: runs of each fold.
    metric: '<task>/<metric>'.
    average: over settings.
    folder: of the cross-validation.
    at_once: the most runs that train together.

  Returns:
    What went wrong, a line per run; None if it was told to stop.
  """
  failed, rows = [], []
  for setting in settings:
    runs = _runs(load_config, setting, folds, seeds, folder)
    try:
      ended = series.run_all(runs, failed, [metric], at_once)
      found = {w: results for each in ended for w, results in each.items()}
      found = {w: found[w] for w in runs if w in found}
    except series.Interrupted:
      return None
    if len(found) < len(runs):
      continue
    try:
      values = [folds_lib.value(r, metric, str(w)) for w, r in found.items()]
    except ValueError as error:
      failed.append(str(error))
      continue
    name = setting.name if setting else ''
    grid = np.reshape(values, (seeds, len(folds)))
    rows.append(folds_lib.row(name, grid, list(found.values())))
    text = folds_lib.table(rows, [f.name for f in folds], metric, average)
    durable.write(folder / 'folds.md', text + '\n')
    print(f'\n{text}\n')
  return failed


def _runs(
  load_config: LoadConfig,
  setting: settings_lib.Setting | None,
  folds: Sequence[settings_lib.Setting],
  seeds: int,
  folder: epath.Path,
) -> Mapping[epath.Path, series.Planned]:
  """Returns working directory -> its run, seed by seed."""
  if setting:
    folder = folder / setting.slug
  runs = {}
  for seed in range(seeds):
    for fold in folds:
      chosen = [*filter(None, [setting]), fold]
      runs[folder / fold.slug / f'seed{seed}'] = series.Planned(
        functools.partial(load_config, chosen, seed), series.told(chosen)
      )
  return runs


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if a run failed, 75 if one stopped."""
  args = flags.FLAGS
  settings = settings_lib.parse(args.over) if args.over else [None]
  folds = settings_lib.parse(args.folds)
  runs = series.from_flags(argv, [*filter(None, settings[:1]), folds[0]])
  if len(runs.metrics) > 1:
    raise app.UsageError('A cross-validation is of one --metric.')
  with lock.hold(runs.folder):
    return series.report(
      cross_validate(
        runs.load,
        settings,
        folds,
        args.seeds,
        runs.metrics[0],
        args.average,
        runs.folder,
        series.at_once(),
      )
    )


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_unloaded, trains=True)
