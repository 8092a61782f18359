"""Opening files of users: regular ones alone, and no larger than they may be.

A pipe waits for ever for somebody to write into it, and a device such as
/dev/zero never ends; a link to either looks as any file does.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO, TextIO

from etils import epath

from vidpetl import bounds
from vidpetl.data import names

_KINDS = (
  (stat.S_ISDIR, 'a folder'),
  (stat.S_ISFIFO, 'a pipe (FIFO)'),
  (stat.S_ISSOCK, 'a socket'),
  (stat.S_ISCHR, 'a device'),
  (stat.S_ISBLK, 'a device'),
)


class NoFileError(OSError):
  """A path is something else than a file."""


class ContentError(ValueError):
  """A file does not hold what it should; the message names it."""


def regular(path: epath.PathLike, bound: str = '') -> None:
  """Refuses what is no regular file, nor a link to one.

  Args:
    path: of a local file; others are not looked at.
    bound: of its bytes, see `bounds.Bounds`; '' is none.

  Raises:
    OSError: if it is none, or cannot be looked at.
    bounds.BoundError: if it is too large.
  """
  if '://' in os.fspath(path):
    return
  status = os.stat(path)
  if not stat.S_ISREG(status.st_mode):
    kind = next((k for of, k in _KINDS if of(status.st_mode)), 'something')
    raise NoFileError(f'{names.shown(path)} is {kind}, and no file')
  if bound:
    what = f'{names.shown(path)} has {status.st_size:,} bytes'
    bounds.require(bound, status.st_size, what)


def binary(path: epath.PathLike, bound: str = '') -> BinaryIO:
  """Opens a file for reading; see `regular`."""
  regular(path, bound)
  return epath.Path(path).open('rb')


def content(path: epath.PathLike, bound: str = '') -> bytes:
  """Returns the bytes of a file; see `regular`."""
  with binary(path, bound) as file:
    return file.read()


def lines(path: epath.PathLike, file: TextIO) -> Iterator[str]:
  """Yields the lines of an open text, which are no longer than they may be.

  Raises:
    bounds.BoundError: at one that is.
  """
  most = bounds.current().line + 1
  while line := file.readline(most):
    what = f'{names.shown(path)} has a line of {len(line):,} characters or more'
    bounds.require('line', len(line), what)
    yield line


def read_json(
  path: epath.PathLike,
  kind: type = dict,
  error: type[ValueError] = ContentError,
) -> Any:
  """Reads a json file in UTF-8 that a program wrote.

  Args:
    path: of the file.
    kind: what its top level is.
    error: what is raised.

  Raises:
    OSError: as `regular` does.
    error: naming the file, if it is not json, or of another kind.
  """
  data = content(path, 'text')
  try:
    value = json.loads(data.decode('utf-8'))
  except (ValueError, RecursionError) as reason:
    raise error(
      f'{names.shown(path)}: not json ({reason}); is it damaged?'
    ) from None
  if not isinstance(value, kind):
    raise error(
      f'{names.shown(path)}: a json {type(value).__name__}, not {kind.__name__}'
    )
  return value
