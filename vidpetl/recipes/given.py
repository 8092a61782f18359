"""Words of a command line: DATA, and arguments of the config `adapt`.

vidpetl check my_videos --backbone=clip_b16 --frames=8
"""

from __future__ import annotations

from collections.abc import Sequence


def split(
  words: Sequence[str], data: str | None = None, otherwise: str = ''
) -> tuple[str, list[str]]:
  """Returns DATA, and 'name=value' of each argument.

  Args:
    words: that are no flags of the command.
    data: of a flag, in place of a word.
    otherwise: what could be given instead, for the error.

  Raises:
    ValueError: unless there is one DATA, which has no comma in its name.
  """
  found = [word for word in words if not word.startswith('-')]
  if data is not None:
    found.append(data)
  if len(found) != 1:
    raise ValueError(
      'give one DATA: a folder of class folders, a table, or a dataset;'
      f'{otherwise}' + (f', not {" and ".join(found)}' if found else '')
    )
  (name,) = found
  if ',' in name:
    raise ValueError(
      f'{name} has a comma, which parts the arguments of a config: give a '
      'link to it that has none'
    )
  return name, [word.lstrip('-') for word in words if word.startswith('-')]


def argument(data: str, more: Sequence[str]) -> str:
  """Returns the argument of `adapt` for some data and further arguments."""
  return ','.join([f'data={data}', *more])
