"""Damage to the bytes of a file, drawn by hypothesis."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from hypothesis import strategies

# Positions are shares of a file, so that what is drawn fits every file.
_PARTS = 100_000
_TOKENS = (
  b'\xff\xfe\x80',  # No UTF-8.
  b'\xed\xa0\x80',  # Half of a surrogate pair.
  b'\0',
  b'1e999',
  b'NaN',
  b'-1',
  b'99999999999999999999',
  b'\xff\xff\xff\xff\xff\xff\xff\x7f',
  b'"',
  b'[' * 2000,
  b'{',
  b',',
  b'\n',
  b'\r',
  b'../../',
  b'null',
)


@dataclasses.dataclass(frozen=True)
class Mutation:
  """One damage.

  Attributes:
    kind: of `KINDS`.
    at: where, in parts of the file.
    to: another place, or which token, or which bit.
    length: bytes.
  """

  kind: str
  at: int
  to: int
  length: int

  def apply(self, data: bytes) -> bytes:
    """Returns damaged bytes."""
    begin = len(data) * self.at // _PARTS
    return KINDS[self.kind](self, data, begin, begin + self.length)


def _flip(self: Mutation, data: bytes, begin: int, end: int) -> bytes:
  if begin >= len(data):
    return data
  changed = data[begin] ^ 1 << self.to % 8
  return data[:begin] + bytes([changed]) + data[begin + 1 :]


def _zero(self: Mutation, data: bytes, begin: int, end: int) -> bytes:
  return data[:begin] + bytes(len(data[begin:end])) + data[end:]


def _insert(self: Mutation, data: bytes, begin: int, end: int) -> bytes:
  return data[:begin] + _TOKENS[self.to % len(_TOKENS)] + data[begin:]


def _replace(self: Mutation, data: bytes, begin: int, end: int) -> bytes:
  token = _TOKENS[self.to % len(_TOKENS)]
  return data[:begin] + token + data[begin + len(token) :]


def _swap(self: Mutation, data: bytes, begin: int, end: int) -> bytes:
  other = len(data) * (self.to % _PARTS) // _PARTS
  first, second = sorted((begin, other))
  length = min(self.length, second - first, len(data) - second)
  a, b = data[first : first + length], data[second : second + length]
  between, rest = data[first + length : second], data[second + length :]
  return data[:first] + b + between + a + rest


KINDS: dict[str, Callable[[Mutation, bytes, int, int], bytes]] = {
  'flip': _flip,
  'truncate': lambda self, data, begin, end: data[:begin],
  'zero': _zero,
  'delete': lambda self, data, begin, end: data[:begin] + data[end:],
  'double': lambda self, data, begin, end: data[:end] + data[begin:],
  'insert': _insert,
  'replace': _replace,
  'swap': _swap,
}


def apply(mutations: tuple[Mutation, ...], data: bytes) -> bytes:
  """Returns what is left of bytes."""
  for mutation in mutations:
    data = mutation.apply(data)
  return data


def some() -> strategies.SearchStrategy[tuple[Mutation, ...]]:
  """Returns one to three mutations."""
  one = strategies.builds(
    Mutation,
    kind=strategies.sampled_from(sorted(KINDS)),
    at=strategies.integers(0, _PARTS - 1),
    to=strategies.integers(0, _PARTS - 1),
    length=strategies.one_of(
      strategies.integers(1, 16), strategies.integers(16, 4096)
    ),
  )
  return strategies.lists(one, min_size=1, max_size=3).map(tuple)
