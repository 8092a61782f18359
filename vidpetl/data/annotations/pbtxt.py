r"""Messages in protobuf's text format, without knowing their schema.

  item { name: "it's" id: 1 }    # a comment

Texts are quoted by " or ', have C's escapes, and stand side by side to be
joined. `item: {`, `item <`, commas and semicolons between fields are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TOKEN = re.compile(
  r"""
  (?P<blank> \s+ | \#[^\n]* )
  | (?P<text> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
  | (?P<word> [\w.+-]+ | \[[\w./]+\](?=\s*[:{<]) )
  | (?P<mark> [{}<>\[\]:,;] )
  """,
  re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
  r'\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})'
  r'|U([0-9a-fA-F]{8})|(.))|([^\\]+)',
  re.DOTALL,
)
_SIMPLE = dict(zip('abfnrtv', '\a\b\f\n\r\t\v'))
_START = re.compile(r'(?:\s+|#[^\n]*)*[A-Za-z_]\w*\s*:?\s*[{<]')
_CLOSE = {'{': '}', '<': '>', '[': ']'}

Token = tuple[int, str, str]  # line, kind and what it says


class Error(ValueError):
  """A text is not of the format.

  Attributes:
    line: where, from 1.
  """

  def __init__(self, line: int, problem: str):
    super().__init__(problem)
    self.line = line


def looks_like(content: str) -> bool:
  """Returns whether a text begins with a message."""
  return _START.match(content) is not None


def messages(content: str) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields the messages of a text, whatever they are called.

  Args:
    content: of the file.

  Yields:
    The line on which a message begins, and its fields: texts as they are
    meant, everything else as written; of a repeated field, the last. What
    stands outside of a message is none.

  Raises:
    Error: with the line.
  """
  tokens, line = _Tokens(content), 1
  while not tokens.at_end:
    try:
      line, _, value = tokens.field()
    except RecursionError:
      raise Error(line, 'what begins here never ends') from None
    if isinstance(value, dict):
      yield line, value


class _Tokens:
  """A text's tokens, taken one by one."""

  def __init__(self, content: str):
    self._tokens = list(_tokens(content))
    self._next = 0

  @property
  def at_end(self) -> bool:
    return self._next == len(self._tokens)

  def _peek(self) -> Token:
    if not self.at_end:
      return self._tokens[self._next]
    return (self._tokens[-1][0] if self._tokens else 1, 'end', 'the end')

  def _take(self) -> Token:
    token = self._peek()
    self._next += 1
    return token

  def _skip(self, marks: str) -> None:
    while self._peek()[1] == 'mark' and self._peek()[2] in marks:
      self._next += 1

  def field(self) -> tuple[int, str, Any]:
    """Returns the line, name and value of a field."""
    line, kind, name = self._take()
    if kind != 'word':
      raise Error(line, f'{name!r} where a field should begin')
    self._skip(':')
    value = self._value()
    self._skip(',;')
    return line, name, value

  def _value(self) -> Any:
    line, kind, word = self._take()
    if kind == 'word':
      return word
    if kind == 'text':
      meant = _meant(word)
      while self._peek()[1] == 'text':
        meant += _meant(self._take()[2])
      return _decoded(line, meant)
    if kind == 'mark' and word in '{<':
      return self._message(line, _CLOSE[word])
    if kind == 'mark' and word == '[':
      return self._list()
    raise Error(line, f'{word!r} where a value should be')

  def _message(self, begin: int, close: str) -> dict[str, Any]:
    fields = {}
    while self._peek()[1:] != ('mark', close):
      if self.at_end:
        raise Error(begin, f'no {close!r} closes it')
      _, name, value = self.field()
      fields[name] = value
    self._take()
    return fields

  def _list(self) -> list[Any]:
    found = []
    while self._peek()[1:] != ('mark', ']'):
      found.append(self._value())
      self._skip(',')
    self._take()
    return found


def _tokens(content: str) -> Iterator[Token]:
  place, line = 0, 1
  while place < len(content):
    match = _TOKEN.match(content, place)
    if match is None:
      raise Error(line, f'{content[place : place + 20]!r} is no part of it')
    kind, found = match.lastgroup, match[0]
    if kind == 'text':
      yield line, kind, found[1:-1]
    elif kind != 'blank':
      yield line, kind, found
    line += found.count('\n')
    place = match.end()


def _meant(quoted: str) -> bytes:
  r"""Returns what a quoted text means: 'caf\303\251' is 'café' in UTF-8."""
  meant = b''
  for match in _ESCAPE.finditer(quoted):
    octal, hexadecimal, short, long, simple, plain = match.groups()
    if octal or hexadecimal:
      code = int(octal, 8) if octal else int(hexadecimal, 16)
      meant += bytes([code & 0xFF])
    elif short or long:
      meant += chr(int(short or long, 16)).encode()
    else:
      meant += (plain or _SIMPLE.get(simple, simple)).encode()
  return meant


def _decoded(line: int, meant: bytes) -> str:
  try:
    return meant.decode()
  except UnicodeDecodeError:
    raise Error(line, f'{meant!r} is not UTF-8') from None
