"""Configs by name: 'cofinetune_ava:demo' is 'configs/cofinetune_ava.py:demo'.

A config is a Python file with `get_config(argument='')`. Names are looked up in
./configs, then among vidpetl's own: the repository's folder `configs`, or what
an installed package carries.
"""

from __future__ import annotations

import pkgutil
import re
import runpy
from collections.abc import Mapping
from typing import Any

import ml_collections
from etils import epath

from vidpetl.recipes import arguments

_PACKAGE = epath.Path(__file__).parents[1]


def folders() -> list[epath.Path]:
  """Returns the folders of configs that there are, the first to win first."""
  repository = _PACKAGE.parent
  found = [epath.Path('configs')]
  # What stands beside an installed package belongs to anybody.
  if (repository / 'setup.py').exists():
    found.append(repository / 'configs')
  found.append(_PACKAGE / 'configs')
  return [folder for folder in found if folder.is_dir()]


def names() -> dict[str, epath.Path]:
  """Returns the file of every config that has a name, by its name, sorted."""
  files = {}
  for folder in reversed(folders()):
    for path in folder.glob('*.py'):
      if not path.name.startswith('_'):
        files[path.stem] = path
  return dict(sorted(files.items()))


def split(text: str) -> tuple[epath.Path, str]:
  """Returns the file and the argument of 'name:argument' or 'file:argument'.

  Raises:
    ValueError: if there is no such name or file, with the names there are.
  """
  config, _, argument = text.partition(':')
  path = epath.Path(config)
  if path.suffix != '.py' and len(path.parts) == 1:
    path = names().get(config)
  if path is None or not path.is_file():
    raise ValueError(
      f'no config {config!r}: give a file, or one of ' + ', '.join(names())
    )
  return path, argument


def words(text: str) -> dict[str, str]:
  """Returns the config's name and its arguments, as texts."""
  config, _, argument = text.partition(':')
  given = arguments.texts(argument).items()
  return {
    'config': epath.Path(config).stem,
    **{name: value or 'true' for name, value in given},
  }


def _run(path: epath.Path) -> dict[str, Any]:
  """Returns what a config file defines.

  Raises:
    ValueError: if it imports a module of vidpetl that there is not, with those
      of this name that there are.
  """
  try:
    # The name says whose code it is: `vidpetl.mistakes`.
    return runpy.run_path(str(path), run_name=f'vidpetl.configs.{path.stem}')
  except ImportError as error:
    wanted = re.search(r"'vidpetl\.(?:\w+\.)*(\w+)'$", str(error))
    wanted = wanted or re.search(r"name '(\w+)' from 'vidpetl", str(error))
    if not wanted:
      raise
    modules = pkgutil.walk_packages([str(_PACKAGE)], 'vidpetl.')
    there = [m.name for m in modules if m.name.endswith(f'.{wanted[1]}')]
    raise ValueError(
      f'{path} imports {wanted[1]!r} from where it is not; vidpetl has '
      + (' and '.join(there) or 'no such module')
    ) from None


def load(
  text: str, overrides: Mapping[str, Any] | None = None
) -> ml_collections.ConfigDict:
  """Returns a config.

  Args:
    text: 'name:argument' or 'file:argument'; the argument may be left out.
    overrides: values of fields, 'tasks.ava.weight' -> 2.0.

  Raises:
    ValueError: if there is no such config, or it refuses the argument.
  """
  path, argument = split(text)
  module = _run(path)
  if 'get_config' not in module:
    raise ValueError(f'{path} has no function get_config, so it is no config')
  config = module['get_config'](*([argument] if argument else []))
  config.update_from_flattened_dict(dict(overrides or {}))
  return config
