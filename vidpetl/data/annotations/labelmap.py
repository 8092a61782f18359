"""Action id -> name: a protobuf text, a csv, json, or lines of a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from vidpetl.data import names
from vidpetl.data.annotations import pbtxt, text

_EXPECTED = (
  'item { name: "…" id: n } blocks, a csv id,name, lines "id: name", json, or '
  'one name a line'
)
_NAME = re.compile(r'(\d+)\s*([:;,\t|]|\s)\s*(\S.*)')
_ID_KEYS = ('id', 'label_id', 'index', 'class_id', 'action_id')
# A display name goes before an entry of a knowledge graph.
_NAME_KEYS = ('display_name', 'name', 'label', 'class', 'action')

Pair = tuple[int | None, Any, str]  # line, id and name


def read(path: str, first: int = 1, lowest: int = 1) -> dict[int, str]:
  """Reads a label map, in whichever format it is, whatever its suffix.

  Formats are blocks `item { name: "…" id: n }` of a protobuf's text (`label`,
  `items`, …, and `label_id` and `display_name`, too), a csv of ids and names,
  json (`{"1": "name"}`, `["name"]`, `[{"id": 1, "name": "…"}]`), lines
  `id: name` or `id name`, and one name a line.

  Args:
    path: of the file.
    first: id of the first name, where names have none.
    lowest: that an id may be.

  Returns:
    Id -> name, in the order of ids.

  Raises:
    text.AnnotationError: with line, for ids that are no such numbers,
      repeated ids, and lines in another format.
  """
  found: dict[int, str] = {}
  for line, number, name in _pairs(path, text.read(path), first):
    if not str(number).isdecimal() or int(number) < lowest:
      expected = f'a whole number from {lowest}'
      if str(number) == '0':
        expected += '; add 1 to all, also beside boxes'
      raise text.fail(path, line, f'id {number!r}', expected)
    if int(number) in found:
      raise text.fail(path, line, f'id {number} again', 'each id once')
    if not name:
      raise text.fail(path, line, f'id {number} without a name', _EXPECTED)
    found[int(number)] = name
  if not found:
    raise text.fail(path, None, 'no labels', _EXPECTED)
  return dict(sorted(found.items()))


def _pairs(path: str, content: str, first: int) -> Iterator[Pair]:
  if _is_json(content):
    return _json(path, first)
  if pbtxt.looks_like(content) or '.pbtxt' in path.lower():
    return _blocks(path, content)
  if path.lower().endswith(('.csv', '.tsv')) and len(text.first_row(path)) > 1:
    return _csv(path)
  return _lines(path, first)


def _is_json(content: str) -> bool:
  try:
    return isinstance(json.loads(content), dict | list)
  except json.JSONDecodeError:
    return False
  except RecursionError:  # Whoever reads it says so.
    return True


def _json(path: str, first: int) -> Iterator[Pair]:
  value = text.read_json(path, dict | list, _EXPECTED)
  if isinstance(value, list):
    for i, item in enumerate(value, first):
      if isinstance(item, dict):
        yield None, _first(item, _ID_KEYS), _first(item, _NAME_KEYS)
      else:
        yield None, i, str(item)
    return
  for key, other in value.items():
    # Lists of ids by name are as frequent as those of names by id.
    id_first = key.isdecimal()
    yield None, *((key, str(other)) if id_first else (other, key))


def _blocks(path: str, content: str) -> Iterator[Pair]:
  try:
    for line, fields in pbtxt.messages(content):
      number, name = _first(fields, _ID_KEYS), _first(fields, _NAME_KEYS)
      if number is None or name is None:
        problem = 'a name or id without the other'
        raise text.fail(path, line, problem, 'item { name: "…" id: n } blocks')
      yield line, number, names.clean(str(name))
  except pbtxt.Error as error:
    raise text.fail(path, error.line, str(error), 'a protobuf text') from None


def _first(fields: dict[str, Any], keys: tuple[str, ...]) -> Any:
  return next((fields[key] for key in keys if key in fields), None)


def _csv(path: str) -> Iterator[Pair]:
  header = [text.column(cell) for cell in text.first_row(path)]
  number, name = (_place(header, keys) for keys in (_ID_KEYS, _NAME_KEYS))
  if number is not None and name is not None:
    for line, row in text.read_table(path, (header[number], header[name])):
      yield line, row[header[number]], row[header[name]]
    return
  for line, row in text.rows(path, (2,)):
    if len(row) != 2:
      raise text.fail(path, line, f'{len(row)} columns', 'id,name')
    yield line, *row


def _place(header: list[str], keys: tuple[str, ...]) -> int | None:
  return next((header.index(key) for key in keys if key in header), None)


def _is_name(found: list[tuple[int, str]]) -> bool:
  return bool(found) and text.column(found[0][1]) in _NAME_KEYS


def _lines(path: str, first: int) -> Iterator[Pair]:
  found = [
    (line, content)
    for line, content in text.lines(path)
    if not content.startswith('#')
  ]
  if path.lower().endswith('.csv'):
    # One column, which may have a header.
    found = found[_is_name(found) :]
  matches = [_NAME.fullmatch(content) for _, content in found]
  # '3 point shot' may be a name, too.
  most = 2 * sum(map(bool, matches)) >= len(found)
  numbered = bool(found) and most and matches[0]
  for i, ((line, content), match) in enumerate(zip(found, matches), first):
    if not numbered:
      if match and match[2] == ':':
        raise text.fail(path, line, repr(content), 'a name in each line')
      yield line, i, _unquoted(content)
      continue
    if not match:
      raise text.fail(path, line, repr(content), 'id: name')
    yield line, match[1], _unquoted(match[3])


def _unquoted(name: str) -> str:
  """Returns a name without the quotes that are around all of it."""
  if len(name) > 1 and name[0] == name[-1] == '"':
    return name[1:-1].replace('""', '"')
  return name
