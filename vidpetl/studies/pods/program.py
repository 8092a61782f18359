"""What a compiled program says of itself: collectives, and what hides them.

It is read from the text that XLA prints of it, whose instructions stand in the
order in which they run.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

_KINDS = (
  'all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all',
  'collective-permute', 'collective-broadcast', 'ragged-all-to-all',
)  # fmt: skip
# The name of a fused all-reduce of which each chip keeps its part.
_SCATTERED = 'all-reduce-scatter'
_HEAD = re.compile(r'^(?:ENTRY )?%([\w.-]+) \(.*\{$')
_INSTRUCTION = re.compile(
  r'^ +(?:ROOT )?%(?P<name>[\w.-]+) = (?P<type>.*?) (?P<code>[a-z][\w-]*)\('
  r'(?P<rest>.*)$'
)
ARRAY = re.compile(r'\b(pred|bf16|[a-z]\d+(?:e\w+)?)\[([\d,]*)\]')
_CALLED = re.compile(
  r'(?:calls|to_apply|body|condition|branch_computations)='
  r'\{?((?:%[\w.-]+(?:, )?)+)'
)
_TRIPS = re.compile(r'known_trip_count"?:\{"?n"?:"?(\d+)')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')


@dataclasses.dataclass(frozen=True)
class Instruction:
  """A line of a program.

  Attributes:
    name: of its result.
    type: of its result, as XLA writes it.
    code: what it does.
    rest: what it is given, and how.
  """

  name: str
  type: str
  code: str
  rest: str

  @property
  def cycles(self) -> int:
    """The compiler's own estimate, of what computes."""
    found = _CYCLES.search(self.rest)
    return int(found[1]) if found else 0

  def called(self) -> Iterator[str]:
    """Yields the computations that it runs."""
    for names in _CALLED.findall(self.rest):
      yield from re.findall(r'%([\w.-]+)', names)


class Program:
  """The computations of a compiled program.

  Attributes:
    computations: name -> its instructions, in their order.
    entry: name of the first.
  """

  def __init__(self, text: str):
    """Reads what `jax.stages.Compiled.as_text` returns."""
    self.computations: dict[str, list[Instruction]] = {}
    self.entry, now = '', None
    for line in text.splitlines():
      if head := _HEAD.match(line):
        now = self.computations.setdefault(head[1], [])
        self.entry = head[1] if line.startswith('ENTRY') else self.entry
      elif now is not None and (found := _INSTRUCTION.match(line)):
        now.append(Instruction(**found.groupdict()))

  def runs(self) -> Mapping[str, int]:
    """Returns how often each computation runs in a run of the program."""
    counts = collections.Counter()

    def run(name, times):
      counts[name] += times
      for each in self.computations.get(name, ()):
        turns = self._turns(each)
        for inner in each.called():
          run(inner, times * turns)

    run(self.entry, 1)
    return counts

  def _turns(self, each: Instruction) -> int:
    """Returns how often a loop runs; other instructions run once.

    Where a program does not say it, its condition is a count from 0, held
    against the one number there is.
    """
    if each.code != 'while':
      return 1
    if told := _TRIPS.search(each.rest):
      return int(told[1])
    condition = re.search(r'condition=%([\w.-]+)', each.rest)
    within = self.computations.get(condition[1], ()) if condition else ()
    numbers = [x.rest.partition(')')[0] for x in within if x.code == 'constant']
    is_count = len(numbers) == 1 and numbers[0].isdigit()
    return int(numbers[0]) if is_count else 1


def collectives(program: Program) -> dict[str, dict[str, int]]:
  """Returns kind -> how many there are, and the bytes of their results.

  Bytes are those of one chip; what a loop repeats counts as often as it runs.
  """
  found: dict[str, dict[str, int]] = {}
  for name, times in program.runs().items():
    for each in program.computations.get(name, ()):
      kind = each.code.removesuffix('-start')
      if kind in _KINDS:
        kind = 'reduce-scatter' if _SCATTERED in name else kind
        entry = found.setdefault(kind, {'count': 0, 'bytes': 0})
        entry['count'] += times
        entry['bytes'] += times * _result_bytes(each)
  return found


def _result_bytes(each: Instruction) -> int:
  sizes = [bytes_of(*array) for array in ARRAY.findall(each.type)]
  if each.code in ('all-gather-start', 'collective-permute-start'):
    # What it is given comes first, as many arrays as there are results.
    operands = len(re.findall(r'%', each.rest.partition('), ')[0]))
    return sum(sizes[operands : 2 * operands])
  return sum(sizes)


def bytes_of(kind: str, shape: str) -> int:
  bits = 8 if kind == 'pred' else int(re.search(r'\d+', kind)[0])
  return math.prod(int(n) for n in shape.split(',') if n) * bits // 8


def hidden(program: Program) -> dict[str, Any]:
  """Returns how much of the communication runs while the chip computes.

  Returns:
    bytes: of results of all collectives; behind: of those that begin, and have
    something computed before they are waited for; cycles: that the compiler
    estimates of what is computed meanwhile.
  """
  whole = behind = cycles = 0
  for name, times in program.runs().items():
    begun: dict[str, tuple[int, int]] = {}
    so_far = 0
    for each in program.computations.get(name, ()):
      so_far += each.cycles
      kind, started, _ = each.code.partition('-start')
      if kind in _KINDS:
        size = times * _result_bytes(each)
        whole += size
        if started:
          begun[each.name] = size, so_far
      elif each.code.endswith('-done'):
        first = re.search(r'%([\w.-]+)', each.rest)
        size, before = begun.pop(first[1] if first else '', (0, so_far))
        behind += size if so_far > before else 0
        cycles += times * (so_far - before)
  return {'bytes': whole, 'behind': behind, 'cycles': cycles}
