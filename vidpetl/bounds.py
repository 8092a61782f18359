"""How large files may be, and what they claim of themselves.

A file may be damaged, or made to do harm: what it claims is held against these
bounds before memory is taken for it. Whoever has a larger file that is sound
raises the bound that the error names, for any command:

    vidpetl predict --run=RUN film.mp4 --limits=pixels=500000000,hours=5000

Processes that a command starts have the same bounds.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os

# What the flag says, for processes that are started later.
VARIABLE = 'VIDPETL_LIMITS'


class BoundError(ValueError):
  """A file is larger than a bound, or claims to be."""


@dataclasses.dataclass(frozen=True)
class Bounds:
  """The bounds.

  Attributes:
    pixels: of a frame of a film, or of a picture.
    hours: of a film.
    text: bytes of a file of annotations or settings, also unpacked.
    line: characters of a line of a table.
    picture: bytes of the file of a picture.
    unpacked: how many times larger than its file an archive of weights may
      become.
    repeated: values that a pickle's shared parts may amount to.
  """

  pixels: int = 1 << 27
  hours: int = 1000
  text: int = 1 << 30
  line: int = 1 << 24
  picture: int = 1 << 28
  unpacked: int = 100
  repeated: int = 1 << 24


@functools.lru_cache(maxsize=8)
def _read(words: str) -> Bounds:
  given = {}
  known = [field.name for field in dataclasses.fields(Bounds)]
  for word in filter(None, words.split(',')):
    name, _, value = word.partition('=')
    if name not in known:
      raise ValueError(f'--limits: no {name!r}; there are: {", ".join(known)}.')
    if not value.isdecimal() or not int(value):
      raise ValueError(f'--limits={word}: it is a whole number above 0.')
    given[name] = int(value)
  return Bounds(**given)


def current() -> Bounds:
  """Returns the bounds that hold."""
  return _read(os.environ.get(VARIABLE, ''))


def use(words: str) -> None:
  """Sets bounds for this process and those that it starts.

  Args:
    words: 'pixels=500000000,hours=5000'; '' leaves them as they are.

  Raises:
    ValueError: for a bound that there is not, or a value that is none.
  """
  if words:
    _read(words)
    os.environ[VARIABLE] = words


def require(name: str, value: float, what: str) -> None:
  """Refuses what is larger than a bound.

  Args:
    name: of the bound.
    value: to be held against it.
    what: the beginning of a sentence that is about the value.

  Raises:
    BoundError: if it is larger.
  """
  most = getattr(current(), name)
  if value > most:
    raise BoundError(
      f'{what}, more than {most:,}; if that is right, raise the bound: '
      f'--limits={name}={_whole(value)}'
    )


def _whole(value: float) -> str:
  return str(int(value)) if math.isfinite(value) else 'NUMBER'
