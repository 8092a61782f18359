"""Runs a list of methods and sizes; draws accuracy against trained parameters.

  python -m vidpetl.sweep --workdir=runs/sweep --seeds=3 \\
    --config=configs/vpetl.py:dataset=hmdb51,demo,init=demo/swin \\
    --over='method=head; method=full; method=bapat,bottleneck=4|16|64'

What is in --over is set beside what all runs share: settings are separated by
';', what they set by ',', values of one thing by '|', and 'name: ' before a
setting calls it so in table and folders. Each sets arguments of the config, or
fields of it (config.optimizer.learning_rate=0.1|0.2); what is in quotes or in
round brackets is not cut. In place of --over the config's file, or that of
--settings=file.py, may list its settings in a function get_hyper: see
vidpetl/studies/settings.py.

'{seed}' in a setting stands for the run's seed, so that each can start from
another run of its own. Flags such as --config.epochs=5 go to all runs. Each run
is a working directory of its own. The same command again leaves alone what is
finished and resumes what is not; an error in one run does not keep the others
from running.

Leaves sweep.md, sweep.json, tradeoff.png and cost.png (accuracy over GFLOPs),
and both pictures as SVG. The last column of the table says which evaluations
the numbers come from (config.report).
"""

from __future__ import annotations

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')

import functools
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags
from etils import epath, epy

from vidpetl import cli, lock
from vidpetl.recipes import config_flag, named
from vidpetl.studies import series
from vidpetl.studies import settings as settings_lib

with epy.lazy_imports():
  from vidpetl.studies import flops, tradeoff


def define_flags() -> None:
  """Defines the command line."""
  series.define_flags('sweep', 'setting')
  flags.DEFINE_string('over', None, 'Settings: a=1; a=2,b=x|y')
  flags.DEFINE_string(
    'settings',
    None,
    'File whose get_hyper(argument) lists settings, with its argument after a '
    "colon; the config's own if unset.",
  )


def sweep(
  load_config: Callable[[Sequence[settings_lib.Setting], int], Any],
  settings: Sequence[settings_lib.Setting],
  seeds: int,
  metrics: Sequence[str],
  folder: epath.Path,
) -> list[str] | None:
  """Runs every setting with every seed; draws after each run.

  Args:
    load_config: (settings of a run, seed) -> config.
    settings: to run.
    seeds: runs of each.
    metrics: '<task>/<metric>' each; the first is drawn.
    folder: of the sweep.

  Returns:
    What went wrong, a line per run; None if it was told to stop.
  """
  failed = []
  costs: dict[settings_lib.Setting, dict[str, float]] = {}
  found: dict[settings_lib.Setting, list[dict]] = {s: [] for s in settings}
  setting_of, runs = {}, {}
  for seed in range(seeds):
    for setting in settings:
      workdir = folder / setting.slug / f'seed{seed}'
      setting_of[workdir] = setting
      make = functools.partial(load_config, [setting], seed)
      runs[workdir] = series.Planned(make, series.told([setting]))
  try:
    for workdir, results in series.run_all(runs, failed):
      setting = setting_of[workdir]
      found[setting].append(results)
      if setting not in costs:
        costs[setting] = flops.forward(runs[workdir].config())
      tradeoff.write(folder, found, metrics, costs)
  except series.Interrupted:
    return None
  print(f'\n{tradeoff.table(found, metrics)}\n')
  return failed


def listed(
  over: str | None, file: str | None, config: str
) -> list[settings_lib.Setting]:
  """Returns the settings that a command line names.

  Args:
    over: as text.
    file: that lists them, with its argument after a colon.
    config: file of the experiment, which may list them too.
  """
  if over and file:
    raise app.UsageError('--over and --settings are two lists of settings.')
  if over:
    return settings_lib.parse(over)
  path, argument = named.split(file or config)
  return settings_lib.load(str(path), argument)


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if a run failed, 75 if one stopped."""
  args = flags.FLAGS
  settings = listed(args.over, args.settings, args.config)
  runs = series.from_flags(argv, settings[:1])
  with lock.hold(runs.folder):
    return series.report(
      sweep(runs.load, settings, args.seeds, runs.metrics, runs.folder)
    )


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_unloaded)
