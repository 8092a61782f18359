"""Values of annotations: numbers, names and what is chosen, or an error."""

from __future__ import annotations

from typing import Any

from vidpetl.data import names
from vidpetl.data.annotations import text


def one_line(name: object) -> str:
  """Returns a name as it is written into a file: clean, on one line."""
  return ' '.join(names.clean(str(name)).split())


def number(value: object, where: str, field: str) -> float:
  """Returns a finite number, which may be written as text.

  Raises:
    AnnotationError: naming the field.
  """
  if isinstance(value, bool) or not isinstance(value, (int, float, str)):
    raise text.fail(where, None, f'{field} is {value!r}', 'a number')
  return text.number(str(value), where, None, field)


def whole(value: object, where: str, field: str) -> int:
  """Returns a whole number from 0, which may be written as text.

  Raises:
    AnnotationError: naming the field.
  """
  found = number(value, where, field)
  if found < 0 or found != int(found):
    problem = f'{field} is {value!r}'
    raise text.fail(where, None, problem, 'a whole number from 0')
  return int(found)


def chosen(name: str, value: object) -> tuple[str, ...]:
  """Returns the values of a field that are chosen.

  Args:
    name: of the field; a checkbox that is ticked has it for its value.
    value: text, number, truth value, a list, or a dict value -> truth value.
  """
  if isinstance(value, dict):
    return tuple(one_line(key) for key, ticked in value.items() if ticked)
  if isinstance(value, list):
    return tuple(one_line(each) for each in value if each is not None)
  shown = one_line('' if value is None else value)
  if shown.lower() in ('true', 'false'):
    return (one_line(name),) if shown.lower() == 'true' else ()
  return (shown,) if shown else ()


def mapping(value: object, where: str, field: str) -> dict[str, Any]:
  """Returns a json object; {} of null.

  Raises:
    AnnotationError: naming the field.
  """
  if value is not None and not isinstance(value, dict):
    raise text.fail(where, None, f'{field} is {value!r}', 'a json object')
  return value or {}


def sequence(value: object, where: str, field: str) -> list[Any]:
  """Returns a json list; [] of null.

  Raises:
    AnnotationError: naming the field.
  """
  if value is not None and not isinstance(value, list):
    raise text.fail(where, None, f'{field} is {value!r}', 'a list')
  return value or []
