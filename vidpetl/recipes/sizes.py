"""How large published backbones are, from a table beside this file.

`python launch/docs_tables.py` measures what the table has not, or has of other
fields, and writes it: counting takes JAX, and seconds a backbone.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

from etils import epath

from vidpetl import durable
from vidpetl.recipes import preset as preset_lib

TABLE = epath.Path(__file__).parent / 'sizes.json'


@dataclasses.dataclass(frozen=True)
class Sizes:
  """What is counted of a backbone.

  Attributes:
    parameters: of it, without statistics.
    macs: multiply-adds of one clip, in products and convolutions.
  """

  parameters: int
  macs: int


def find(name: str, preset: preset_lib.Preset) -> Sizes | None:
  """Returns the sizes of a preset, None if the table has not just these.

  Args:
    name: of the preset.
    preset: it.
  """
  row = _table().get(name, {})
  if row.get('of') != what(preset):
    return None
  return Sizes(row['parameters'], row['macs'])


def what(preset: preset_lib.Preset) -> dict[str, Any]:
  """Returns what sizes depend on, as JSON has it."""
  clip = {field: preset.clip[field] for field in ('frames', 'resolution')}
  return json.loads(json.dumps({'backbone': dict(preset.fields), **clip}))


def write(found: dict[str, tuple[preset_lib.Preset, Sizes]]) -> None:
  """Writes the table of all presets."""
  rows = {
    name: {'of': what(preset), **dataclasses.asdict(sizes)}
    for name, (preset, sizes) in sorted(found.items())
  }
  lines = [f'{json.dumps(name)}: {json.dumps(rows[name])}' for name in rows]
  text = '{\n' + ',\n'.join(lines) + '\n}\n'
  durable.write(TABLE, text)
  _table.cache_clear()


@functools.cache
def _table() -> dict[str, Any]:
  return json.loads(TABLE.read_text(encoding='utf-8'))
