"""Many runs of one config file, in working directories of their own.

What is finished is left alone and what is not goes on, so that the same command
can be given again; an error in one run does not keep the others from running.
"""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import bounded, mistakes, ranges
from vidpetl.data import opening
from vidpetl.recipes import config_flag, named
from vidpetl.studies import settings as settings_lib

# The command line is read before JAX is loaded.
with epy.lazy_imports():
  import jax

  from vidpetl.experiment import complete, configure, pixels
  from vidpetl.studies.report import written
  from vidpetl.training import compiling, identity, interruption, loop

# The flags belong to the door that defines them.
flags.disclaim_key_flags()


def load(path: str, argument: str, fields: Mapping[str, Any]) -> Any:
  """Returns the config of a file and its argument, with fields set.

  Args:
    path: name or file of the config.
    argument: of it.
    fields: path without 'config.' -> value; a text is read as on the command
      line, `--config.<path>=<text>`.
  """
  return configure.configure(named.load(f'{path}:{argument}'), fields)


def fill(argument: str, values: Mapping[str, Any]) -> str:
  """Returns an argument with each '{name}' replaced by its value."""
  for name, value in values.items():
    argument = argument.replace('{' + name + '}', str(value))
  return argument


def check_unchanged(workdir: epath.Path, config: Any) -> None:
  """Refuses to go on in a folder that another config has begun.

  Raises:
    ValueError: naming the fields that differ.
  """
  path = workdir / 'config.json'
  if not path.exists():
    return
  # What is finished does not look at its data any more.
  places = (workdir / 'results.json').exists()
  config, _ = pixels.resolve(complete.complete(config), workdir)
  then, now = (
    identity.of_config(each, places)
    for each in (opening.read_json(path), config)
  )
  changed = identity.changes(then, now)
  accept = config.checkpoint.accept
  taken = identity.accepted(accept, changed, then | now)
  if differ := {k: changed[k] for k in changed if k not in taken}:
    raise ValueError(
      f'{workdir} was begun with other settings: {identity.told(differ)}; use '
      'another --workdir, or remove it.'
    )


@dataclasses.dataclass(frozen=True)
class Planned:
  """A run of a series.

  Attributes:
    config: makes its config.
    told: what tells it from the others, for those who compare them.
  """

  config: Callable[[], Any]
  told: Mapping[str, str]


def told(settings: Sequence[settings_lib.Setting]) -> dict[str, str]:
  """Returns what tells a run from others: names and arguments of settings."""
  name = ', '.join(setting.name for setting in settings)
  found = {'setting': name}
  for setting in settings:
    found |= setting.arguments
  return found


def run(
  config: Any,
  workdir: epath.Path,
  told: Mapping[str, str],
  metrics: Sequence[str] = (),
) -> dict[str, Any] | None:
  """Returns a run's results: those it has, or those of training it now."""
  check_unchanged(workdir, config)
  results = workdir / 'results.json'
  if results.exists():
    return opening.read_json(results)
  workdir.mkdir(parents=True, exist_ok=True)
  try:
    ended = loop.run(config, str(workdir), told, compared=metrics)
    if ended and config.page:
      print(written.at_end(workdir), file=sys.stderr)
    return ended
  finally:
    # Dozens of runs in one process would keep all their programs.
    jax.clear_caches()


class Interrupted(Exception):
  """A run was told to stop."""


def run_all(
  runs: Mapping[epath.Path, Planned],
  failed: list[str],
  metrics: Sequence[str] = (),
) -> Iterator[tuple[epath.Path, dict[str, Any]]]:
  """Runs one after the other.

  Args:
    runs: working directory -> its run.
    failed: gets a line for each run that raised an error.
    metrics: '<task>/<metric>' that each is to measure, or it does not begin.

  Yields:
    Working directory and results of those that did not.

  Raises:
    Interrupted: if a run was told to stop.
  """
  for number, (workdir, planned) in enumerate(runs.items(), 1):
    print(f'\n--- run {number} of {len(runs)}: {workdir}', flush=True)
    try:
      results = run(planned.config(), workdir, planned.told, metrics)
    except Exception as error:
      if not mistakes.is_mistake(error):
        traceback.print_exc()
      failed.append(f'{workdir}: {error}')
      continue
    if results is None:
      raise Interrupted
    yield workdir, results


def define_flags(workdir: str, seeds: str) -> None:
  """Defines what the command lines of all series share.

  Args:
    workdir: what --workdir is the folder of.
    seeds: what --seeds counts.
  """
  config_flag.define(
    'The experiment, with the arguments that all runs share. '
    '--config.<field>=<value> sets a field of all of them.'
  )
  flags.DEFINE_string('workdir', None, f'Folder of the {workdir}.')
  bounded.define('seeds', 1, ranges.Count, f'Runs of each {seeds}.')
  flags.DEFINE_list(
    'metric',
    None,
    "'<task>/<metric>', several separated by commas; config.checkpoint.best if "
    'unset.',
  )
  flags.mark_flags_as_required(['config', 'workdir'])


@dataclasses.dataclass(frozen=True)
class Series:
  """What a command line says of all runs.

  Attributes:
    path: name or file of the config.
    shared: argument of all configs.
    fields: of all configs, path -> text.
    folder: that gets the working directories.
    metrics: '<task>/<metric>' each.
  """

  path: str
  shared: str
  fields: Mapping[str, str]
  folder: epath.Path
  metrics: tuple[str, ...]

  def load(self, settings: Sequence[settings_lib.Setting], seed: int) -> Any:
    """Returns the config of a run.

    Args:
      settings: in addition to what is shared. '{seed}' in their texts stands
        for the run's seed, and '{name}' for their argument of that name.
      seed: of the run.
    """
    argument, fields = _of_run(self.shared, settings, seed)
    return load(self.path, argument, {**self.fields, **fields})


def _of_run(
  shared: str, settings: Sequence[settings_lib.Setting], seed: int
) -> tuple[str, dict[str, Any]]:
  """Returns the argument and the fields of a run, placeholders filled."""
  arguments = [shared, *(setting.argument for setting in settings)]
  placeholders = {'seed': seed}
  fields: dict[str, Any] = {}
  for setting in settings:
    placeholders |= setting.arguments
    fields |= setting.fields
  fields = {
    key: fill(value, placeholders) if isinstance(value, str) else value
    for key, value in fields.items()
  }
  argument = fill(','.join(filter(None, arguments)), placeholders)
  return argument, {**fields, 'seed': seed}


def from_flags(
  argv: Sequence[str], first: Sequence[settings_lib.Setting]
) -> Series:
  """Reads the command line, and sets where compiled programs are kept.

  Args:
    argv: what `config_flag.parse_unloaded` has left.
    first: settings of the first run.
  """
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  path, _, shared = args.config.partition(':')
  folder = epath.Path(args.workdir)
  series = Series(path, shared, config_flag.fields(), folder, ())
  config = series.load(first, 0)
  metrics = args.metric or [config.checkpoint.best]
  if not all(metrics):
    raise app.UsageError('This config has no checkpoint.best: give --metric.')
  compiling.keep(config.compile_cache, folder)
  return dataclasses.replace(series, metrics=tuple(metrics))


def report(failed: Sequence[str] | None) -> int:
  """Prints what went wrong, and returns the exit status: 1 if anything did.

  Args:
    failed: a line per run; None if the series was told to stop, of which the
      status is that of a run.
  """
  if failed is None:
    return interruption.STATUS
  for line in failed:
    print(f'FAILED {line}', file=sys.stderr)
  return 1 if failed else 0
