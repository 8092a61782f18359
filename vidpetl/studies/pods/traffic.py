"""What a compiled program moves, and how long its compiler takes it to run."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable, Iterator, Sequence

from vidpetl.studies.pods import program as program_lib

# Where an array's axes lie, in what tiles, and in which memory: 0 is HBM.
_PLACED = re.compile(
  program_lib.ARRAY.pattern + r'(?:\{([\d,]*)(?::([^}]*))?\})?'
)
_TILE = re.compile(r'T\(([\d,]+)\)')
_OPERAND = re.compile(r'%([\w.-]+)')
# They move nothing themselves.
_STILL = frozenset((
  'parameter', 'constant', 'tuple', 'get-tuple-element', 'bitcast', 'while',
  'conditional', 'call', 'after-all', 'partition-id', 'replica-id',
))  # fmt: skip
_SET_ASIDE = 'custom_call_target="AllocateBuffer"'
# What is lent to cuBLAS and cuDNN beside their result.
_LENT = re.compile(r', [su]8\[\d+\](?:\{0\})?\)$')
_PUT = 'dynamic-update-slice'
_SLICING = ('dynamic-slice', 'slice', _PUT)


def cycles(program: program_lib.Program) -> int:
  """Returns the compiler's own estimate of a run, without kernels of ours."""
  return sum(
    times * each.cycles
    for name, times in program.runs().items()
    for each in program.computations.get(name, ())
  )


def moved(program: program_lib.Program) -> int:
  """Returns the bytes that a run reads from HBM and writes to it.

  Those of tiles as they lie. What is fused is moved once; of what a fusion
  takes a slice of, or puts one into, the slice counts.
  """
  parts = _Parts(program)
  return sum(
    times * parts.moved(each)
    for name, times in program.runs().items()
    for each in program.computations.get(name, ())
  )


def work(
  program: program_lib.Program,
) -> Callable[[program_lib.Instruction], int]:
  """Returns instruction -> bytes that it moves, but for what is sent."""
  parts = _Parts(program)
  return lambda each: 0 if each.collective else parts.moved(each)


class _Parts:
  """What of arrays is moved by the instructions of a program."""

  def __init__(self, program: program_lib.Program):
    self.program = program
    everything = [x for some in program.computations.values() for x in some]
    self.made = {each.name: each for each in everything}
    self.fused = {
      name
      for each in everything
      if each.code not in ('while', 'conditional', 'call')
      for name in each.called()
    }
    self.readers = collections.defaultdict(list)
    for each in everything:
      for number, operand in enumerate(_operands(each)):
        self.readers[operand].append((each, number))

  def moved(self, each: program_lib.Instruction) -> int:
    """Returns the bytes that an instruction reads and writes.

    What is fused reads and writes as the fusion that calls it.
    """
    if each.within in self.fused:
      return 0
    if each.code in _STILL or each.code.endswith('-done'):
      return 0
    if _SET_ASIDE in each.rest:
      return 0
    operands = [self.made[x] for x in _operands(each) if x in self.made]
    if each.code.endswith('-start'):  # From one memory to another.
      return min(_in_hbm(x) for x in (each, *operands))
    read = (self.read(each, i, x) for i, x in enumerate(operands))
    put = [x for x in self.roots(each) if x.code == _PUT]
    written = _written(each) - sum(_size(x.type) for x in put)
    return sum(read) + max(0, written) + sum(map(self.sliced, put))

  def read(
    self,
    each: program_lib.Instruction,
    number: int,
    operand: program_lib.Instruction,
  ) -> int:
    uses = [*self.uses(each, number)]
    if uses and all(x.code in _SLICING and n == 0 for x, n in uses):
      return min(
        _in_hbm(operand), sum(self.sliced(x) for x, _ in uses if x.code != _PUT)
      )
    return _in_hbm(operand)

  def uses(
    self, each: program_lib.Instruction, number: int
  ) -> Iterator[tuple[program_lib.Instruction, int]]:
    """Yields what uses an operand in the end, and as which of its own."""
    users = []
    if each.code == 'fusion':
      given = f'{number})'
      users = [
        user
        for inner in self.body(each)
        if inner.code == 'parameter' and inner.rest.startswith(given)
        for user in self.readers[inner.name]
      ]
    elif each.code == 'bitcast':
      users = self.readers[each.name]
    else:
      yield each, number
    for user in users:
      yield from self.uses(*user)

  def roots(
    self, each: program_lib.Instruction
  ) -> Iterator[program_lib.Instruction]:
    """Yields what an instruction's results are made by in the end."""
    if each.code == 'fusion' and self.body(each):
      yield from self.roots(self.body(each)[-1])
    elif each.code in ('tuple', 'bitcast'):
      for name in _operands(each):
        yield from self.roots(self.made[name])
    else:
      yield each

  def body(
    self, each: program_lib.Instruction
  ) -> Sequence[program_lib.Instruction]:
    return self.program.computations.get(next(each.called(), ''), ())

  def sliced(self, each: program_lib.Instruction) -> int:
    """Returns the bytes that a slice, or an update of one, touches."""
    if each.code == _PUT:
      return _size(self.made[_operands(each)[1]].type)
    return _size(each.type)


def _operands(each: program_lib.Instruction) -> list[str]:
  return _OPERAND.findall(each.rest.partition('), ')[0])


def _written(each: program_lib.Instruction) -> int:
  made = each.type
  if each.code == 'custom-call':
    made = _LENT.sub(')', made)
  return _size(made, elsewhere=False)


def _in_hbm(each: program_lib.Instruction) -> int:
  return _size(each.type, elsewhere=False)


def _size(text: str, elsewhere: bool = True) -> int:
  """Returns the bytes of arrays in their tiles; of those in HBM, or of all."""
  total = 0
  for kind, shape, order, place in _PLACED.findall(text):
    if not elsewhere and re.search(r'S\([1-9]', place):
      continue
    sizes = [int(n) for n in shape.split(',') if n]
    axes = [sizes[int(i)] for i in reversed(order.split(',')) if i]
    tile = [int(n) for n in _tile(place)]
    for i, n in enumerate(reversed(tile[-len(axes) :] if axes else []), 1):
      axes[-i] = -(-axes[-i] // n) * n
    shape = ','.join(map(str, axes or sizes))
    total += program_lib.bytes_of(kind, shape)
  return total


def _tile(place: str) -> list[str]:
  found = _TILE.search(place)
  return found[1].split(',') if found else []
