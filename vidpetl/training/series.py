"""Many runs of one config file, in working directories of their own.

What is finished is left alone and what is not goes on, so that the same command
can be given again; an error in one run does not keep the others from running.
"""

from __future__ import annotations

import json
import pathlib
import runpy
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from vidpetl.training import loop


def load(path: str, argument: str, overrides: Mapping[str, Any]) -> Any:
  """Returns the config of a file and its argument, with fields overridden."""
  config = runpy.run_path(path)['get_config'](argument)
  config.update_from_flattened_dict(dict(overrides))
  return config


def fill(argument: str, values: Mapping[str, Any]) -> str:
  """Returns an argument with each '{name}' replaced by its value."""
  for name, value in values.items():
    argument = argument.replace('{' + name + '}', str(value))
  return argument


def check_unchanged(workdir: pathlib.Path, config: Any) -> None:
  """Refuses to go on in a folder that another config has begun.

  Raises:
    ValueError: naming the fields that differ.
  """
  path = workdir / 'config.json'
  if not path.exists():
    return
  then = _flat(json.loads(path.read_text()))
  now = _flat(json.loads(config.to_json_best_effort()))
  differ = sorted(k for k in then | now if then.get(k) != now.get(k))
  if differ:
    raise ValueError(
      f'{workdir} was begun with other values of {", ".join(differ)}; use '
      'another --workdir, or remove it.'
    )


def _flat(tree: Any, path: str = 'config') -> dict[str, Any]:
  if not isinstance(tree, dict):
    return {path: tree}
  flat = {}
  for key, value in tree.items():
    flat |= _flat(value, f'{path}.{key}')
  return flat


def run(config: Any, workdir: pathlib.Path) -> dict[str, Any] | None:
  """Returns a run's results: those it has, or those of training it now."""
  check_unchanged(workdir, config)
  results = workdir / 'results.json'
  if results.exists():
    return json.loads(results.read_text())
  workdir.mkdir(parents=True, exist_ok=True)
  try:
    return loop.run(config, str(workdir))
  finally:
    # Dozens of runs in one process would keep all their programs.
    jax.clear_caches()


class Interrupted(Exception):
  """A run was told to stop."""


def run_all(
  configs: Mapping[pathlib.Path, Callable[[], Any]], failed: list[str]
) -> Iterator[tuple[pathlib.Path, dict[str, Any]]]:
  """Runs one after the other.

  Args:
    configs: working directory -> what makes the config of its run.
    failed: gets a line for each run that raised an error.

  Yields:
    Working directory and results of those that did not.

  Raises:
    Interrupted: if a run was told to stop.
  """
  for number, (workdir, make) in enumerate(configs.items(), 1):
    print(f'\n--- run {number} of {len(configs)}: {workdir}', flush=True)
    try:
      results = run(make(), workdir)
    except Exception as error:
      traceback.print_exc()
      failed.append(f'{workdir}: {error}')
      continue
    if results is None:
      raise Interrupted
    yield workdir, results
