"""JSON files of vidpetl's own, which tell whether they are as written.

    {"format": "vidpetl-adapter-1", …, "sum": "xxh3:0123456789abcdef"}

The sum is of all other fields; damage to any of them is refused. A file without
one, of an older version, is read as it is. It tells damage, and no forgery.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import xxhash
from etils import epath

from vidpetl import durable

KEY = 'sum'
_SUM = re.compile('xxh3:[0-9a-f]{16}')


def write(
  path: epath.PathLike, fields: Mapping[str, Any], **options: Any
) -> None:
  """Writes fields with their sum.

  Args:
    path: of the file.
    fields: as JSON has them.
    **options: of `json.dumps`, for how they are laid out.
  """
  whole = {**fields, KEY: _sum(fields)}
  durable.write(path, json.dumps(whole, indent=2, **options) + '\n')


def read(
  path: epath.PathLike, error: type[ValueError] = ValueError
) -> dict[str, Any]:
  """Returns what `write` wrote, without the sum.

  Args:
    path: of the file, which may have no sum.
    error: what is raised.

  Raises:
    error: naming the file, if it is damaged, or holds no object of JSON.
  """
  fields = read_json(path, error)
  if not isinstance(fields, dict):
    raise error(f'{path}: not a json object')
  told = fields.pop(KEY, None)
  # Its name may be what is damaged.
  if told is None and not any(map(_is_sum, fields.values())):
    return fields
  if told != _sum(fields):
    raise error(
      f'{path}: not as it was written, it has another sum. If it was damaged, '
      f'copy or make it again; if it was changed by hand, take out {KEY!r}'
    )
  return fields


def read_json(
  path: epath.PathLike, error: type[ValueError] = ValueError
) -> Any:
  """Returns what a file of JSON holds.

  Args:
    path: of the file.
    error: what is raised.

  Raises:
    error: naming the file, if it holds none.
  """
  try:
    return json.loads(epath.Path(path).read_bytes())
  except (ValueError, RecursionError) as reason:
    raise error(f'{path}: not json ({reason}); is it damaged?') from None


def _sum(fields: Mapping[str, Any]) -> str:
  plain = json.loads(json.dumps(fields))  # As it will be read.
  text = json.dumps(plain, sort_keys=True)
  return f'xxh3:{xxhash.xxh3_64_hexdigest(text.encode())}'


def _is_sum(value: Any) -> bool:
  return isinstance(value, str) and bool(_SUM.fullmatch(value))
