"""Many runs of one config file, in working directories of their own.

What is finished is left alone and what is not goes on, so that the same command
can be given again; an error in one run does not keep the others from running.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
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
  from vidpetl.studies import grouping
  from vidpetl.studies.report import written
  from vidpetl.training import (
    alone,
    compiling,
    group,
    identity,
    interruption,
    loop,
  )

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
  at_once: int = 1,
) -> Iterator[dict[epath.Path, dict[str, Any]]]:
  """Runs one after the other, or those together that can be.

  Args:
    runs: working directory -> its run.
    failed: gets a line for each run that raised an error.
    metrics: '<task>/<metric>' that each is to measure, or it does not begin.
    at_once: the most that train together, see `grouping`.

  Yields:
    Working directories and results of those that did not, as they end.

  Raises:
    Interrupted: if a run was told to stop.
  """
  configs = {w: functools.partial(_checked, w, p) for w, p in runs.items()}
  groups = [[workdir] for workdir in runs]
  if at_once > 1:
    groups = list(grouping.grouped(configs, at_once))
  number = 0
  for members in groups:
    for workdir in members:
      number += 1
      print(f'\n--- run {number} of {len(runs)}: {workdir}', flush=True)
    if len(members) > 1:
      print(f'These {len(members)} train together.', flush=True)
    yield _run_some({w: runs[w] for w in members}, failed, metrics)


def _checked(workdir: epath.Path, planned: Planned) -> Any:
  """Returns the config of a run; see `check_unchanged`."""
  config = planned.config()
  check_unchanged(workdir, config)
  return config


def _run_some(
  runs: Mapping[epath.Path, Planned],
  failed: list[str],
  metrics: Sequence[str],
  known: str = '',
) -> dict[epath.Path, dict[str, Any]]:
  """Runs one, or several together; see `run_all`.

  Args:
    runs: of which all that can train together.
    failed: gets a line for what went wrong.
    metrics: see `run_all`.
    known: a mistake that was told of another run; it is of all that have it.
  """
  try:
    if len(runs) > 1:
      found = _run_together(runs, metrics)
    else:
      ((workdir, planned),) = runs.items()
      found = [run(planned.config(), workdir, planned.told, metrics)]
  except Exception as error:
    again = str(error) != known and not interruption.stopped(error)
    parts = _parts(error, runs) if again else []
    if parts:
      print(f'{len(parts[0])} in place of {len(runs)}: {error}', flush=True)
      ended = {}
      for part in parts:
        # A mistake that the first one has is that of all who tell it again.
        told = mistakes.is_mistake(error) and not ended
        known = str(error) if told else ''
        ended |= _run_some(part, failed, metrics, known)
      return ended
    if not mistakes.is_mistake(error):
      traceback.print_exc()
    failed.append(f'{", ".join(map(str, runs))}: {error}')
    if interruption.stopped(error):
      print(failed[-1], file=sys.stderr, flush=True)
      raise Interrupted from error
    return {}
  if found is None or None in found:
    raise Interrupted
  ended = dict(zip(runs, found, strict=True))
  wrong = {w: e for w, e in ended.items() if isinstance(e, Exception)}
  failed.extend(f'{workdir}: {error}' for workdir, error in wrong.items())
  return {w: results for w, results in ended.items() if w not in wrong}


def _parts(
  error: Exception, runs: Mapping[epath.Path, Planned]
) -> list[dict[epath.Path, Planned]]:
  """Returns in which parts some runs are tried again; [] for not at all.

  What takes too much memory may fit by halves. A mistake may be of one run; the
  first by itself tells whether it is of that. What cannot train together is
  tried one by one.
  """
  ends = range(1, len(runs))
  if len(runs) == 1:
    return []
  if 'RESOURCE_EXHAUSTED' in str(error):
    ends = [(len(runs) + 1) // 2]
  elif not mistakes.is_mistake(error):
    return []
  elif not isinstance(error, alone.UnlikeError):
    ends = [1]
  items = list(runs.items())
  cuts = itertools.pairwise([0, *ends, len(runs)])
  return [dict(items[i:j]) for i, j in cuts]


def _run_together(
  runs: Mapping[epath.Path, Planned], metrics: Sequence[str]
) -> list[dict[str, Any] | Exception] | None:
  """Returns the results of runs that train together; see `group.run`."""
  planned = []
  for workdir, each in runs.items():
    config = _checked(workdir, each)
    workdir.mkdir(parents=True, exist_ok=True)
    name = '/'.join(workdir.parts[-2:])
    planned.append(group.Planned(config, str(workdir), name, each.told))
  try:
    found = group.run(planned, metrics)
  finally:
    jax.clear_caches()
  for each, results in zip(planned, found or ()):
    if each.config.page and not isinstance(results, Exception):
      print(written.at_end(epath.Path(each.workdir)), file=sys.stderr)
  return found


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
  bounded.define(
    'at_once',
    8,
    ranges.Count,
    'The most runs that train together in one program, of those that differ in '
    'numbers and in data alone.',
  )
  flags.DEFINE_bool('one_by_one', False, 'Trains no runs together.')
  flags.mark_flags_as_required(['config', 'workdir'])


def at_once() -> int:
  """Returns the most runs that a command line has train together."""
  return 1 if flags.FLAGS.one_by_one else flags.FLAGS.at_once


@dataclasses.dataclass(frozen=True)
class Series:
  """What a command line says of all runs.

  Attributes:
    path: name or file of the config.
    shared: argument of all configs.
    fields: of all configs, path -> text.
    folder: that gets the working directories.
    metrics: '<task>/<metric>' each.
    data_seed: of the batches of all runs; None for that of each.
  """

  path: str
  shared: str
  fields: Mapping[str, str]
  folder: epath.Path
  metrics: tuple[str, ...]
  data_seed: int | None = None

  def load(self, settings: Sequence[settings_lib.Setting], seed: int) -> Any:
    """Returns the config of a run.

    Args:
      settings: in addition to what is shared. '{seed}' in their texts stands
        for the run's seed, and '{name}' for their argument of that name.
      seed: of the run.
    """
    argument, fields = _of_run(self.shared, settings, seed)
    order = {} if self.data_seed is None else {'data_seed': self.data_seed}
    return load(self.path, argument, {**order, **self.fields, **fields})


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
