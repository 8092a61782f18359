"""SHA256SUMS: the sums of a folder's files, as `sha256sum --check` reads them.

It lies in the folder, and tells whether a copy is whole without vidpetl, too.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import re
from collections.abc import Collection, Iterable

from etils import epath

from vidpetl import durable

FILE = 'SHA256SUMS'
_LINE = re.compile(r'([0-9a-f]{64})  (.+)')
_BLOCK = 1 << 20
_THREADS = 8


def write(folder: epath.PathLike) -> None:
  """Writes the sums of all files of a folder, and of folders in it."""
  folder = epath.Path(folder)
  names = sorted(set(_names(folder)) - {FILE})
  lines = [f'{found}  {name}\n' for name, found in _all(folder, names).items()]
  durable.write(folder / FILE, ''.join(lines))


def read(folder: epath.PathLike) -> dict[str, str]:
  """Returns name -> sum; {} if the folder has none.

  Raises:
    ValueError: naming the file, if it is damaged.
  """
  path = epath.Path(folder) / FILE
  if not path.exists():
    return {}
  try:
    lines = path.read_bytes().decode().splitlines()
    return {m[2]: m[1] for m in (_LINE.fullmatch(line) for line in lines)}
  except (UnicodeDecodeError, TypeError):
    raise ValueError(
      f'{path} is damaged; copy the folder again, or take the file out to read '
      'it without sums'
    ) from None


def problems(
  folder: epath.PathLike, sums: dict[str, str], names: Iterable[str]
) -> dict[str, str]:
  """Returns what is wrong with files, by name.

  Args:
    folder: of the files.
    sums: `read` of it.
    names: which of them to look at.
  """
  folder, found = epath.Path(folder), {}
  there = [name for name in names if (folder / name).is_file()]
  for name in sorted(set(names) - set(there)):
    found[name] = 'is missing'
  for name, now in _all(folder, there).items():
    if now != sums[name]:
      found[name] = 'is not as it was written'
  return found


def check(
  folder: epath.PathLike, sums: dict[str, str], names: Iterable[str]
) -> None:
  """Refuses a folder with files that are missing or damaged.

  Raises:
    ValueError: naming the first of them.
  """
  for name, what in problems(folder, sums, names).items():
    raise ValueError(
      f'{epath.Path(folder) / name} {what}, as {FILE} beside it has it; copy '
      'it or make it again'
    )


def _names(folder: epath.Path, inside: str = '') -> Iterable[str]:
  for path in sorted(folder.iterdir()):
    if path.is_dir():
      yield from _names(path, f'{inside}{path.name}/')
    else:
      yield f'{inside}{path.name}'


def _all(folder: epath.Path, names: Collection[str]) -> dict[str, str]:
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    return dict(zip(names, pool.map(lambda name: of(folder / name), names)))


def of(path: epath.PathLike) -> str:
  """Returns the SHA-256 of a file."""
  digest = hashlib.sha256()
  with epath.Path(path).open('rb') as file:
    while block := file.read(_BLOCK):
      digest.update(block)
  return digest.hexdigest()
