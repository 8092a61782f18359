"""What is raised for a video that cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import av

from vidpetl import bounds, stand_ins
from vidpetl.data import names, opening


class DecodeError(Exception):
  """A video that cannot be read as its container promises.

  Attributes:
    name: path, or what the caller calls the bytes.
    reason: what went wrong.
  """

  def __init__(self, name: str, reason: str):
    super().__init__(name, reason)
    self.name = name
    self.reason = reason

  def __str__(self) -> str:
    return f'{names.shown(self.name)}: {self.reason}'


class LyingError(Exception):
  """Timestamps that cannot be right, found while frames are decoded."""


class Refused(Exception):
  """A reason, raised where the name of the video is not known."""


def instead(head: bytes) -> str:
  """Returns what a file is that does not open as a video, and the cure.

  Args:
    head: its first bytes, `stand_ins.HEAD` or all.

  Returns:
    '' if it is nothing that is met often.
  """
  if head[4:8] == b'ftyp':
    return (
      'has no whole index (moov), which is written last: the recording or '
      'the copy was not finished; fetch the file again'
    )
  return stand_ins.instead(head)


@contextlib.contextmanager
def blaming(name: str) -> Iterator[None]:
  """Turns whatever a damaged file makes the decoder raise into DecodeError.

  Fuzzed files raise ValueError, IndexError, EOFError, MemoryError, ...: no
  narrower class covers them.
  """
  try:
    yield
  except (DecodeError, LyingError):
    raise
  except (Refused, bounds.BoundError, opening.NoFileError) as error:
    # What names the file itself is not to name it twice.
    said = str(error).removeprefix(f'{names.shown(name)} ')
    raise DecodeError(name, said) from None
  except Exception as error:
    raise DecodeError(name, reason(error)) from error


def reason(error: Exception) -> str:
  """Returns what an error says, in words that help."""
  if isinstance(error, av.error.InvalidDataError):
    return f'no video, or a damaged one ({error.strerror})'
  return f'{type(error).__name__}: {error}'
