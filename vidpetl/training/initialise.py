"""Starting from other parameters: strict, never confused with resuming."""

from __future__ import annotations

import re
from typing import Any

import jax
import numpy as np

from vidpetl.backbones import positions
from vidpetl.petl import package, variables
from vidpetl.training import checkpoint


def load(
  fresh: Any, config: Any, grid: tuple[int, int, int]
) -> tuple[Any, str]:
  """Replaces fresh variables by those of `config.init.path`.

  Args:
    fresh: linen variables: parameters and, of a backbone with BatchNorm,
      statistics, which are named 'batch_stats/<path>' here.
    config: `config.init`. path: a working directory or checkpoint; skip:
      regexes of names that may be missing or left over (new heads, say);
      grid: (t, h, w) of the tokens that its position tables are for, if it
      is another one.
    grid: (t, h, w) of the tokens here.

  Returns:
    The variables; a sentence that says where they come from.

  Raises:
    ValueError: with every difference that `skip` does not name.
  """
  have = checkpoint.load_arrays(config.path)
  want = variables.flatten(fresh)
  skip = [re.compile(pattern) for pattern in config.skip]
  named = lambda path: any(p.search(path) for p in skip)
  missing = sorted(p for p in want if p not in have and not named(p))
  unexpected = sorted(p for p in have if p not in want and not named(p))
  taken, wrong, resized = {}, [], []
  for path in sorted(set(want) & set(have)):
    if named(path):
      continue
    old, shape = np.asarray(have[path]), want[path].shape
    if old.shape != shape and config.grid and positions.is_table(path):
      old = positions.resize_table(path, old, tuple(config.grid), grid)
      resized.append(path)
    if old.shape != shape:
      wrong.append(f'{path} {old.shape} for {shape}')
    taken[path] = old
  if missing or unexpected or wrong:
    raise ValueError(
      f'{config.path} does not fit. Missing: {missing}. Unexpected: '
      f'{unexpected}. Other shapes: {wrong}. Name in config.init.skip what '
      'is meant to differ; position tables of another grid are resized '
      'if config.init.grid says which.'
    )
  new = sorted(set(want) - set(taken))
  taken = {
    path: jax.device_put(value.astype(want[path].dtype))
    for path, value in taken.items()
  }
  origin = (
    f'{len(taken)} arrays of {config.path}, {len(new)} new ({_few(new)}), '
    f'{len(resized)} resized'
  )
  return variables.unflatten(want | taken), origin


def _few(names: list[str]) -> str:
  """Returns the last of some names; heads are among them."""
  more = len(names) - 2
  return ', '.join(names[-2:]) + (f' and {more} more' if more > 0 else '')


def load_adapter(fresh: Any, folder: str) -> tuple[Any, str]:
  """Puts a package on the backbone that it is for.

  Args:
    fresh: linen variables of the whole model; the backbone's parameters are
      what is checked.
    folder: of the package, `config.init.adapter`.

  Returns:
    The variables; a sentence that says what the package gave.

  Raises:
    package.PackageError: if it is damaged, or for another backbone.
    ValueError: if other techniques are bound here than in the package.
  """
  want = variables.flatten(fresh)
  packed = package.load(folder)
  package.attach(packed, {k: np.asarray(v) for k, v in want.items()})
  site = lambda path: '/site_' in path
  missing = sorted(p for p in filter(site, want) if p not in packed.params)
  unexpected = sorted(p for p in filter(site, packed.params) if p not in want)
  taken = {p: v for p, v in packed.params.items() if p in want}
  wrong = [p for p, v in taken.items() if v.shape != want[p].shape]
  if missing or unexpected or wrong:
    raise ValueError(
      f'config.init.adapter {folder} does not fit config.petl. Missing: '
      f'{missing}. Unexpected: {unexpected}. Other shapes: {wrong}.'
    )
  heads = sorted(p for p in packed.params if p not in want)
  taken = {p: jax.device_put(v) for p, v in taken.items()}
  said = f'{len(taken)} arrays of {folder}'
  said += f', without its {heads}' if heads else ''
  return variables.unflatten(want | taken), said
