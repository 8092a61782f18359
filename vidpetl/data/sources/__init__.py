"""Sources: from files, raw or prepared, to `examples.Source`.

A config names a source by its module, and the rest are arguments of that
module's `open`:

    source = sources.open_source(
      {'source': 'raw', 'dataset': 'ava', 'raw': '/data/ava', 'split': 'train'}
    )
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from vidpetl import options as options_lib
from vidpetl.data import examples

SOURCES = (
  'raw',
  'records',
  'folder',
  'manifest',
  'performances',
  'ava_csv',
  'tfds_images',
)


def open_source(config: Mapping[str, Any]) -> examples.Source:
  """Opens a source.

  Args:
    config: a ConfigDict or dict; `source` is one of `SOURCES`, the rest are
      arguments of `open` in that module.

  Returns:
    The source.

  Raises:
    ValueError: for an unknown source, or arguments it does not take or lacks.
  """
  arguments = dict(config.items())
  name = arguments.pop('source', None)
  if name not in SOURCES:
    raise ValueError(f'source={name!r}; there are: {", ".join(SOURCES)}')
  module = importlib.import_module(f'vidpetl.data.sources.{name}')
  check_arguments(module.open, arguments, f'source {name!r}')
  return module.open(**arguments)


def arguments(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what a source takes, with defaults; None where it must be given.

  Args:
    config: as for `open_source`; of 'raw', the dataset's own options count.
  """
  name = config.get('source')
  if name not in SOURCES:
    raise ValueError(f'source={name!r}; there are: {", ".join(SOURCES)}')
  module = importlib.import_module(f'vidpetl.data.sources.{name}')
  of = getattr(module, 'arguments', None)
  taken = of(config) if of else options_lib.fields(module.open)
  empty = inspect.Parameter.empty
  return {k: None if v is empty else v for k, v in taken.items()}


def check_arguments(function, arguments: Mapping[str, Any], owner: str) -> None:
  """Checks arguments by name.

  Raises:
    ValueError: naming what `function` does not take or lacks, and all it takes.
  """
  parameters = inspect.signature(function).parameters.values()
  if any(p.kind is p.VAR_KEYWORD for p in parameters):
    unknown = []
  else:
    unknown = sorted(set(arguments) - {p.name for p in parameters})
  named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
  missing = [
    p.name for p in named if p.default is p.empty and p.name not in arguments
  ]
  for problem, names in (('does not take', unknown), ('needs', missing)):
    if names:
      raise ValueError(
        f'{owner} {problem} {", ".join(names)}; its arguments are '
        + ', '.join(p.name for p in named)
      )
