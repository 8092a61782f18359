"""Name maps between published models and ours, as data that runs both ways.

A rule is one array of theirs and what it is of ours:

  rule('blocks.{i}.attn.qkv.weight',
       ['…_{i}/query/kernel', '…_{i}/key/kernel', '…_{i}/value/kernel'],
       '(n h c) i -> n i h c')

`{i}` counts from 0, and `{i+1}` goes along from 1. The pattern is einops';
where there are several of ours, they are the entries of its first axis. Read
from right to left, the same rule exports.

Where theirs has no counter and ours has, theirs is a stack of all blocks:

  rule('x_layers/layer_norm/bias', '…_{i}/LayerNorm_0/bias', 'n d -> n d')
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import einops
import numpy as np

_COUNTER, _FOLLOWING = '{i}', '{i+1}'
_STATISTICS = 'batch_stats/'

# Patterns that many families share.
DENSE = 'o i -> i o'
CONV = 'o i t h w -> t h w i o'
IMAGE_CONV = 'o i h w -> 1 h w i o'
POINT_CONV = 'o i 1 1 1 -> i o'


@dataclasses.dataclass(frozen=True)
class Rule:
  """One array of theirs.

  Attributes:
    theirs: its name.
    ours: names below the backbone; those of statistics begin with
      'batch_stats/'.
    pattern: einops', from theirs to ours; '' if nothing changes.
    stacks: whether theirs has ours, however many, along its first axis.
    optional: whether a model may be without it; the family's layout then says
      where one has to have it.
    every: which numbers `{i}` stands for: multiples of this one.
  """

  theirs: str
  ours: tuple[str, ...]
  pattern: str = ''
  stacks: bool = False
  optional: bool = False
  every: int = 1

  @property
  def splits_heads(self) -> bool:
    """Whether an axis of theirs is heads and their channels, (h c)."""
    return 'h c)' in self.pattern

  def at(self, number: int) -> Rule:
    """Returns the rule with `{i}` replaced."""
    return dataclasses.replace(
      self,
      theirs=_fill(self.theirs, number),
      ours=tuple(_fill(name, number) for name in self.ours),
    )

  def over(self, count: int) -> Rule:
    """Returns a stacked rule for so many of ours."""
    ours = tuple(_fill(self.ours[0], number) for number in range(count))
    return dataclasses.replace(self, ours=ours)

  def to_ours(
    self, array: np.ndarray, axes: Mapping[str, int]
  ) -> dict[str, np.ndarray]:
    """Returns our arrays, which are views where they can be.

    Raises:
      einops.EinopsError: if the array has another shape than the rule's.
    """
    if self.stacks:
      parts = _rearrange(array, self.pattern, axes)
      return dict(zip(self.over(len(parts)).ours, parts))
    if len(self.ours) == 1:
      return {self.ours[0]: _rearrange(array, self.pattern, axes)}
    parts = self.pattern.split(' -> ')[1].split()[0]
    axes = {**axes, parts: len(self.ours)}
    return dict(zip(self.ours, _rearrange(array, self.pattern, axes)))

  def to_theirs(
    self, arrays: Mapping[str, np.ndarray], axes: Mapping[str, int]
  ) -> np.ndarray:
    """Returns their array; `to_ours` the other way round."""
    found = [arrays[name] for name in self.ours]
    alone = len(found) == 1 and not self.stacks
    array = found[0] if alone else np.stack(found)
    left, _, right = self.pattern.partition(' -> ')
    pattern = f'{right} -> {left}' if right else ''
    return _rearrange(array, pattern, axes)


def _rearrange(array, pattern, axes):
  if not pattern:
    return array
  used = set(re.findall(r'[a-z]+', pattern))
  known = {name: size for name, size in axes.items() if name in used}
  return einops.rearrange(array, pattern, **known)


def _fill(name: str, number: int) -> str:
  name = name.replace(_COUNTER, str(number))
  return name.replace(_FOLLOWING, str(number + 1))


def rule(theirs: str, ours: str | Sequence[str], pattern: str = '') -> Rule:
  ours = (ours,) if isinstance(ours, str) else tuple(ours)
  stacks = _COUNTER in ours[0] and _COUNTER not in theirs
  return Rule(theirs, ours, pattern, stacks)


def dense(theirs: str, ours: str, pattern: str = DENSE) -> list[Rule]:
  """Rules of PyTorch's layer with `weight` [o, i, ...] and `bias`."""
  return [
    rule(f'{theirs}.weight', f'{ours}/kernel', pattern),
    rule(f'{theirs}.bias', f'{ours}/bias'),
  ]


def optional(each: Iterable[Rule]) -> list[Rule]:
  """Returns rules of what some blocks of a model are without."""
  return [dataclasses.replace(rule, optional=True) for rule in each]


def norm(theirs: str, ours: str) -> list[Rule]:
  """Rules of PyTorch's LayerNorm."""
  return [
    rule(f'{theirs}.weight', f'{ours}/scale'),
    rule(f'{theirs}.bias', f'{ours}/bias'),
  ]


def flax(theirs: str, ours: str, leaf: str = 'kernel') -> list[Rule]:
  """Rules of a layer of Flax's, whose arrays are ours."""
  return [rule(f'{theirs}/{x}', f'{ours}/{x}') for x in (leaf, 'bias')]


def batch_norm(theirs: str, ours: str) -> list[Rule]:
  """Rules of PyTorch's BatchNorm and its running statistics."""
  return [
    *norm(theirs, ours),
    rule(f'{theirs}.running_mean', f'batch_stats/{ours}/mean'),
    rule(f'{theirs}.running_var', f'batch_stats/{ours}/var'),
  ]


def heads(
  theirs: Sequence[str], attention: str, bias: bool = True
) -> list[Rule]:
  """Rules of attention whose query, key, value and output are Dense each.

  Args:
    theirs: the four layers' names.
    attention: our module.
    bias: whether they have biases.
  """
  found = []
  for name, ours in zip(theirs, ('query', 'key', 'value')):
    at = f'{attention}/{ours}'
    found.append(rule(f'{name}.weight', f'{at}/kernel', '(h c) i -> i h c'))
    if bias:
      found.append(rule(f'{name}.bias', f'{at}/bias', '(h c) -> h c'))
  return [*found, *heads_out(theirs[3], attention)]


def heads_out(theirs: str, attention: str) -> list[Rule]:
  """Rules of the layer behind an attention."""
  return dense(theirs, f'{attention}/out', 'o (h c) -> h c o')


def fused(theirs: Sequence[str], attention: str, bias: bool = True):
  """Rules of attention whose query, key and value are one layer.

  Args:
    theirs: their weight's and their bias's name.
    attention: our module.
    bias: whether there is one.
  """
  of = lambda leaf: [
    f'{attention}/{n}/{leaf}' for n in ('query', 'key', 'value')
  ]
  found = [rule(theirs[0], of('kernel'), '(n h c) i -> n i h c')]
  if bias:
    found.append(rule(theirs[1], of('bias'), '(n h c) -> n h c'))
  return found


def expand(
  rules: Iterable[Rule], names: Collection[str], ours: bool = False
) -> list[Rule]:
  """Returns rules whose counters are filled in.

  Rules that share what is before the first counter of their names count
  together, to the highest number that any of them finds. There is at least
  one of each, but for those that are optional. What stacks is one array of
  theirs, whatever its length.

  Args:
    rules: with or without counters.
    names: that there are.
    ours: whether these are our names, and not theirs.
  """
  groups = {}
  for each in rules:
    name = each.ours[0] if each.stacks else each.theirs
    start = each.stacks, name.partition(_COUNTER)[0]
    groups.setdefault(start, []).append(each)
  found = []
  for (stacks, _), group in groups.items():
    if stacks and ours:
      count = _count(group, names, ours)
      found += [each.over(count) for each in group]
      continue
    if not any(_COUNTER in each.theirs for each in group):
      found += group
      continue
    found += [
      each.at(number)
      for number in range(_count(group, names, ours))
      for each in group
      if _COUNTER in each.theirs and number % each.every == 0
    ]
    found += [each for each in group if _COUNTER not in each.theirs]
  return [
    each
    for each in found
    if not each.optional or any(n in names for n in _side(each, ours))
  ]


def _count(group: list[Rule], names: Collection[str], ours: bool) -> int:
  """Returns how many numbers rules have, at least 1."""
  patterns = [_counted(name) for r in group for name in _side(r, ours)]
  return 1 + max(
    (int(m[1]) for n in names for p in patterns if (m := p.fullmatch(n))),
    default=0,
  )


def prefixed(rules: Iterable[Rule], prefix: str) -> list[Rule]:
  """Returns rules with a prefix to our names, behind that of statistics."""

  def name(path: str) -> str:
    bare = path.removeprefix(_STATISTICS)
    return (_STATISTICS if bare != path else '') + prefix + bare

  return [
    dataclasses.replace(each, ours=tuple(map(name, each.ours)))
    for each in rules
  ]


def _side(each: Rule, ours: bool) -> tuple[str, ...]:
  return each.ours if ours else (each.theirs,)


def _counted(name: str) -> re.Pattern:
  before, *after = (re.escape(part) for part in name.split(_COUNTER))
  return re.compile(before + r'(\d+)' + r'\1'.join(after) if after else before)
