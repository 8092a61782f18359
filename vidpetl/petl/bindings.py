"""From the entries of `config.petl` to techniques bound to a backbone."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import flax.linen as nn

from vidpetl.petl import adapted

TECHNIQUES = (
  'adapter',
  'adapter3d',
  'aim',
  'cls_shift',
  'lora',
  'mst_adapter',
  'patt',
  'prefix',
  'prompt',
  'st_adapter',
  'time_embedding',
)


def bind(backbone: nn.Module, entries: Iterable[Mapping[str, Any]]) -> Any:
  """Returns the backbone with all entries bound; itself where there are none.

  Args:
    backbone: any module that has sites.
    entries: of `config.petl`. `site` and `technique` (a module of
      `vidpetl.petl`) say what goes where; `where` is a regex that the path of
      the site's module must contain; all else are the technique's options.

  Raises:
    ValueError: naming the entry and the field that it lacks or does not have.
  """
  bindings = tuple(binding(i, entry) for i, entry in enumerate(entries))
  return adapted.Adapted(backbone, bindings) if bindings else backbone


def binding(number: int, entry: Mapping[str, Any]) -> adapted.At:
  """Returns what entry `number` of `config.petl` binds."""
  options, here = dict(entry), f'config.petl[{number}]'
  where = options.pop('where', '')
  if missing := [k for k in ('site', 'technique') if k not in options]:
    raise ValueError(f'{here} needs {" and ".join(missing)}; it is {entry}.')
  at, name = options.pop('site'), options.pop('technique')
  if name not in TECHNIQUES:
    raise ValueError(
      f'{here}.technique {name!r} is none of {", ".join(TECHNIQUES)}.'
    )
  technique = importlib.import_module(f'vidpetl.petl.{name}').build
  known = set(inspect.signature(technique).parameters) - {'parent'}
  if unknown := sorted(set(options) - known):
    raise ValueError(
      f'{here}: {name} has no option {unknown}; it has {sorted(known)}.'
    )
  return adapted.At(at, technique(**options), where)
