"""Trains or evaluates one experiment.

  python -m vidpetl.main --config=configs/cofinetune_ava.py --workdir=runs/ava

The same command again goes on where the run stopped. At the end the first
process writes report.html, which `vidpetl report` makes again. The exit status
is 75 if the run was told to stop and has saved.
"""

from __future__ import annotations

import functools
import os
import shlex
import sys

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import bounded, cli, garbage, ranges
from vidpetl.recipes import config_flag, named

with epy.lazy_imports():
  import jax

  from vidpetl.experiment import configure
  from vidpetl.studies.report import written
  from vidpetl.training import compiling, hosts, interruption, loop


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('The experiment, with its arguments after a colon.')
  flags.DEFINE_string(
    'workdir', None, 'Where the run lives; runs/<config>/<arguments> if unset.'
  )
  flags.DEFINE_bool(
    'multihost', False, 'Finds the other processes by itself: TPU pods, Slurm.'
  )
  flags.DEFINE_string(
    'coordinator_address', None, 'host:port of process 0, where nobody tells.'
  )
  bounded.define('num_processes', None, ranges.Count, 'How many there are.')
  bounded.define('process_id', None, ranges.Natural, 'Which this one is.')
  flags.mark_flag_as_required('config')


def default_workdir(config_file: str) -> str:
  """Returns runs/cofinetune_ava/demo for cofinetune_ava:demo."""
  path, _, arguments = config_file.partition(':')
  parts = [epath.Path(path).stem, arguments.replace(',', '_')]
  return os.fspath(epath.Path('runs', *filter(None, parts)))


def main(argv: list[str]) -> int:
  """Runs the command line; returns the exit status."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  if not args['verbosity'].present:
    logging.set_verbosity(logging.ERROR)
  if not (args.coordinator_address or args.multihost):
    return run(args)
  with hosts.joined(
    args.coordinator_address,
    args.num_processes,
    args.process_id,
    functools.partial(cli.explain, debug=args.debug),
    args.debug,
  ):
    return run(args)


def run(args: flags.FlagValues) -> int:
  """Trains or evaluates, as one process or as one of several.

  Args:
    args: what the command line says.

  Returns:
    0, or `interruption.STATUS` if the run was told to stop.
  """
  garbage.starting()
  workdir = args.workdir or default_workdir(args.config)
  config = configure.from_flags()
  compiling.keep(config.compile_cache, epath.Path(workdir).parent)
  ended = loop.run(config, workdir, named.words(args.config), command())
  if ended is None:
    return interruption.STATUS
  if config.page and jax.process_index() == 0:
    print(written.at_end(workdir), file=sys.stderr)
  return 0


def command() -> str:
  """Returns what was typed, as a line of a shell."""
  return shlex.join(['vidpetl', 'train', *sys.argv[1:]])


if __name__ == '__main__':
  cli.run(define_flags, main, trains=True)
