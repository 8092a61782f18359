"""Heads that read tokens, held against what reads them in a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def require(
  wanted: Mapping[str, Any] | None,
  probe: Mapping[str, Any],
  task: str,
  source: str,
) -> None:
  """Holds a task's probe against that which a head was trained with.

  Args:
    wanted: fields of the head's, None or {} where they are not known.
    probe: `config.tasks.<task>.probe`.
    task: whose head it becomes.
    source: of the head, for the error.

  Raises:
    ValueError: with the arguments that are right.
  """
  wanted = {name: _plain(value) for name, value in (wanted or {}).items()}
  if all(_plain(probe.get(name)) == value for name, value in wanted.items()):
    return
  given = ''.join(
    f',probe_{name}={_argument(value)}'
    for name, value in wanted.items()
    if name != 'kind'
  )
  raise ValueError(
    f'the head of {source} reads tokens, and config.tasks.{task}.probe has to '
    f'be {wanted}: adapt:…,probe={wanted["kind"]}{given}'
  )


def _plain(value: Any) -> Any:
  return list(value) if isinstance(value, tuple) else value


def _argument(value: Any) -> str:
  """Returns a value as an argument of a config has it."""
  return '+'.join(map(str, value)) if isinstance(value, list) else str(value)
