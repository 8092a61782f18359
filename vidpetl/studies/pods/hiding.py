"""How much of a program's communication runs while a chip computes."""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable

from vidpetl.studies.pods import program as program_lib

# The end of a collective, in its code or, of a chain, in its name.
_DONE = '-done'
_FIRST = re.compile(r'%([\w.-]+)')

Work = Callable[[program_lib.Instruction], float]


@dataclasses.dataclass(frozen=True)
class Hidden:
  """What is sent, and what is computed meanwhile.

  Attributes:
    bytes: of results of all collectives.
    behind: of those that have something computed before they are waited for.
    cycles: of what is computed meanwhile.
    waiting: seconds in which the chip only waits.
  """

  bytes: int = 0
  behind: int = 0
  cycles: float = 0
  waiting: float = 0.0

  def plus(self, other: Hidden, times: int = 1) -> Hidden:
    """Returns both, the other one as often as it runs."""
    pairs = zip(
      dataclasses.astuple(self), dataclasses.astuple(other), strict=True
    )
    return Hidden(*(a + times * b for a, b in pairs))


def hidden(
  program: program_lib.Program,
  seconds: Callable[[str, int], float] = lambda kind, size: 0.0,
  clock: float = 1.0,
  work: Work = operator.attrgetter('cycles'),
) -> Hidden:
  """Returns how much of the communication runs while the chip computes.

  What a loop computes hides nothing that was begun before it.

  Args:
    program: that is asked.
    seconds: of a collective alone, by its kind and the bytes of its result. The
      links carry one after the other.
    clock: cycles a second.
    work: cycles that an instruction computes; by default, those that the
      compiler estimates.
  """
  found = Hidden()
  for name, times in program.runs().items():
    line = _Line(program, seconds, clock, work)
    for each in program.computations.get(name, ()):
      line.run(each)
    found = found.plus(line.hidden, times)
  return found


class _Line:
  """What a chip and its links do, instruction by instruction.

  Attributes:
    hidden: of what ran so far.
  """

  def __init__(
    self,
    program: program_lib.Program,
    seconds: Callable[[str, int], float],
    clock: float,
    work: Work,
  ):
    self.program, self.seconds = program, seconds
    self.clock, self.work = clock, work
    self.hidden = Hidden()
    self.cycles = 0
    self.free = 0.0  # When the links have carried all that was begun.
    self.begun: dict[str, tuple[int, float, float]] = {}

  def run(self, each: program_lib.Instruction) -> None:
    part = self._part(each)
    if part and part.chain not in self.begun:
      self._begin(part.chain, part)
    self.cycles += self.work(each)
    if part and _DONE in each.name:
      self._wait(part.chain)
    elif each.collective and not each.chain:
      self._begin(each.name, each)
      if each.code in program_lib.KINDS:  # It has no done.
        self._wait(each.name)
    elif each.code.endswith(_DONE) and (first := _FIRST.search(each.rest)):
      self._wait(first[1])

  @property
  def _now(self) -> float:
    return self.cycles / self.clock + self.hidden.waiting

  def _begin(self, key: str, each: program_lib.Instruction) -> None:
    self.free = max(self.free, self._now)
    self.free += self.seconds(each.collective, each.bytes)
    self.begun[key] = each.bytes, self.cycles, self.free
    self.hidden = self.hidden.plus(Hidden(bytes=each.bytes))

  def _wait(self, key: str) -> None:
    if key not in self.begun:  # What is waited for is no collective.
      return
    size, before, arrived = self.begun.pop(key)
    meanwhile = self.cycles - before
    behind = size if meanwhile else 0
    waiting = max(0.0, arrived - self._now)
    self.hidden = self.hidden.plus(Hidden(0, behind, meanwhile, waiting))

  def _part(
    self, each: program_lib.Instruction
  ) -> program_lib.Instruction | None:
    """Returns the part of a chain that a fusion holds."""
    if each.code != 'fusion':
      return None
    inner = self.program.computations.get(next(each.called(), ''), ())
    return next((x for x in inner if x.collective and x.chain), None)
