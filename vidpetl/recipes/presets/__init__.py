"""Published backbones, one file per family: the folder is the list."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import Any

from vidpetl import options, parts
from vidpetl.recipes import preset as preset_lib


@functools.cache
def all_presets() -> dict[str, preset_lib.Preset]:
  """Returns every preset by its name."""
  here = sys.modules[__name__]
  found: dict[str, preset_lib.Preset] = {}
  for name in parts.names(here, 'PRESETS'):
    found |= parts.load(here, name, 'PRESETS', 'presets').PRESETS
  return found


def find(name: str, argument: str = 'backbone') -> preset_lib.Preset:
  """Returns a preset by its name.

  Args:
    name: of the preset.
    argument: of a config that names it, for the error.

  Raises:
    ValueError: if there is none, with those that there are.
  """
  if name not in all_presets():
    there = ', '.join(all_presets())
    meant = options.nearest(name, all_presets())
    raise ValueError(f'{argument}={name} is none of {there}{meant}')
  return all_presets()[name]


def like(fields: Mapping[str, Any]) -> preset_lib.Preset:
  """Returns the preset of the same architecture that is most alike.

  Args:
    fields: `config.backbone`; its `name`, and `kind` where it has one, must
      agree. Of these presets it is the first with the most equal fields.

  Raises:
    ValueError: if no preset is of that architecture.
  """
  wanted = fields['name'], fields.get('kind')
  same = [
    found
    for found in all_presets().values()
    if (found.fields['name'], found.fields.get('kind')) == wanted
  ]
  if same:
    return max(same, key=lambda found: _alike(found.fields, fields))
  raise ValueError(
    f'config.backbone {dict(fields)} is like no preset; there are: '
    + ', '.join(all_presets())
  )


def _alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> int:
  """Returns how many fields of a backbone are the same in another."""
  return sum(b.get(field) == value for field, value in a.items())
