"""What a compiled program says of itself: instructions, loops, collectives.

It is read from the text that XLA prints of it, whose instructions stand in the
order in which they run. A collective that runs while a chip computes has a
start and a done; or it is a chain: an equal instruction in each of the fusions
that begin it, compute beside it, and wait for it.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

KINDS = (
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
_CHAIN = re.compile(r'channel_id=(\d+).*\bchain_id="(\d+)"')


@dataclasses.dataclass(frozen=True)
class Instruction:
  """A line of a program.

  Attributes:
    name: of its result.
    type: of its result, as XLA writes it.
    code: what it does.
    rest: what it is given, and how.
    within: name of the computation that holds it.
  """

  name: str
  type: str
  code: str
  rest: str
  within: str

  @property
  def cycles(self) -> int:
    """The compiler's own estimate, of what computes."""
    found = _CYCLES.search(self.rest)
    return int(found[1]) if found else 0

  @property
  def collective(self) -> str:
    """Its kind, of what sends or begins to send; '' of what does not."""
    kind = self.code.removesuffix('-start')
    if kind in KINDS and _SCATTERED in self.within:
      return 'reduce-scatter'
    return kind if kind in KINDS else ''

  @property
  def chain(self) -> str:
    """What the parts of a collective have in common; '' of what has none."""
    found = _CHAIN.search(self.rest)
    return f'{found[1]} of {found[2]}' if found else ''

  @property
  def bytes(self) -> int:
    """Of its result, without what it is given."""
    sizes = [bytes_of(*array) for array in ARRAY.findall(self.type)]
    if self.code in ('all-gather-start', 'collective-permute-start'):
      # What it is given comes first, as many arrays as there are results.
      operands = len(re.findall(r'%', self.rest.partition('), ')[0]))
      return sum(sizes[operands : 2 * operands])
    return sum(sizes)

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
    self.entry, name, now = '', '', None
    for line in text.splitlines():
      if head := _HEAD.match(line):
        name = head[1]
        now = self.computations.setdefault(name, [])
        self.entry = name if line.startswith('ENTRY') else self.entry
      elif now is not None and (found := _INSTRUCTION.match(line)):
        now.append(Instruction(**found.groupdict(), within=name))

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
  chains = set()
  for name, times in program.runs().items():
    for each in program.computations.get(name, ()):
      if not each.collective or (each.chain and each.chain in chains):
        continue
      chains.add(each.chain)
      entry = found.setdefault(each.collective, {'count': 0, 'bytes': 0})
      entry['count'] += times
      entry['bytes'] += times * each.bytes
  return found


def bytes_of(kind: str, shape: str) -> int:
  bits = 8 if kind == 'pred' else int(re.search(r'\d+', kind)[0])
  return math.prod(int(n) for n in shape.split(',') if n) * bits // 8
