"""What a pickle would have made, found out before it is loaded.

A pickle says again what it has said before by a number. So a few bytes can hold
a tuple of two tuples of two tuples …: it takes little memory, but whoever
looks at each of its parts, as a dict does that has it as a key, never ends.
Here a pickle is followed step by step, with numbers in place of its objects.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable

from vidpetl import bounds

Bytes = bytes | memoryview

_TUPLES = {'EMPTY_TUPLE', 'TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3'}
_PUTS = {'BINPUT': 1, 'LONG_BINPUT': 4}
_GETS = {'BINGET': 1, 'LONG_BINGET': 4}
# How many bytes before an argument say how long it is.
_COUNTED = {
  pickletools.TAKEN_FROM_ARGUMENT1: 1,
  pickletools.TAKEN_FROM_ARGUMENT4: 4,
  pickletools.TAKEN_FROM_ARGUMENT4U: 4,
  pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_MARK = pickletools.markobject


def check(data: Bytes, start: int = 0) -> None:
  """Refuses a pickle whose tuples have too many parts, or that is cut off.

  Args:
    data: what it is in; a view is not copied.
    start: where it begins.

  Raises:
    pickle.UnpicklingError: for what no pickler writes.
    EOFError: if its end is missing.
    bounds.BoundError: if parts that are repeated are too many.
  """
  walk = _Walk(data, start)
  while not walk.ended:
    walk.hurry()
    walk.step()


class _Op:
  """An instruction.

  Attributes:
    do: what it does to a walk.
    size: bytes of its argument; None for one that says so itself.
    counted: bytes that say so.
    lines: lines of text that the argument is.
  """

  def __init__(self, code: pickletools.OpcodeInfo):
    argument = code.arg
    self.size, self.counted, self.lines = 0, 0, 0
    if argument is not None:
      self.size = argument.n if argument.n >= 0 else None
      self.counted = _COUNTED.get(argument.n, 0)
      pair = argument is pickletools.stringnl_noescape_pair
      self.lines = (1 + pair) if argument.n == pickletools.UP_TO_NEWLINE else 0
    self.do = _effect(code)


class _Walk:
  """Where a pickle stands: how many parts each object on its stack has."""

  def __init__(self, data: Bytes, at: int):
    self.data, self.at, self.end = data, at, len(data)
    self.stack: list[int] = []
    self.marks: list[int] = []
    self.memo: dict[int, int] = {}
    self.most = bounds.current().repeated
    self.ended = False

  def hurry(self) -> None:
    """Follows instructions that put an object on the stack, or note one.

    Nearly all of a large pickle are: `step` would take three times as long.
    """
    data, at, end, stack = self.data, self.at, self.end - 16, self.stack
    while at < end:
      code = data[at]
      size = _PUSHED[code]
      if size >= 0:
        at += 1 + size
      elif size == _SHORT:
        at += 2 + data[at + 1]
      elif code == _BINPUT and stack:
        self.memo[data[at + 1]] = stack[-1]
        at += 2
        continue
      elif code == _LONG_BINPUT and stack:
        self.memo[int.from_bytes(data[at + 1 : at + 5], 'little')] = stack[-1]
        at += 5
        continue
      else:
        break
      stack.append(1)
    self.at = at

  def step(self) -> None:
    """Follows an instruction."""
    if self.at >= self.end:
      raise EOFError('the end of a pickle')
    code = self.data[self.at]
    op = _OPS.get(code)
    if op is None:
      raise pickle.UnpicklingError(f'instruction {code:#x} of no pickle')
    self.at += 1
    begin = self.at
    self._pass(op)
    try:
      op.do(self, begin)
    except (IndexError, KeyError, ValueError) as error:
      if isinstance(error, bounds.BoundError):
        raise
      raise pickle.UnpicklingError('its steps do not fit') from None
    self.ended = code == _STOP

  def _pass(self, op: _Op) -> None:
    """Goes behind an argument."""
    if op.lines:
      for _ in range(op.lines):
        self.at = self._line_end()
    elif op.counted:
      self.at += op.counted + self.number(self.at, op.counted)
    else:
      self.at += op.size
    if self.at > self.end:
      raise EOFError(f'{self.at - self.end:,} bytes of a pickle')

  def _line_end(self) -> int:
    while self.at < self.end:
      block = bytes(self.data[self.at : self.at + 256])
      found = block.find(b'\n')
      if found >= 0:
        return self.at + found + 1
      self.at += len(block)
    return self.end + 1

  def number(self, at: int, size: int) -> int:
    return int.from_bytes(self.data[at : at + size], 'little')

  def line(self, at: int) -> int:
    """Returns the number of a line."""
    return int(bytes(self.data[at : self.at]))

  def to_mark(self) -> list[int]:
    """Takes off what is above the last mark."""
    place = self.marks.pop()
    above = self.stack[place:]
    del self.stack[place:]
    return above

  def make(self, parts: list[int]) -> None:
    """Puts a tuple on the stack."""
    count = 1 + sum(parts)
    if count > self.most:
      bounds.require('repeated', count, f'a tuple has {count:,} parts')
    self.stack.append(count)


Effect = Callable[[_Walk, int], None]


def _effect(code: pickletools.OpcodeInfo) -> Effect:
  """Returns what an instruction does to the stack of a walk."""
  name = code.name
  if name in _SPECIAL:
    return _SPECIAL[name]
  if name in _TUPLES:
    return _tuple(len(code.stack_before), _MARK in code.stack_before)
  if name in _PUTS or name in _GETS:
    size = code.arg.n
    if name in _PUTS:
      return lambda walk, at: _put(walk, walk.number(at, size))
    return lambda walk, at: walk.stack.append(walk.memo[walk.number(at, size)])
  after = len(code.stack_after)
  if _MARK in code.stack_before:
    return _from_mark(code.stack_before.index(_MARK), after)
  return _plain(len(code.stack_before), after)


def _put(walk: _Walk, number: int) -> None:
  walk.memo[number] = walk.stack[-1]


def _tuple(count: int, marked: bool) -> Effect:
  def make(walk: _Walk, at: int) -> None:
    del at
    parts = walk.to_mark() if marked else _taken(walk, count)
    walk.make(parts)

  return make


def _taken(walk: _Walk, count: int) -> list[int]:
  if count > len(walk.stack):
    raise IndexError
  parts = walk.stack[len(walk.stack) - count :]
  del walk.stack[len(walk.stack) - count :]
  return parts


def _from_mark(below: int, after: int) -> Effect:
  """Returns the effect of what takes all above a mark, and some below it."""

  def take(walk: _Walk, at: int) -> None:
    del at
    walk.to_mark()
    _taken(walk, below)
    walk.stack.extend([1] * after)

  return take


def _plain(before: int, after: int) -> Effect:
  def take(walk: _Walk, at: int) -> None:
    del at
    _taken(walk, before)
    walk.stack.extend([1] * after)

  return _push if (before, after) == (0, 1) else take


def _push(walk: _Walk, at: int) -> None:
  del at
  walk.stack.append(1)


def _pop(walk: _Walk, at: int) -> None:
  del at
  if walk.marks and walk.marks[-1] == len(walk.stack):
    walk.marks.pop()
  else:
    walk.stack.pop()


def _dup(walk: _Walk, at: int) -> None:
  del at
  walk.stack.append(walk.stack[-1])


_SPECIAL: dict[str, Effect] = {
  'MARK': lambda walk, _: walk.marks.append(len(walk.stack)),
  'MEMOIZE': lambda walk, _: _put(walk, len(walk.memo)),
  'PUT': lambda walk, at: _put(walk, walk.line(at)),
  'GET': lambda walk, at: walk.stack.append(walk.memo[walk.line(at)]),
  'POP': _pop,
  'POP_MARK': lambda walk, _: walk.to_mark() and None,
  'DUP': _dup,
  'STOP': lambda walk, _: None,
  'PROTO': lambda walk, _: None,
  'FRAME': lambda walk, _: None,
}
_STOP, _BINPUT, _LONG_BINPUT = b'.qr'
_OPS = {ord(code.code): _Op(code) for code in pickletools.opcodes}
_SHORT, _OTHER = -1, -2


def _pushed(code: int) -> int:
  """Returns how long the argument is of what does nothing but push.

  Returns:
    `_SHORT` if a byte says it, `_OTHER` for other instructions.
  """
  op = _OPS.get(code)
  if op is None or op.do is not _push or op.lines or op.counted > 1:
    return _OTHER
  return _SHORT if op.counted else op.size


_PUSHED = [_pushed(code) for code in range(256)]
