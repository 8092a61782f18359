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
is a working directory of its own. Runs that differ in numbers alone (seeds,
learning rates, weight decays, label smoothing, dropout of a head, and scale,
alpha and dropout of a technique) train together in one program, and come out as
each would alone; --one_by_one turns that off. So do runs that differ in data,
each on a batch of its own. All seeds see the same batches, which are decoded
once for all of them; --batches=own gives each its own. With config.validation
each setting is tried at four rates, and the one is reported that is best on
what is held out (--rates). The same command again leaves alone what is finished
and resumes what is not; an error in one run does not keep the others from
running.

Leaves sweep.md, sweep.json, tradeoff.png and cost.png (accuracy over GFLOPs);
at its end contrasts.md and contrasts.png, what one thing of the settings
changes where all else and the seed are alike; pictures as SVG, too. The last
column of the table says which evaluations the numbers come from
(config.report).
"""

from __future__ import annotations

import dataclasses

from absl import app, flags
from etils import epy

from vidpetl import cli, lock
from vidpetl.recipes import config_flag, named
from vidpetl.studies import series
from vidpetl.studies import settings as settings_lib

with epy.lazy_imports():
  from vidpetl.studies import rates, sweeping


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
  flags.DEFINE_enum(
    'batches',
    'shared',
    ['shared', 'own'],
    'Whether the runs of all seeds see the same batches, or each its own; the '
    'same ones are decoded, and encoded by a frozen trunk, once for all.',
  )
  flags.DEFINE_string(
    'rates',
    'auto',
    "Factors of the config's learning rate that each setting is tried with, as "
    "in '0.3|1|3'; the one is reported that is best on held-out examples. "
    "'auto' tries 0.1, 0.3, 1 and 3 where config.validation holds some out and "
    'the setting has no rate of its own.',
  )


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
  if args.batches == 'shared':
    runs = dataclasses.replace(runs, data_seed=0)
  factors = rates.factors(args.rates)
  with lock.hold(runs.folder):
    return series.report(
      sweeping.sweep(
        runs.load,
        settings,
        args.seeds,
        runs.metrics,
        runs.folder,
        factors,
        series.at_once(),
      )
    )


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_unloaded, trains=True)
