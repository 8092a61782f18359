"""What sources check of their rows."""

from __future__ import annotations

import collections


def unique(ids: list[str]) -> list[str]:
  """Tells repeated ids apart: the second 'x' becomes 'x#2'."""
  if len(set(ids)) == len(ids):
    return ids
  count: collections.Counter[str] = collections.Counter()
  result = []
  for name in ids:
    count[name] += 1
    result.append(name if count[name] == 1 else f'{name}#{count[name]}')
  return result


def require_some(found: int, wanted: int, what: str, where: str) -> None:
  """Refuses a source without a single video.

  Raises:
    FileNotFoundError: saying what was looked for, and where.
  """
  if not found and not wanted:
    raise FileNotFoundError(f'{where}: its annotations list no video')
  if not found:
    raise FileNotFoundError(
      f'none of the {wanted} annotated videos was found; looked for {what} in '
      f'{where}'
    )
