"""Sources: from files, raw or prepared, to `examples.Source`.

A config names a source by its module, and the rest are arguments of that
module's `open`:

    source = sources.open_source(
      {'source': 'raw', 'dataset': 'ava', 'raw': '/data/ava', 'split': 'train'}
    )
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from vidpetl import options, parts
from vidpetl.data import datasets, examples, subset


def opener(name: str, where: str = 'source') -> Callable[..., examples.Source]:
  """Returns the function that opens a source of this name.

  Args:
    name: of its module.
    where: who asks, in the error.

  Raises:
    ValueError: if there is none, with those there are.
  """
  return parts.load(sys.modules[__name__], name, 'open', where).open


def kind(source: Mapping[str, Any]) -> str:
  """Returns the kind of annotation of one's own videos, without opening them.

  Args:
    source: as of `open_source`.

  Raises:
    ValueError: if there is no such source, with those there are.
  """
  name = source['source']
  module = parts.load(sys.modules[__name__], name, 'KIND', 'source')
  return source.get('kind', module.KIND)


def names() -> tuple[str, ...]:
  """Returns the names of the sources of one's own videos."""
  return parts.names(sys.modules[__name__], 'KIND')


def open_source(config: Mapping[str, Any]) -> examples.Source:
  """Opens a source.

  Args:
    config: a ConfigDict or dict; `source` is a module of this folder that has
      `open`; `shots`, `share` and `seed` take a part of any (see `subset`); the
      rest are arguments of the source. None is not given.

  Returns:
    The source.

  Raises:
    ValueError: for an unknown source, or arguments it does not take or lacks.
  """
  given = {k: v for k, v in config.items() if v is not None}
  name = given.pop('source', None)
  part = {k: given.pop(k) for k in subset.OPTIONS if k in given}
  opened = options.call(opener(name), given, f'source {name!r}')
  return subset.take(opened, **part)


def functions(
  config: Mapping[str, Any], where: str = ''
) -> list[Callable[..., Any]]:
  """Returns the functions whose arguments a source takes.

  Args:
    config: as for `open_source`; of 'raw', the dataset's own options count.
    where: path of the source, in errors.
  """
  dot = f'{where}.' if where else ''
  name = config.get('source')
  found = [opener(name, f'{dot}source')]
  if name == 'raw' and config.get('dataset'):
    known = datasets.find(config['dataset'], f'{dot}dataset')
    found += [known.open] if known.open else []
  return [*found, subset.take]


def arguments(config: Mapping[str, Any], where: str = '') -> dict[str, Any]:
  """Returns what a source takes, with defaults; None where it must be given.

  Args:
    config: see `functions`.
    where: see `functions`.
  """
  *opened, _ = functions(config, where)
  taken: dict[str, Any] = {}
  for function in opened:
    taken |= options.fields(function)
  empty = inspect.Parameter.empty
  known = {k: None if v is empty else v for k, v in taken.items()}
  return known | subset.OPTIONS
