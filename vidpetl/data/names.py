"""Names of files and of classes, as file systems and annotation tools write
them.

Two names are the same if they look the same: without blanks around them, in
Unicode's composed form (NFC). A file is opened by the name that it has.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable

# Folders and files that systems leave beside one's own.
_LITTER = frozenset(
  {'__macosx', '@eadir', 'thumbs.db', 'desktop.ini', '$recycle.bin'}
  | {'system volume information', 'lost+found'}
)


def clean(name: str) -> str:
  """Returns a name as it is compared and shown: NFC, without blanks around."""
  return unicodedata.normalize('NFC', name).strip()


def ordered(classes: Iterable[str]) -> list[str]:
  """Returns names of classes, each once, in the order of their indices.

  They are sorted: as numbers if all are whole numbers ('2' before '10'; a
  table of floats has '2.0'), and else as text.
  """
  found = sorted(set(classes))
  if all(map(_WHOLE.fullmatch, found)):
    found.sort(key=lambda name: int(name.partition('.')[0]))
  return found


_WHOLE = re.compile(r'-?[0-9]+(\.0+)?')


def is_litter(name: str) -> bool:
  """Returns whether a system left a file or folder of this name.

  These are names that begin with a dot ('.DS_Store', '._a.mp4', '.git') and
  those that macOS, Windows and network storages make ('__MACOSX', '@eaDir').

  Args:
    name: without its folder.
  """
  return name.startswith('.') or name.lower() in _LITTER


def shown(path: str | os.PathLike) -> str:
  r"""Returns a path as text that can be printed and written.

  A name whose bytes are no UTF-8 has them escaped: 'caf\xe9.mp4'.
  """
  return os.fsencode(path).decode('utf-8', 'backslashreplace')


def plural(count: int, thing: str, things: str = '') -> str:
  """Returns '1 clip' or '12 clips'."""
  return f'{count:,} {thing if count == 1 else things or thing + "s"}'


def size(count: int) -> str:
  """Returns bytes in words, '812 B' or '3.1 GB'."""
  value, units = float(count), ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  while value >= 999.5 and len(units) > 1:
    value /= 1000
    del units[0]
  return f'{count} B' if units[0] == 'B' else f'{value:.3g} {units[0]}'
